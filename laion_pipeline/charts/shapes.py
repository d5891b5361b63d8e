"""The chart of how large the images are, and of which shape."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, PercentFormatter, StrMethodFormatter

from laion_pipeline.charts.chart import Chart, Drawing, Tables, draw_nothing
from laion_pipeline.charts.style import ACCENT, FAINT, MAIN, SHADES, count, percent

# Bins from one side to the side twice as long.
_BINS_PER_DOUBLING = 8
# What share of the sides the density leaves out at either end, so that a few giants do not squeeze
# all others into a corner.
_LEFT_OUT = 0.001
# Width by height; those beside them would touch where many doublings are shown.
_RATIOS = ((9, 16), (2, 3), (3, 4), (1, 1), (4, 3), (3, 2), (16, 9))
_TIGHT = {(3, 4), (4, 3)}
_DOUBLINGS_WITH_ROOM = 6


def _resolution_shapes(figure: Figure, tables: Tables) -> Drawing:
    sizes = tables["resolution_counts"]
    if not sizes.num_rows:
        return draw_nothing(figure, "No pairs of known size in this release")
    classes = tables["resolution_summary"].to_pylist()
    density, bars = figure.subplots(1, 2, width_ratios=(1.2, 1))
    _draw_density(figure, density, sizes)
    _draw_classes(bars, classes)
    shares = {(row["measure"], row["class"]): percent(row["share"]) for row in classes}
    finding = (
        f"{shares['orientation', 'landscape']} of the images are landscape,"
        f" {shares['orientation', 'portrait']} portrait, {shares['orientation', 'square']} square;"
        f" {shares['shortest side', 'at least 512 px']} have at least 512 px on the shortest side"
    )
    listed = "; ".join(f"{measure}, {name}: {share}" for (measure, name), share in shares.items())
    return Drawing(
        finding, f"Density of widths and heights, and their classes. {finding}. {listed}."
    )


def _draw_density(figure: Figure, axes: Axes, sizes: pa.Table) -> None:
    width, height, pairs = (sizes[name].to_numpy() for name in ("width", "height", "pairs"))
    low, high = _doublings(np.concatenate([width, height]), np.concatenate([pairs, pairs]))
    edges = np.exp2(np.linspace(low, high, (high - low) * _BINS_PER_DOUBLING + 1))
    counts, _, _ = np.histogram2d(width, height, bins=(edges, edges), weights=pairs)
    shown = axes.pcolormesh(
        edges, edges, np.ma.masked_equal(counts.T, 0), norm=LogNorm(0.3, max(10, counts.max())),
        cmap=SHADES, rasterized=True,
    )  # fmt: skip
    figure.colorbar(
        shown, ax=axes, location="bottom", aspect=40, label="pairs in a bin (log)",
        format=FuncFormatter(count),
    )  # fmt: skip
    for across, down in _RATIOS:
        if high - low <= _DOUBLINGS_WITH_ROOM or (across, down) not in _TIGHT:
            _draw_ratio(axes, across, down, 2.0**high)
    axes.set(
        xscale="log", yscale="log", xlim=edges[[0, -1]], ylim=edges[[0, -1]],
        xlabel="width in px (log)", ylabel="height in px (log)",
    )  # fmt: skip
    whole = np.exp2(np.arange(low, high + 1, 1 if high - low <= 2 * _DOUBLINGS_WITH_ROOM else 2))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(whole.tolist()))
        axis.set_minor_locator(FixedLocator([]))
        axis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    axes.tick_params("x", rotation=45)
    axes.grid(visible=False)


def _doublings(sides: np.ndarray[Any, Any], pairs: np.ndarray[Any, Any]) -> tuple[int, int]:
    """The powers of two between which nearly all sides lie."""
    order = np.argsort(sides)
    reached = np.cumsum(pairs[order]) / pairs.sum()
    ends = np.searchsorted(reached, (_LEFT_OUT, 1 - _LEFT_OUT))
    low, high = sides[order][np.minimum(ends, len(sides) - 1)]
    return int(np.floor(np.log2(low))), int(np.floor(np.log2(high))) + 1


def _draw_ratio(axes: Axes, across: int, down: int, end: float) -> None:
    axes.axline((end, end * down / across), slope=1, color=FAINT, linewidth=0.7, linestyle=":")
    right = across >= down
    axes.annotate(
        f"{across}:{down}",
        (end, end * down / across) if right else (end * across / down, end),
        xytext=(3, 0) if right else (0, 3), textcoords="offset points", size=7, color=FAINT,
        ha="left" if right else "center", va="center" if right else "bottom",
        rotation=0 if right else 90,
    )  # fmt: skip


def _draw_classes(axes: Axes, classes: Sequence[Mapping[str, Any]]) -> None:
    """A bar for each class, with room between one measure's and the next's."""
    places, labels, shares, drop = [], [], [], 0.0
    measure = None
    for row in classes:
        if row["measure"] != measure:
            measure, drop = row["measure"], drop + 1.2
            axes.text(
                0, drop - 0.85, row["measure"], size=8, weight="bold", color=FAINT, va="center"
            )
        places.append(drop)
        labels.append(row["class"])
        shares.append(row["share"])
        drop += 1
    colors = [ACCENT if row["measure"] == "shortest side" else MAIN for row in classes]
    bars = axes.barh(places, shares, color=colors, height=0.75)
    axes.bar_label(bars, [percent(share) for share in shares], padding=3, size=7, color=FAINT)
    axes.set_yticks(places, labels, size=8)
    axes.invert_yaxis()
    axes.margins(x=0.15, y=0.01)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("share of the pairs of known size")


RESOLUTION_SHAPES = Chart(
    "resolution_shapes",
    "How widths and heights are spread, and how many images are of which shape and size.",
    ("resolution_counts", "resolution_summary"),
    _resolution_shapes,
    height_inches=6.5,
)
