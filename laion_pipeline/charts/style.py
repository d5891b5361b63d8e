"""How charts look: one palette, told apart by colour-blind readers too, and one set of rules."""

from typing import Any

# From the Okabe-Ito palette.
MAIN = "#0072B2"
ACCENT = "#D55E00"
INK = "#222222"
FAINT = "#666666"
GRID = "#dddddd"

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib brings it along, so that every machine draws alike
    "font.size": 10,
    "text.parse_math": False,  # a $ is a dollar
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "figure.facecolor": "white",
    "figure.constrained_layout.h_pad": 0.1,
    "figure.constrained_layout.w_pad": 0.1,
}
