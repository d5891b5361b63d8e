"""The chart of the sites that the images come from."""

import pyarrow.compute as pc
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from laion_pipeline.charts.chart import Chart, Drawing, Tables, draw_nothing
from laion_pipeline.charts.style import ACCENT, FAINT, MAIN, percent
from laion_pipeline.text import displayable

_SHOWN = 20
_CHARACTERS = 30


def _top_hosts(figure: Figure, tables: Tables) -> Drawing:
    rows = tables["host_counts"].slice(0, _SHOWN).to_pylist()
    if not rows:
        return draw_nothing(figure, "No host has 10 pairs in this release")
    names = [displayable(row["host"], _CHARACTERS) for row in rows]
    places, shares = range(len(rows)), [row["share"] for row in rows]
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    bars = left.barh(places, shares, color=MAIN)
    left.bar_label(bars, [f"{row['pairs']:,}" for row in rows], padding=4, color=FAINT, size=8)
    left.set_yticks(places, names)
    left.invert_yaxis()
    left.margins(x=0.15, y=0.01)
    left.set_xlabel("share of the pairs (number beside the bar)")
    marked = [row["watermarked_share"] for row in rows]
    if None in marked:
        right.text(0.5, 0.5, "no pwatermark\nin this release", ha="center", color=FAINT,
                   transform=right.transAxes)  # fmt: skip
        right.set_axis_off()
    else:
        right.plot(marked, places, "o", color=ACCENT)
        right.set_yticks(places, [""] * len(rows))
        right.set_ylim(left.get_ylim())
        right.set_xlim(-0.02, max(0.1, *marked) * 1.1)
        right.set_xlabel("of these, with a watermark")
    for axes in (left, right):
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(PercentFormatter(1))
    domains = tables["domain_summary"]
    finding = (
        f"{names[0]} serves {percent(shares[0])} of the pairs, the largest tenth of the domains"
        f" ({domains.num_rows:,}) {percent(pc.sum(domains['share']).as_py())}"
    )
    listed = ", ".join(
        f"{name} {percent(share)}" for name, share in zip(names, shares, strict=True)
    )
    return Drawing(finding, f"Bars of hosts by their share of the pairs. {finding}. {listed}.")


TOP_HOSTS = Chart(
    "top_hosts",
    "The sites that serve most images, and how many of those probably have a watermark.",
    ("host_counts", "domain_summary"),
    _top_hosts,
    height_inches=6,
)
