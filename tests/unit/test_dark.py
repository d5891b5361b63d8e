"""Colours of charts on dark pages: turned round, and still told apart."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from laion_pipeline.charts import style
from laion_pipeline.charts.dark import darkened

COLORS = st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=20)


@given(COLORS)
def test_what_is_lighter_becomes_darker(colors: list[tuple[int, int, int]]) -> None:
    grey = np.array([[color[0]] * 3 for color in sorted(colors)], np.uint8)
    dark = darkened(grey).astype(int)
    assert np.ptp(dark, axis=1).max() <= 1, "grey stays grey"
    assert (np.diff(dark[:, 0]) <= 0).all()


def contrast(one: str, other: str) -> float:
    """The contrast of two colours on a dark page, from 1 to 21, by WCAG 2."""
    luminances = []
    for color in (one, other):
        rgb = np.array([list(bytes.fromhex(color[1:]))], np.uint8)
        parts = darkened(rgb)[0] / 255
        linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        luminances.append(float(linear @ (0.2126, 0.7152, 0.0722)))
    return (max(luminances) + 0.05) / (min(luminances) + 0.05)


def test_what_is_read_stands_out_on_a_dark_page() -> None:
    assert contrast(style.INK, "#ffffff") > 7
    for color in (style.FAINT, style.MAIN, style.ACCENT):
        assert contrast(color, "#ffffff") > 4.5
    assert 1.2 < contrast(style.GRID, "#ffffff") < 3, "lines stay behind"
