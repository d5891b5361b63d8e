"""Text from strangers: shown so that what is seen is what is there."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_pipeline.text import displayable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("a caption, 거실 & <b>é 🛋</b>", "a caption, 거실 & <b>é 🛋</b>"),
        ("a\x00b", r"a\x00b"),
        ("line\nbreak\ttab\r", r"line\nbreak\ttab\r"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2066a\u2069\u200b\u200d\ufeff", r"\u2066a\u2069\u200b\u200d\ufeff"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\ud800", r"\ud800"),
        ("\ue000\uffff", r"\ue000\uffff"),
        ("\U000e0041", r"\U000e0041"),
        ("\ufffd", "\ufffd"),
    ],
)
def test_what_cannot_be_seen_is_escaped(text: str, shown: str) -> None:
    assert displayable(text) == shown


@given(st.text())
def test_only_printable_characters_are_left(text: str) -> None:
    shown = displayable(text)
    # Blanks that are wider or narrower than the space are not printable to Python, but seen.
    assert all(c.isprintable() or c.isspace() for c in shown)
    assert not set(shown) & set("\n\r\t\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029")


@given(st.text(st.characters(exclude_characters="\\'")))
def test_escapes_say_what_was_there(text: str) -> None:
    assert ast.literal_eval(f"'{displayable(text)}'") == text


@given(st.text(), st.integers(1, 20))
def test_long_texts_are_cut_before_they_are_escaped(text: str, limit: int) -> None:
    shown = displayable(text, limit)
    if len(text) <= limit:
        assert shown == displayable(text)
    else:
        assert shown == displayable(text[: limit - 1]) + "…"


def test_the_limit_counts_the_ellipsis() -> None:
    assert displayable("abcd", 4) == "abcd"
    assert displayable("abcde", 4) == "abc…"
