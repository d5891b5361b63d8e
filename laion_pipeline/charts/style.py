"""How charts look: one palette, told apart by colour-blind readers too, and one set of rules."""

from typing import Any

from matplotlib import font_manager

# From the Okabe-Ito palette.
MAIN = "#0072B2"
ACCENT = "#D55E00"
INK = "#222222"
FAINT = "#666666"
GRID = "#dddddd"
SHADES = "Blues"  # of densities: dark is many
AGAINST_OR_TOGETHER = "RdBu"  # of correlations: red is -1, blue 1


def percent(share: float) -> str:
    """A share from 0 to 1 as people read it, to two digits."""
    return f"{float(f'{share * 100:.2g}'):g}%"


def count(value: float, _position: int | None = None) -> str:
    """A number of pairs as it stands on an axis."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


# matplotlib brings the first along, so that every machine draws alike; what words of other scripts
# take from the others, where they are installed, is in none that can be brought along.
_FONTS = ("DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK KR")


def fonts() -> dict[Any, Any]:
    """The fonts to write with, of those that this machine has."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return {"font.family": [name for name in _FONTS if name in installed]}


STYLE: dict[Any, Any] = {
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
