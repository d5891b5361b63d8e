"""Charts of the scores: how the aesthetic score, and all four, are spread."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from laion_pipeline.charts.chart import Chart, Drawing, Tables, draw_nothing
from laion_pipeline.charts.style import ACCENT, FAINT, MAIN, count
from laion_pipeline.releases.columns import SCORES

# Of the figure that has two scores side by side.
SCORE_ROWS = math.ceil(len(SCORES) / 2)


def _of(table: pa.Table, score: str) -> pa.Table:
    return table.filter(pc.field("score") == score)


def _draw_histogram(axes: Axes, histogram: pa.Table, *, log: bool) -> None:
    lower = histogram["bin_lower"].to_numpy()
    edges = np.append(lower, histogram["bin_upper"].to_numpy()[-1])
    # From just below 1 on a log axis, so that bins of one pair show and empty ones do not.
    axes.stairs(
        histogram["pairs"].to_numpy(), edges, baseline=0.5 if log else 0, fill=True, color=MAIN
    )
    if log:
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.5)
    axes.yaxis.set_major_formatter(FuncFormatter(count))
    axes.set_xlim(edges[0], edges[-1])
    axes.grid(visible=False, axis="x")


def _mark(axes: Axes, value: float, label: str) -> None:
    axes.axvline(value, color=ACCENT, linewidth=1.5, linestyle="--")
    axes.annotate(
        label, (value, 0.97), xycoords=("data", "axes fraction"), xytext=(5, 0),
        textcoords="offset points", va="top", color=ACCENT, size=9,
    )  # fmt: skip


def _shares_above(histogram: pa.Table) -> list[tuple[int, float]]:
    """For each whole number within the scores, the share of pairs that reach it."""
    lower, pairs = histogram["bin_lower"].to_numpy(), histogram["pairs"].to_numpy()
    wholes = range(math.floor(lower[0]) + 1, math.ceil(histogram["bin_upper"].to_numpy()[-1]))
    return [(whole, pairs[lower >= whole].sum() / pairs.sum()) for whole in wholes]


def _aesthetic_distribution(figure: Figure, tables: Tables) -> Drawing:
    histogram = _of(tables["score_histogram"], "aesthetic")
    if not histogram.num_rows:
        return draw_nothing(figure, "No aesthetic scores in this release")
    summary = _of(tables["score_summary"], "aesthetic").to_pylist()[0]
    linear, log = figure.subplots(1, 2)
    _draw_histogram(linear, histogram, log=False)
    score = SCORES["aesthetic"]
    per_bin = f"pairs per {1 / score.bins_per_unit:g} of score"
    linear.set(title="as they are", xlabel=score.label, ylabel=per_bin)
    _mark(linear, summary["p50"], f"median {summary['p50']:.2f}")
    _draw_histogram(log, histogram, log=True)
    log.set(title="on a log axis", xlabel=score.label, ylabel=f"{per_bin} (log)")
    reached = _shares_above(histogram)
    for whole, share in reached:
        _mark(log, whole, f"{share:.1%} reach {whole}")
    finding = (
        f"Half of the pairs score below {summary['p50']:.2f},"
        f" and only 1 in 100 above {summary['p99']:.2f}"
    )
    steps = ", ".join(f"{share:.2%} of the pairs reach {whole}" for whole, share in reached)
    return Drawing(finding, f"Histogram of aesthetic scores, linear and log. {finding}. {steps}.")


def draw_absent(axes: Axes, score: str) -> None:
    """Say that a release lacks a score; nothing where there is no score to a place at all."""
    why = "not in this release" if score else ""
    axes.set_title(score)
    axes.text(0.5, 0.5, why, ha="center", color=FAINT, transform=axes.transAxes)
    axes.set_axis_off()


def _score_distributions(figure: Figure, tables: Tables) -> Drawing:
    if not tables["score_histogram"].num_rows:
        return draw_nothing(figure, "No scored pairs in this release")
    summaries = {row["score"]: row for row in tables["score_summary"].to_pylist()}
    grid = figure.subplots(SCORE_ROWS, 2).flat
    for axes, score in zip(grid, (*SCORES, ""), strict=False):
        histogram = _of(tables["score_histogram"], score)
        if not histogram.num_rows:
            draw_absent(axes, score)
            continue
        _draw_histogram(axes, histogram, log=False)
        axes.set(title=score, xlabel=SCORES[score].label, ylabel="pairs per bin")
        _mark(axes, summaries[score]["p50"], f"median {summaries[score]['p50']:.3g}")
    medians = ", ".join(f"{row['p50']:.3g} for {score}" for score, row in summaries.items())
    return Drawing(f"The median is {medians}", f"Histograms of each score. Medians: {medians}.")


AESTHETIC_DISTRIBUTION = Chart(
    "aesthetic_distribution",
    "How the aesthetic score is spread, on a linear and on a log axis.",
    ("score_histogram", "score_summary"),
    _aesthetic_distribution,
)
SCORE_DISTRIBUTIONS = Chart(
    "score_distributions",
    "How each of the scores is spread, with its median.",
    ("score_histogram", "score_summary"),
    _score_distributions,
    height_inches=3 * SCORE_ROWS,
)
