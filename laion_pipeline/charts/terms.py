"""The chart of whom the score favours: of each term asked about, its lift along the score."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from laion_pipeline.charts.chart import Chart, Drawing, Tables, draw_nothing
from laion_pipeline.charts.style import FAINT, MAIN
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.text import displayable

Row = Mapping[str, Any]

# What is drawn, where a release has it.
_FAVOURITE = "aesthetic"
# More terms are in the table.
_MOST_PANELS = 24
_COLUMNS = 5
_NAME_CHARACTERS = 22
# Steps with fewer captions that have the term tell next to nothing.
_FEWEST = 10
_FARTHEST = 64


def _term_curves(figure: Figure, tables: Tables) -> Drawing:
    rows = tables["term_lift"].to_pylist()
    if not rows:
        return draw_nothing(figure, "No terms were asked about: LAION_TERMS names a file of them")
    there = {row["score"] for row in rows}
    score = _FAVOURITE if _FAVOURITE in there else next(s for s in SCORES if s in there)
    terms: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["score"] == score:
            terms.setdefault((row["term_group"], row["term"]), []).append(row)
    # Those of which there is something to see come first.
    drawn = dict(sorted(terms.items(), key=lambda each: not _known(each[1]))[:_MOST_PANELS])
    places = figure.subplots(
        -(-len(drawn) // _COLUMNS), _COLUMNS, sharex=True, sharey=True, squeeze=False
    )
    for ((group, term), steps), axes in zip(drawn.items(), places.flat, strict=False):
        _draw(axes, displayable(term, _NAME_CHARACTERS), group, steps)
    for axes in places.flat[len(drawn) :]:
        axes.set_axis_off()
    for axes in places[-1]:
        axes.set_xlabel(score, size=8)
    _scale(places[0, 0], [row for steps in drawn.values() for row in _known(steps)])
    figure.supylabel("lift: share among the pairs of the step / among all", size=8, color=FAINT)
    told = ", ".join(_told(term, steps) for (_, term), steps in drawn.items())
    finding = _finding(terms, score)
    more = f" {len(terms) - len(drawn)} more are in the table." if len(terms) > len(drawn) else ""
    return Drawing(
        finding, f"Lift of each term by steps of {score}, with 95 % intervals. {told}.{more}"
    )


def _draw(axes: Axes, term: str, group: str, steps: Sequence[Row]) -> None:
    known = _known(steps)
    middle = [(row["score_from"] + row["score_to"]) / 2 for row in known]
    axes.axhline(1, color=FAINT, lw=0.8)
    axes.fill_between(
        middle,
        [row["lift_low"] for row in known],
        [row["lift_high"] for row in known],
        color=MAIN, alpha=0.25, lw=0,
    )  # fmt: skip
    axes.plot(middle, [row["lift"] for row in known], "o-", ms=2.5, lw=1.2, color=MAIN)
    axes.tick_params(labelsize=7)
    axes.set_title(term, size=9, pad=2)
    axes.text(
        0.03, 0.03, displayable(group, _NAME_CHARACTERS), size=6.5, color=FAINT,
        transform=axes.transAxes,
    )  # fmt: skip
    if not known:
        axes.text(
            0.5,
            0.62,
            "too few captions",
            size=8,
            color=FAINT,
            ha="center",
            transform=axes.transAxes,
        )


def _known(steps: Sequence[Row]) -> list[Row]:
    """The steps that tell of a term."""
    return [row for row in steps if row["lift_low"] is not None and row["having_it"] >= _FEWEST]


def _scale(axes: Axes, rows: Sequence[Row]) -> None:
    """Have the panels reach as far above 1 as below, in doublings."""
    farthest = max((abs(math.log2(row["lift"])) for row in rows), default=0)
    doublings = min(max(1, math.ceil(farthest)), round(math.log2(_FARTHEST)))
    axes.set_yscale("log", base=2)
    axes.set_ylim(2.0**-doublings / 1.3, 2.0**doublings * 1.3)
    exponents = range(-doublings, doublings + 1, -(-doublings // 3))
    axes.set_yticks([2.0**n for n in exponents], [_multiple(n) for n in exponents])
    axes.yaxis.set_minor_locator(NullLocator())


def _multiple(exponent: int) -> str:
    return f"{2**exponent}" if exponent >= 0 else f"1/{2**-exponent}"


def _ends(steps: Sequence[Row]) -> tuple[Row, Row] | None:
    """The lowest and the highest step that tell of a term."""
    known = _known(steps)
    return (known[0], known[-1]) if len(known) > 1 else None


def _told(term: str, steps: Sequence[Row]) -> str:
    name = displayable(term, _NAME_CHARACTERS)
    if (ends := _ends(steps)) is None:
        return f"{name}: too few captions"
    low, high = ends
    return (
        f"{name}: {low['lift']:.2g} from {low['score_from']:g} to {high['lift']:.2g} from"
        f" {high['score_from']:g}"
    )


def _finding(terms: Mapping[tuple[str, str], Sequence[Row]], score: str) -> str:
    """The term whose lift at the highest scores is surely farthest from 1; relative to all kept."""
    sure = [
        (max(math.log(high["lift_low"]), -math.log(high["lift_high"])), term, high)
        for (_, term), steps in terms.items()
        if (ends := _ends(steps))
        for high in ends[1:]
    ]
    distance, term, high = max(sure, default=(0.0, "", {}), key=lambda each: each[0])
    if distance <= 0:
        return (
            f"At the highest {score}, no term is surely more or less frequent than in all pairs,"
            " which is relative to what the release kept"
        )
    return (
        f"At {score} {high['score_from']:g} to {high['score_to']:g},"
        f" '{displayable(term, _NAME_CHARACTERS)}' is {high['lift']:.2g} times as frequent as in"
        " all pairs, which is relative to what the release kept"
    )


TERM_CURVES = Chart(
    "term_curves",
    "Whom the score favours: how much more often captions have each term asked about, along the"
    " score.",
    ("term_lift",),
    _term_curves,
    height_inches=7.0,
)
