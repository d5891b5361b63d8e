"""The chart of the words of the captions, and of what is peculiar about them."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from laion_pipeline.charts.chart import Chart, Drawing, Tables, draw_nothing
from laion_pipeline.charts.style import ACCENT, FAINT, MAIN, count, percent
from laion_pipeline.text import displayable

_COMMONEST = 25
_BY_SCORE = 6
_CHARACTERS = 22

Row = Mapping[str, Any]


def _top_words(figure: Figure, tables: Tables) -> Drawing:
    words = tables["caption_words"].to_pylist()
    if not words:
        return draw_nothing(figure, "No captions with words in this release")
    summary = {row["measure"]: row for row in tables["caption_summary"].to_pylist()}
    peculiar = {name: row["share"] for name, row in summary.items() if row["p50"] is None}
    grid = figure.add_gridspec(2, 2, height_ratios=(1.6, 1))
    _draw_commonest(figure.add_subplot(grid[:, 0]), words[:_COMMONEST])
    _draw_by_score(figure.add_subplot(grid[0, 1]), words)
    _draw_peculiar(figure.add_subplot(grid[1, 1]), peculiar)
    finding = (
        f"Half of the captions have at most {summary['characters']['p50']} characters and"
        f" {summary['words']['p50']} words; {percent(peculiar['fewer than 3 words'])} have fewer"
        f" than three words, {percent(peculiar['only digits'])} are only digits"
    )
    listed = ", ".join(f"{_shown(row['word'])} {row['occurrences']:,}" for row in words[:10])
    return Drawing(finding, f"Bars of words and peculiarities. {finding}. Commonest: {listed}.")


def _shown(word: str) -> str:
    return displayable(word, _CHARACTERS)


def _draw_commonest(axes: Axes, words: Sequence[Row]) -> None:
    _bars(axes, [_shown(row["word"]) for row in words], [row["occurrences"] for row in words], MAIN)
    axes.xaxis.set_major_formatter(FuncFormatter(count))
    axes.set(title="commonest words", xlabel="how often they occur")


def _draw_by_score(axes: Axes, words: Sequence[Row]) -> None:
    scored = sorted(
        (row for row in words if row["mean_aesthetic"] is not None),
        key=lambda row: (-row["mean_aesthetic"], row["rank"]),
    )
    axes.set_title(f"of the {len(words)} commonest, by score")
    if not scored:
        axes.text(0.5, 0.5, "no aesthetic score in this release", ha="center", color=FAINT)
        axes.set_axis_off()
        return
    shown = scored if len(scored) <= 2 * _BY_SCORE else scored[:_BY_SCORE] + scored[-_BY_SCORE:]
    means = [row["mean_aesthetic"] for row in shown]
    axes.plot(means, range(len(shown)), "o", color=ACCENT)
    axes.set_yticks(range(len(shown)), [_shown(row["word"]) for row in shown], size=8)
    axes.invert_yaxis()
    axes.set_xlabel("mean aesthetic score")


def _draw_peculiar(axes: Axes, shares: Mapping[str, float]) -> None:
    bars = _bars(axes, list(shares), list(shares.values()), MAIN)
    axes.bar_label(bars, [percent(share) for share in shares.values()], padding=3, size=8)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.margins(x=0.2)
    axes.set(title="peculiarities", xlabel="share of the captions")


def _bars(axes: Axes, labels: Sequence[str], lengths: Sequence[float], color: str) -> Any:
    bars = axes.barh(range(len(labels)), lengths, color=color)
    axes.set_yticks(range(len(labels)), labels, size=8)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    return bars


TOP_WORDS = Chart(
    "top_words",
    "The commonest words of the captions, how they score, and what is peculiar about captions.",
    ("caption_words", "caption_summary"),
    _top_words,
    height_inches=6.5,
)
