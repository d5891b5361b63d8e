"""Which pairs a filter keeps, computed another way: pair by pair, in Python."""

import hashlib
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Any

from laion_pipeline.releases.intervals import Interval
from laion_pipeline.subsets.filter import SubsetFilter
from tests.builders import SCORES
from tests.oracles.rows import Row


def folded(text: str) -> str:
    apart = unicodedata.normalize("NFD", text)
    bare = "".join(c for c in apart if not unicodedata.category(c).startswith("M"))
    return unicodedata.normalize("NFC", bare).lower().replace("ς", "σ").replace("ß", "ss")


def has_term(text: str, term: str, *, whole: bool) -> bool:
    held, wanted = folded(text), folded(term)

    def is_part(at: int) -> bool:
        return 0 <= at < len(held) and unicodedata.category(held[at])[0] in "LN"

    at = held.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        starts = not (wanted[0].isalnum() and is_part(at - 1))
        ends = not (wanted[-1].isalnum() and is_part(end))
        if not whole or (starts and ends):
            return True
        at = held.find(wanted, at + 1)
    return False


def _within(value: float | None, kept: Interval) -> bool:
    return value is not None and not (
        (kept.at_least is not None and value < kept.at_least)
        or (kept.above is not None and value <= kept.above)
        or (kept.at_most is not None and value > kept.at_most)
        or (kept.below is not None and value >= kept.below)
    )


def _measures(row: Row) -> dict[str, Any]:
    width, height = row["width"], row["height"]
    known = width is not None and height is not None
    return {
        **{score: row[score] for score in SCORES},
        "shortest_side": min(width, height) if known else None,
        "pixels": width * height if known else None,
        "aspect_ratio": width / height if known else None,
        "longer_to_shorter": max(width, height) / min(width, height) if known else None,
        "characters": len(row["text"]),
        "words": len(row["text"].split()),
    }


def _host(url: str) -> str:
    return (urllib.parse.urlsplit(url).hostname or "").removesuffix(".")


def _is_at(url: str, names: Sequence[str]) -> bool:
    host = _host(url)
    return any(host == name.lower() or host.endswith(f".{name.lower()}") for name in names)


def _keeps(row: Row, chosen: SubsetFilter, opted_out: Sequence[str]) -> bool:
    measures = _measures(row)
    ranges = {name: getattr(chosen, name) for name in measures}
    text, whole = row["text"], chosen.whole_words
    return (
        all(_within(measures[n], r) for n, r in ranges.items() if isinstance(r, Interval))
        and all(has_term(text, term, whole=whole) for term in chosen.caption_all)
        and (
            not chosen.caption_any
            or any(has_term(text, term, whole=whole) for term in chosen.caption_any)
        )
        and not any(has_term(text, term, whole=whole) for term in chosen.caption_none)
        and (not chosen.caption_regex or re.search(chosen.caption_regex, text) is not None)
        and (not chosen.hosts_allowed or _is_at(row["url"], chosen.hosts_allowed))
        and not _is_at(row["url"], chosen.hosts_denied)
        and row["url"] not in opted_out
    )


_KEYS: dict[str, Callable[[Row], Any]] = {
    "url": lambda row: row["url"],
    "hash": lambda row: row["hash"],
    "caption": lambda row: folded(re.sub(r"[ \t\n\r\f\v]+", " ", row["text"]).strip(" ")),
}


def subset(rows: Sequence[Row], chosen: SubsetFilter, opted_out: Sequence[str] = ()) -> list[Row]:
    """The pairs in the subset's order."""

    def place(row: Row) -> tuple[float, str]:
        mixed = hashlib.md5(f"{chosen.seed} {row['hash']}".encode()).hexdigest()
        end, _, score = chosen.order.partition(" ")
        value = 0.0 if chosen.order == "random" else row[score]
        return (-value if end == "highest" else value, mixed)

    left = sorted((row for row in rows if _keeps(row, chosen, opted_out)), key=place)
    for key in chosen.dedupe:
        firsts: dict[Any, Row] = {}
        for row in left:
            firsts.setdefault(_KEYS[key](row), row)
        left = list(firsts.values())
    return left[: chosen.limit]
