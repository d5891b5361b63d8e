"""What the two ends of a score have in common, computed another way."""

import re
import statistics
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tests.builders import SCORES
from tests.oracles.captions import caption_words, only_digits
from tests.oracles.rows import Line, Row
from tests.oracles.scores import KEPT


def extreme_summary(rows: Sequence[Row]) -> list[Line]:
    usual = {line[1] for line in caption_words(rows)[:25]}
    lines: list[Line] = []
    for score in sorted(SCORES):
        for extreme, sign in (("top", -1), ("bottom", 1)):
            if held := _end(rows, score, sign):
                sizes = [(r["width"], r["height"]) for r in held if r["width"] and r["height"]]
                small = [min(size) < 256 for size in sizes]
                words = (_words(row["text"]) - usual for row in held)
                hosts = ({_host(row["url"])} for row in held)
                lines.append(
                    (score, extreme, len(held),
                     statistics.median([float(w * h) for w, h in sizes]) if sizes else None,
                     sum(small) / len(small) if small else None,
                     sum(only_digits(row["text"]) for row in held) / len(held),
                     _commonest(words), _commonest(hosts))
                )  # fmt: skip
    return lines


def _end(rows: Sequence[Row], score: str, sign: int) -> Sequence[Row]:
    def key(row: Row) -> tuple[Any, ...]:
        code = row["hash"]
        return (sign * row[score], code is None, code, row["url"])

    best: dict[str, Row] = {}
    for row in sorted((row for row in rows if row[score] is not None), key=key):
        best.setdefault(row["url"], row)
    return list(best.values())[:KEPT]


def _words(text: str) -> set[str]:
    bare = (re.sub(r"^[\W_]+|[\W_]+$", "", piece) for piece in text.lower().split(" "))
    return {word for word in bare if len(word) >= 3}


def _host(url: str) -> str:
    return (urllib.parse.urlsplit(url).hostname or "").removeprefix("www.").removesuffix(".")


def _commonest(names: Iterable[set[str]]) -> str | None:
    counted = Counter(name for each in names for name in each)
    shared = [(-n, name) for name, n in counted.items() if n >= 2]
    return " ".join(name for _, name in sorted(shared)[:5]) or None
