"""The chart of what training at a fixed size does to the images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from laion_pipeline.charts.chart import Chart, Drawing, Tables, draw_nothing
from laion_pipeline.charts.style import ACCENT, FAINT, MAIN, percent

_COLORS = {"centre crop": MAIN, "bucketing": ACCENT}
_QUANTILES = {"p25_cut": "25%", "p50_cut": "50%", "p75_cut": "75%", "p95_cut": "95%"}


def _training_crops(figure: Figure, tables: Tables) -> Drawing:
    if not tables["crop_loss"].num_rows:
        return draw_nothing(figure, "No pairs of known size in this release")
    rows: dict[tuple[str, str], dict[int, Mapping[str, Any]]] = {}
    for row in tables["crop_loss"].to_pylist():
        rows.setdefault((row["method"], row["selection"]), {})[row["side"]] = row
    kept, lost = figure.subplots(1, 2)
    sides = sorted(rows["bucketing", "all"])
    enough = {
        method: [rows[method, "large enough"][side]["share"] for side in sides]
        for method in _COLORS
    }
    _draw_bars(kept, [str(side) for side in sides], enough)
    kept.set(
        title="large enough to need no enlarging", xlabel="training size in px",
        ylabel="share of the pairs of known size",
    )  # fmt: skip
    kept.legend(frameon=False, loc="upper right")
    # What is cut away of all pairs is the same for every size.
    quantiles = {
        method: [rows[method, "all"][sides[0]][quantile] for quantile in _QUANTILES]
        for method in _COLORS
    }
    _draw_bars(lost, list(_QUANTILES.values()), quantiles)
    lost.set(
        title="cut away at any size", xlabel="share of the pairs that lose at most this",
        ylabel="share of the pixels of an image",
    )  # fmt: skip
    cut = {method: percent(rows[method, "all"][1024]["mean_cut"]) for method in _COLORS}
    largest = percent(rows["bucketing", "large enough"][1024]["share"])
    finding = (
        f"A centre crop cuts away {cut['centre crop']} of the picture on average, bucketing"
        f" {cut['bucketing']}; {largest} of the pairs are large enough for buckets at 1024 px"
    )
    listed = "; ".join(
        f"{method} at {side} px: {percent(row['share'])} large enough"
        for method in _COLORS
        for side, row in rows[method, "large enough"].items()
    )
    return Drawing(finding, f"Bars by training size. {finding}. {listed}.")


def _draw_bars(axes: Axes, groups: Sequence[str], shares: Mapping[str, Sequence[float]]) -> None:
    """A bar for each method in each group."""
    for place, (method, heights) in zip((-0.2, 0.2), shares.items(), strict=True):
        bars = axes.bar(
            np.arange(len(groups)) + place, heights, 0.36, color=_COLORS[method], label=method
        )
        axes.bar_label(bars, [percent(share) for share in heights], padding=2, size=8, color=FAINT)
    axes.set_xticks(range(len(groups)), groups)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylim(0, max(0.05, axes.get_ylim()[1] * 1.1))
    axes.grid(visible=False, axis="x")


TRAINING_CROPS = Chart(
    "training_crops",
    "How many images are large enough to train on at a size, and how much of them is cut away.",
    ("crop_loss",),
    _training_crops,
)
