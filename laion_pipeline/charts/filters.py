"""The chart of how many pairs survive the filters of published models."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from laion_pipeline.charts.chart import Chart, Drawing, Tables, draw_nothing
from laion_pipeline.charts.style import ACCENT, FAINT, MAIN, percent

_ROOM_FOR_NAME = 1.3
# Where it stands what a filter keeps by itself.
_ALONE = 1.25

Row = Mapping[str, Any]


def _training_funnels(figure: Figure, tables: Tables) -> Drawing:
    recipes: dict[str, list[Row]] = {}
    for row in tables["training_filters"].to_pylist():
        recipes.setdefault(row["recipe"], []).append(row)
    if all(row["share_alone"] is None for rows in recipes.values() for row in rows):
        return draw_nothing(figure, "No pairs that a published filter could keep in this release")
    axes = figure.subplots()
    top = 0.0
    ticks: list[tuple[float, str]] = []
    for recipe, rows in recipes.items():
        axes.text(0, top + 0.35, recipe, size=9, weight="bold", va="center")
        places = [top + _ROOM_FOR_NAME + number for number in range(len(rows))]
        _draw_recipe(axes, places, rows)
        ticks += zip(places, (row["condition"] for row in rows), strict=True)
        top = places[-1] + 1
    axes.set_yticks([place for place, _ in ticks], [condition for _, condition in ticks], size=8)
    axes.set_ylim(top, -0.2)
    axes.set_xlim(0, _ALONE)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.text(_ALONE, -0.3, "by itself", size=9, color=ACCENT, ha="right", va="bottom")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("share of the pairs that are left by the filter and all before it")
    axes.grid(visible=False, axis="y")
    left = {
        recipe: rows[-1]["share_together"]
        for recipe, rows in recipes.items()
        if rows[-1]["share_together"] is not None
    }
    finding = "What published filters leave cannot be told of this release"
    if left:
        least, most = min(left, key=left.__getitem__), max(left, key=left.__getitem__)
        finding = (
            f"Published filters leave between {percent(left[least])} ({least}) and"
            f" {percent(left[most])} ({most}) of the pairs"
        )
    listed = "; ".join(f"{recipe}: {_steps(rows)}" for recipe, rows in recipes.items())
    return Drawing(finding, f"Bars of what each filter leaves. {finding}. {listed}.")


def _draw_recipe(axes: Axes, places: Sequence[float], rows: Sequence[Row]) -> None:
    for place, row in zip(places, rows, strict=True):
        left, alone = row["share_together"], row["share_alone"]
        if left is None:
            why = (
                "not in this release" if alone is None else "after one that is not in this release"
            )
            axes.text(0.01, place, why, size=8, color=FAINT, va="center")
        else:
            axes.barh(place, left, color=MAIN, height=0.7)
            axes.text(left + 0.01, place, percent(left), size=8, color=FAINT, va="center")
        if alone is not None:
            axes.text(_ALONE, place, percent(alone), size=8, color=ACCENT, va="center", ha="right")


def _steps(rows: Sequence[Row]) -> str:
    return ", ".join(
        f"{row['condition']} leaves {percent(row['share_together'])}"
        for row in rows
        if row["share_together"] is not None
    )


TRAINING_FUNNELS = Chart(
    "training_funnels",
    "How many pairs survive the filters of published models, one after the other.",
    ("training_filters",),
    _training_funnels,
    height_inches=6.5,
)
