"""Charts of filters: how many pairs a threshold on a score leaves."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from laion_pipeline.charts.chart import Chart, Drawing, Tables, draw_nothing
from laion_pipeline.charts.scores import SCORE_ROWS, draw_absent
from laion_pipeline.charts.style import ACCENT, MAIN
from laion_pipeline.releases.columns import SCORES

_SIGNS = {"at least": "\N{GREATER-THAN OR EQUAL TO}", "at most": "\N{LESS-THAN OR EQUAL TO}"}


def _threshold_curves(figure: Figure, tables: Tables) -> Drawing:
    table = tables["score_thresholds"]
    if not table.num_rows:
        return draw_nothing(figure, "No scored pairs in this release")
    halves = []
    for axes, score in zip(figure.subplots(SCORE_ROWS, 2).flat, (*SCORES, ""), strict=False):
        rows = _of(table, score)
        if not rows:
            draw_absent(axes, score)
            continue
        keeps = str(rows[0]["keeps"])
        thresholds, shares = [row["threshold"] for row in rows], [row["share"] for row in rows]
        axes.plot(thresholds, shares, color=MAIN, marker="o", markersize=3)
        half = _strictest_half(rows)
        axes.axvline(half["threshold"], color=ACCENT, linewidth=1.5, linestyle="--")
        axes.set_title(f"{score}: {half['share']:.0%} at {_SIGNS[keeps]} {half['threshold']:g}")
        axes.set(xlabel=f"{score} {keeps}", ylabel="share of pairs kept", ylim=(0, 1.03))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        halves.append(f"{score} {_SIGNS[keeps]} {half['threshold']:g}")
    finding = f"At least half of the pairs are kept by {', '.join(halves)}"
    return Drawing(finding, f"Share of the pairs that each threshold of a score keeps. {finding}.")


def _of(table: pa.Table, score: str) -> Sequence[Mapping[str, float]]:
    rows: Sequence[Mapping[str, float]] = table.filter(pc.field("score") == score).to_pylist()
    return rows


def _strictest_half(rows: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The strictest threshold by which at least half of the pairs are kept."""
    return min((row for row in rows if row["share"] >= 1 / 2), key=lambda row: row["share"])


THRESHOLD_CURVES = Chart(
    "threshold_curves",
    "How many pairs a filter on each score keeps, by its threshold.",
    ("score_thresholds",),
    _threshold_curves,
    height_inches=3 * SCORE_ROWS,
)
