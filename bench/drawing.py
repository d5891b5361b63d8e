"""The chart of a benchmark: the seconds of each contender, by what they were spent on."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from bench.measuring import Usage
from bench.subjects import OTHER, by_subject
from laion_pipeline.charts.style import FAINT, INK, fonts

_COLORS = (
    "#0072B2", "#D55E00", "#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#999999",
    "#332288", "#882255", "#44AA99", "#117733", "#DDCC77",
)  # fmt: skip
# What takes less of the longest time is put together.
_SMALL = 0.02


def draw(medians: Mapping[str, Usage], rows: int, file: Path) -> None:
    """Draw a bar for each contender, in pieces."""
    import matplotlib as mpl

    with mpl.rc_context(fonts()):
        figure = Figure(figsize=(9, 1.6 + 0.6 * len(medians)), layout="constrained")
        axes = figure.subplots()
        longest = max(usage.wall_seconds for usage in medians.values())
        subjects = {name: _large(by_subject(usage), longest) for name, usage in medians.items()}
        named = dict.fromkeys(subject for each in subjects.values() for subject in each)
        names = list(medians)[::-1]
        left = [0.0] * len(names)
        assert len(named) <= len(_COLORS)
        for color, subject in zip(_COLORS, named, strict=False):
            widths = [subjects[name].get(subject, 0.0) for name in names]
            axes.barh(names, widths, left=left, color=color, label=subject, edgecolor="white")
            left = [start + width for start, width in zip(left, widths, strict=True)]
        for place, (name, end) in enumerate(zip(names, left, strict=True)):
            axes.text(end, place, f" {medians[name].wall_seconds:.0f} s", va="center", color=INK)
        axes.set_title(f"{rows:,} made-up rows{_compared(medians)}", loc="left", color=INK)
        axes.set_xlabel("seconds", color=FAINT)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize="small")
        figure.savefig(file, dpi=160)


def _compared(medians: Mapping[str, Usage]) -> str:
    if not {"by hand", "pipeline"} <= medians.keys():
        return ""
    share = medians["pipeline"].wall_seconds / medians["by hand"].wall_seconds
    return f": the pipeline takes {share:.2f} times as long as by hand"


def _large(seconds: Mapping[str, float], longest: float) -> Mapping[str, float]:
    large = {name: taken for name, taken in seconds.items() if taken >= _SMALL * longest}
    large.pop(OTHER, None)
    return {**large, OTHER: sum(seconds.values()) - sum(large.values())}
