"""The tables on captions, and what goes with them, computed another way."""

import math
import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from tests.oracles.rows import Line, Row, by_tenth, effect_size


def only_digits(text: str) -> bool:
    return text.strip().isdecimal()


def similarity_by_caption(rows: Sequence[Row]) -> list[Line]:
    known = [(r["similarity"], r["text"]) for r in rows if r["similarity"] is not None]
    digits = sum(only_digits(text) for _, text in known)
    lines: list[Line] = []
    for tenth, low, high, texts in by_tenth(known):
        lengths, n = [len(text) for text in texts], len(texts)
        share = sum(map(only_digits, texts)) / n
        lines.append(
            (tenth, low, high, n, sum(lengths) / n, statistics.median(lengths),
             sum(len(text.split()) < 3 for text in texts) / n, share,
             share * len(known) / digits if digits else None,
             effect_size(lengths, [len(text) for _, text in known]))
        )  # fmt: skip
    return lines


PECULIARITIES: Mapping[str, Callable[[str], bool]] = {
    "fewer than 3 words": lambda text: len(text.split()) < 3,
    "only digits": only_digits,
    "all capitals": lambda text: (
        text.lower() != text == text.upper() and "Ll" not in map(unicodedata.category, text)
    ),
    "HTML entities": lambda text: (
        re.search("&(#[0-9]+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]{1,31});", text) is not None
    ),
    "U+FFFD": lambda text: "\N{REPLACEMENT CHARACTER}" in text,
    "not Latin": lambda text: any(
        c.isalpha() and not unicodedata.name(c).startswith("LATIN ") for c in text
    ),
}


def captions_by_shard(rows: Sequence[Row]) -> list[Line]:
    """Lengths and peculiarities; which filters keep a pair is another oracle's business."""
    counts: Counter[tuple[object, str, int]] = Counter()
    bits = dict(zip(list(PECULIARITIES)[1:], (1, 2, 4, 8, 16), strict=True))
    for row in rows:
        shard, text = row["shard_id"], row["text"]
        counts[shard, "characters", len(text)] += 1
        counts[shard, "words", len(text.split())] += 1
        counts[
            shard, "peculiarities", sum(b for p, b in bits.items() if PECULIARITIES[p](text))
        ] += 1
    return sorted((*key, pairs) for key, pairs in counts.items())


def caption_summary(rows: Sequence[Row]) -> list[Line]:
    texts = [row["text"] for row in rows]
    n = len(texts)
    lines: list[Line] = []
    for measure, length in (("characters", len), ("words", lambda text: len(text.split()))):
        lengths = sorted(map(length, texts))
        at = [lengths[-(-n * k // 100) - 1] if n else None for k in (1, 5, 25, 50, 75, 95, 99)]
        ends = (lengths[0], lengths[-1]) if n else (None, None)
        mean = sum(lengths) / n if n else None
        lines.append((measure, n, 1 if n else None, ends[0], *at, ends[1], mean))
    for measure, has in PECULIARITIES.items():
        found = sum(map(has, texts))
        lines.append((measure, found, found / n if n else None, *[None] * 10))
    return lines


def caption_words(rows: Sequence[Row]) -> list[Line]:
    scores: dict[str, list[float]] = {}
    for row in rows:
        for piece in row["text"].lower().split(" "):
            kept = [unicodedata.category(c)[0] in "LN" for c in piece]
            if any(kept):
                word = piece[kept.index(True) : len(kept) - kept[::-1].index(True)]
                scores.setdefault(word, []).append(row["aesthetic"])
    ranked = sorted(scores.items(), key=lambda item: (-len(item[1]), item[0].encode()))
    lines: list[Line] = []
    for rank, (word, held) in enumerate(ranked[:200], 1):
        known = [score for score in held if score is not None]
        lines.append((rank, word, len(held), math.fsum(known) / len(known) if known else None))
    return lines
