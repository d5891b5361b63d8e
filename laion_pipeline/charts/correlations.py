"""The chart of which scores, sizes and caption lengths go together: a matrix of correlations."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from laion_pipeline.charts.chart import Chart, Drawing, Tables, draw_nothing
from laion_pipeline.charts.style import AGAINST_OR_TOGETHER, INK

# From here on the shade is dark, so that what is written on it is white.
_DARK = 0.6

Correlations = Mapping[tuple[str, str], float | None]


def _correlation_matrix(figure: Figure, tables: Tables) -> Drawing:
    rows = tables["score_correlations"].to_pylist()
    known = [row for row in rows if row["pearson"] is not None]
    if not rows:
        return draw_nothing(figure, "No pairs with two measures in this release")
    names = sorted({row[name] for row in rows for name in ("measure", "other")})
    below = {(row["other"], row["measure"]): row["pearson"] for row in rows}
    above = {(row["measure"], row["other"]): row["spearman"] for row in rows}
    _draw_matrix(figure, names, {**below, **above})
    finding = "Nothing here varies, so that nothing can go together"
    if known:
        most = max(known, key=lambda row: (abs(row["pearson"]), row["measure"], row["other"]))
        finding = (
            f"{most['measure']} and {most['other']} go together most: Pearson's correlation is"
            f" {most['pearson']:.2f}"
        )
    listed = "; ".join(
        f"{row['measure']} and {row['other']} {_number(row['pearson'])} and"
        f" {_number(row['spearman'])}"
        for row in rows
    )
    return Drawing(
        finding,
        f"Matrix of correlations, Pearson's below the diagonal, Spearman's above. {finding}."
        f" Pearson's and Spearman's: {listed}.",
    )


def _number(correlation: float | None) -> str:
    return "\N{EN DASH}" if correlation is None else f"{round(correlation, 2) + 0:.2f}"  # no -0


def _draw_matrix(figure: Figure, names: list[str], correlations: Correlations) -> None:
    axes = figure.subplots()
    places = {name: place for place, name in enumerate(names)}
    values = np.full((len(names), len(names)), np.nan)
    for (row, column), correlation in correlations.items():
        if correlation is not None:
            values[places[row], places[column]] = correlation
        dark = correlation is not None and abs(correlation) >= _DARK
        axes.text(
            places[column], places[row], _number(correlation), ha="center", va="center", size=9,
            color="white" if dark else INK,
        )  # fmt: skip
    shown = axes.imshow(values, cmap=AGAINST_OR_TOGETHER, vmin=-1, vmax=1, aspect="auto")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_title("Pearson's below the diagonal, Spearman's above")
    axes.grid(visible=False)
    figure.colorbar(shown, ax=axes, label="correlation")


CORRELATION_MATRIX = Chart(
    "correlation_matrix",
    "Which scores, sizes and caption lengths go together, by Pearson's and Spearman's correlation.",
    ("score_correlations",),
    _correlation_matrix,
    height_inches=6,
)
