"""The chart of what goes with low similarity: small images, and captions that say little."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from laion_pipeline.charts.chart import Chart, Drawing, Tables, draw_nothing
from laion_pipeline.charts.style import ACCENT, FAINT, MAIN, percent

Row = Mapping[str, Any]


def _similarity_tenths(figure: Figure, tables: Tables) -> Drawing:
    captions = tables["similarity_by_caption"].to_pylist()
    sizes = tables["similarity_by_size"].to_pylist()
    if not captions:
        return draw_nothing(figure, "No similarity in this release")
    left, right = figure.subplots(1, 2)
    _draw_sizes(left, sizes)
    _draw_captions(right, captions)
    low, high = (percent(captions[end]["short_share"]) for end in (0, -1))
    small, large = (
        f"{_megapixels(sizes[end])} megapixels and " if sizes else "" for end in (0, -1)
    )
    finding = (
        f"Lowest tenth of similarity: {small}{low} captions of one or two words;"
        f" highest: {large}{high}"
    )
    listed = ", ".join(
        f"{row['tenth']}: {_megapixels(row)}, {percent(row['small_share'])} below 256 px"
        for row in sizes
    )
    digits = ", ".join(f"{row['tenth']}: {percent(row['only_digits_share'])}" for row in captions)
    return Drawing(
        finding,
        f"Sizes and captions by tenths of similarity. {finding}. Median megapixels by tenth:"
        f" {listed}. Only digits by tenth: {digits}.",
    )


def _megapixels(row: Row) -> str:
    return f"{row['median_pixels'] / 1e6:.2g}"


def _draw_sizes(axes: Axes, rows: Sequence[Row]) -> None:
    axes.set_title("size of the image")
    if not rows:
        axes.text(0.5, 0.5, "no sizes in this release", ha="center", color=FAINT)
        axes.set_axis_off()
        return
    tenths = [row["tenth"] for row in rows]
    bars = axes.bar(tenths, [row["median_pixels"] / 1e6 for row in rows], color=MAIN)
    axes.bar_label(bars, [_megapixels(row) for row in rows], padding=2, size=7, color=FAINT)
    axes.set(ylabel="median megapixels")
    _label_tenths(axes)


def _draw_captions(axes: Axes, rows: Sequence[Row]) -> None:
    tenths = [row["tenth"] for row in rows]
    for name, label, color, marker in (
        ("short_share", "fewer than 3 words", MAIN, "o"),
        ("only_digits_share", "only digits", ACCENT, "s"),
    ):
        axes.plot(tenths, [row[name] for row in rows], marker, ls="-", color=color, label=label)
    axes.set(title="captions that say little", ylabel="share of the pairs of the tenth")
    axes.set_ylim(0, max(0.001, axes.get_ylim()[1] * 1.15))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend(frameon=False, loc="upper right")
    _label_tenths(axes)


def _label_tenths(axes: Axes) -> None:
    axes.set(xlabel="tenth of the pairs by similarity (1: lowest)", xlim=(0.3, 10.7))
    axes.set_xticks(range(1, 11))
    axes.grid(visible=False, axis="x")


SIMILARITY_TENTHS = Chart(
    "similarity_tenths",
    "What goes with low similarity: the size of the image, and what its caption says.",
    ("similarity_by_size", "similarity_by_caption"),
    _similarity_tenths,
)
