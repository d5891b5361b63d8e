"""The chart of which scores go together: densities of two at once, with the median line."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from laion_pipeline.charts.chart import Chart, Drawing, Tables, draw_nothing
from laion_pipeline.charts.style import ACCENT, FAINT, SHADES, count

_COMBINATIONS = (
    ("similarity", "log2 pixels"), ("aesthetic", "pwatermark"), ("aesthetic", "punsafe"),
    ("aesthetic", "similarity"),
)  # fmt: skip
# The median line leaves out what few pairs have, where it would follow single ones.
_FEWEST = 0.001


@dataclass(frozen=True)
class _Line:
    """The median of y in each bin of x, where enough pairs are."""

    x: list[float]
    median: list[float]


def _score_densities(figure: Figure, tables: Tables) -> Drawing:
    table = tables["score_joint_histogram"]
    if not table.num_rows:
        return draw_nothing(figure, "No pairs with two scores in this release")
    told = []
    for axes, (x, y) in zip(figure.subplots(2, 2).flat, _COMBINATIONS, strict=True):
        rows = table.filter((pc.field("x") == x) & (pc.field("y") == y))
        axes.set_title(f"{y} by {x}")
        if not rows.num_rows:
            axes.text(0.5, 0.5, "not in this release", ha="center", color=FAINT)
            axes.set_axis_off()
            continue
        _draw_density(axes, rows, x, y)
        line = _median_line(rows)
        axes.plot(line.x, line.median, "o-", color=ACCENT, markersize=3, label="median")
        axes.legend(frameon=False, loc="upper right", fontsize=8)
        told.append((x, y, line))
    ends = [
        f"{_told(y, line.median[0])} at {x} {line.x[0]:.2f} and {_told(y, line.median[-1])} at"
        f" {line.x[-1]:.2f}"
        for x, y, line in told
    ]
    alt = "; ".join(f"{y}: {end}" for (_, y, _), end in zip(told, ends, strict=True))
    return Drawing(
        f"Median {told[0][1].removeprefix('log2 ')}: {ends[0]}",
        f"Densities of two values at once, with the median line. Medians: {alt}.",
    )


def _told(y: str, value: float) -> str:
    return _pixels(value) if y == "log2 pixels" else f"{value:.2g}"


def _draw_density(axes: Axes, rows: pa.Table, x: str, y: str) -> None:
    x_edges, y_edges = _edges(rows, "x"), _edges(rows, "y")
    counts = np.zeros((len(y_edges) - 1, len(x_edges) - 1))
    at = [np.searchsorted(edges, rows[f"{name}_lower"].to_numpy() + width / 2) - 1
          for name, edges in (("x", x_edges), ("y", y_edges))
          for width in [edges[1] - edges[0]]]  # fmt: skip
    counts[at[1], at[0]] = rows["pairs"].to_numpy()
    axes.pcolormesh(
        x_edges, y_edges, np.ma.masked_equal(counts, 0), norm=LogNorm(0.3, max(10, counts.max())),
        cmap=SHADES, rasterized=True,
    )  # fmt: skip
    axes.set(xlabel=x, ylabel="pixels (log)" if y == "log2 pixels" else y)
    axes.grid(visible=False)
    if y == "log2 pixels":
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _pixels(value)))


def _pixels(value: float) -> str:
    return count(float(f"{2.0**value:.2g}"))


def _edges(rows: pa.Table, axis: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The edges of the bins of an axis, without a gap, from the lowest to the highest."""
    lower, upper = rows[f"{axis}_lower"].to_numpy(), rows[f"{axis}_upper"].to_numpy()
    width = (upper - lower).mean()
    bins = round((upper.max() - lower.min()) / width)
    return np.linspace(lower.min(), upper.max(), bins + 1)


def _median_line(rows: pa.Table) -> _Line:
    x, y = rows["x_lower"].to_numpy(), (rows["y_lower"].to_numpy() + rows["y_upper"].to_numpy()) / 2
    pairs = rows["pairs"].to_numpy()
    places, medians = [], []
    for place in np.unique(x):  # the rows of a bin of x lie in the order of y
        own = x == place
        if pairs[own].sum() >= _FEWEST * pairs.sum():
            reached = np.cumsum(pairs[own])
            places.append(float((place + rows["x_upper"].to_numpy()[own][0]) / 2))
            medians.append(float(y[own][np.searchsorted(reached, reached[-1] / 2)]))
    return _Line(places, medians)


SCORE_DENSITIES = Chart(
    "score_densities",
    "Which scores go together: how many pairs have which two values, with the median line.",
    ("score_joint_histogram",),
    _score_densities,
    height_inches=7.5,
)
