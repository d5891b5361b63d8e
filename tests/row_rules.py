"""What a row breaks, computed in another way than by the contract's SQL: in plain Python."""

import math
import string
import unicodedata
from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]

QUARANTINED = (
    *("url_http", "text_present", "width_positive", "height_positive", "similarity_range"),
    *("punsafe_range", "pwatermark_range", "aesthetic_range"),
)
COUNTED = (
    *("punsafe_filter", "pwatermark_filter", "aesthetic_filter", "similarity_cutoff"),
    *("sizes_known", "text_not_only_digits", "text_without_replacement_characters"),
    *("text_without_control_characters", "text_without_html_entities"),
)
# What is valid, and what the release's makers kept of it; aesthetic 7 itself is not valid.
_VALID = {"similarity": (-1, 1), "punsafe": (0, 1), "pwatermark": (0, 1), "aesthetic": (7, 10)}


def broken_rules(row: Row, least_aesthetic: float = -math.inf) -> set[str]:
    """The rules that a row breaks, of a release that kept what has `least_aesthetic` or more."""
    url, text = (str(row[name] or "") for name in ("url", "text"))
    broken = set() if is_http(url) else {"url_http"}
    broken |= _dirt_in(text) if text.strip() else {"text_present"}
    for side in ("width", "height"):
        if row[side] is None:
            broken.add("sizes_known")
        elif not row[side] > 0:
            broken.add(f"{side}_positive")
    for score, (low, high) in _VALID.items():
        value = row[score]
        if not isinstance(value, int | float) or not low <= value <= high or value == 7:
            broken.add(f"{score}_range")
        elif not _is_kept(score, value, least_aesthetic):
            broken.add("similarity_cutoff" if score == "similarity" else f"{score}_filter")
    return broken


def _is_kept(score: str, value: float, least_aesthetic: float) -> bool:
    if score in ("similarity", "aesthetic"):
        return value >= {"similarity": 0.28, "aesthetic": least_aesthetic}[score]
    return value < {"punsafe": 0.5, "pwatermark": 0.8}[score]


def is_http(url: str) -> bool:
    """Whether a URL is http or https and has a host."""
    scheme, separator, rest = url.partition("://")
    return (
        scheme.lower() in ("http", "https")
        and separator != ""
        and rest[:1].strip() != ""
        and rest[0] not in "/?#"
    )


def _dirt_in(text: str) -> set[str]:
    dirt = set()
    if all(unicodedata.category(character) == "Nd" for character in text.strip()):
        dirt.add("text_not_only_digits")
    if "\N{REPLACEMENT CHARACTER}" in text:
        dirt.add("text_without_replacement_characters")
    if any(unicodedata.category(character) == "Cc" for character in text):
        dirt.add("text_without_control_characters")
    if any(_is_entity(behind.partition(";")) for behind in text.split("&")[1:]):
        dirt.add("text_without_html_entities")
    return dirt


def _is_entity(parts: tuple[str, str, str]) -> bool:
    name, semicolon, _ = parts
    if not semicolon:
        return False
    if name[:2] in ("#x", "#X"):
        return len(name) > 2 and set(name[2:]) <= set(string.hexdigits)
    if name[:1] == "#":
        return len(name) > 1 and set(name[1:]) <= set(string.digits)
    letters = set(string.ascii_letters)
    return 2 <= len(name) <= 32 and name[0] in letters and set(name) <= letters | set(string.digits)
