"""Charts of image sizes: which resolutions are common."""

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from laion_pipeline.charts.chart import Chart, Drawing, Tables, draw_nothing
from laion_pipeline.charts.style import FAINT, MAIN

_SHOWN = 20


def _top_resolutions(figure: Figure, tables: Tables) -> Drawing:
    rows = tables["resolution_counts"].slice(0, _SHOWN).to_pylist()
    if not rows:
        return draw_nothing(figure, "No pairs of known size in this release")
    axes = figure.subplots()
    labels = [f"{row['width']} \N{MULTIPLICATION SIGN} {row['height']}" for row in rows]
    shares = [row["share"] for row in rows]
    bars = axes.barh(range(len(rows)), shares, color=MAIN)
    axes.bar_label(bars, [f"{row['pairs']:,}" for row in rows], padding=4, color=FAINT, size=8)
    axes.set_yticks(range(len(rows)), labels)
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.01)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set(
        xlabel="share of the pairs of known size (number of pairs beside the bar)",
        ylabel="width \N{MULTIPLICATION SIGN} height in px",
    )
    finding = _finding(labels, shares, tables["resolution_counts"].num_rows)
    listed = ", ".join(f"{label} {share:.1%}" for label, share in zip(labels, shares, strict=True))
    return Drawing(finding, f"Bar chart of the commonest resolutions. {finding}. {listed}.")


def _finding(labels: list[str], shares: list[float], resolutions: int) -> str:
    if resolutions <= _SHOWN:
        return f"{labels[0]} is the commonest resolution, with {shares[0]:.0%} of the known sizes"
    return (
        f"{labels[0]} is the commonest of {resolutions:,} resolutions; the first {len(labels)}"
        f" hold {sum(shares):.0%} of the pairs of known size"
    )


TOP_RESOLUTIONS = Chart(
    "top_resolutions",
    "The commonest resolutions, with their share of the pairs of known size.",
    ("resolution_counts",),
    _top_resolutions,
    height_inches=6,
)
