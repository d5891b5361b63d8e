"""The chart of what is there more than once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from laion_pipeline.charts.chart import Chart, Drawing, Tables, draw_nothing
from laion_pipeline.charts.style import ACCENT, FAINT, MAIN, count, percent
from laion_pipeline.text import displayable

_COMMONEST = 12
_CHARACTERS = 29
_BEGINNING = 14
_KEYS = {"url": ("the same URL", MAIN), "hash": ("the same URL and caption", ACCENT)}
_NAMES = {"url": "URL", "hash": "URL and caption"}


def _duplicate_sizes(figure: Figure, tables: Tables) -> Drawing:
    rows = tables["duplicate_summary"].to_pylist()
    by_key = {key: [row for row in rows if row["key"] == key] for key in _KEYS}
    known = {key: own for key, own in by_key.items() if any(row["pairs"] for row in own)}
    if not known:
        return draw_nothing(figure, "No valid pairs in this release")
    removed = {key: sum(row["removed_share"] for row in own) for key, own in known.items()}
    axes, commonest = figure.subplots(1, 2, width_ratios=(1.6, 1))
    _draw_commonest(commonest, tables["duplicate_groups"].to_pylist())
    width = 0.8 / len(known)
    for number, (key, own) in enumerate(known.items()):
        several = own[1:]  # the first are there once
        places = np.arange(len(several)) + (number - (len(known) - 1) / 2) * width
        pairs = [row["pairs"] for row in several]
        bars = axes.bar(places, pairs, width * 0.95, color=_KEYS[key][1], label=_KEYS[key][0])
        axes.bar_label(bars, [f"{n:,}" for n in pairs], padding=2, size=7, color=FAINT)
        axes.set_xticks(range(len(several)), [_short(row["copies"]) for row in several])
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(0, 10 * max(1, axes.get_ylim()[1]))
    axes.yaxis.set_major_formatter(FuncFormatter(count))
    axes.set(xlabel="pairs that have the same", ylabel="pairs in such groups (log)")
    axes.grid(visible=False, axis="x")
    axes.legend(frameon=False, loc="upper right")
    finding = "Deduplication would remove " + " and ".join(
        f"{percent(share)} of the pairs by {_NAMES[key]}" for key, share in removed.items()
    )
    return Drawing(
        f"{finding}; images that only look alike are not seen",
        f"Bars of pairs in groups of the same. {finding}. {_listed(rows)}.",
    )


def _draw_commonest(axes: Axes, groups: Sequence[dict[str, Any]]) -> None:
    shown = [row for row in groups if row["key"] == "url"][:_COMMONEST]
    axes.set_title("commonest URLs")
    if not shown:
        axes.text(0.5, 0.5, "no URL is there twice", ha="center", color=FAINT)
        axes.set_axis_off()
        return
    places = range(len(shown))
    bars = axes.barh(places, [row["pairs"] for row in shown], color=MAIN)
    axes.bar_label(bars, [f"{row['pairs']:,}" for row in shown], padding=2, size=7, color=FAINT)
    axes.set_yticks(places, [_shown(row["value"]) for row in shown], size=7)
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.xaxis.set_major_formatter(FuncFormatter(count))
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.set_xlabel("pairs")
    axes.grid(visible=False, axis="y")


def _short(copies: str) -> str:
    return copies.replace(" to ", "\N{EN DASH}").replace(" and more", "+")


def _shown(url: str) -> str:
    """A URL by its two ends, which tell it from others best."""
    bare = url.partition("//")[2]
    ends = bare if len(bare) <= _CHARACTERS else f"{bare[:_BEGINNING]}…{bare[-_BEGINNING:]}"
    return displayable(ends)


def _listed(rows: Sequence[dict[str, Any]]) -> str:
    return ", ".join(f"{row['key']} {row['copies']}: {row['pairs']:,} pairs" for row in rows)


DUPLICATE_SIZES = Chart(
    "duplicate_sizes",
    "How many pairs share their URL, or URL and caption, with how many others.",
    ("duplicate_summary", "duplicate_groups"),
    _duplicate_sizes,
)
