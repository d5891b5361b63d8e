"""The derived tables computed another way: rows in, the rows that a table should have out."""

import math
import re
import statistics
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from ipaddress import ip_address
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from publicsuffixlist import PublicSuffixList

from tests.builders import SCORES

Row = Mapping[str, Any]
Line = tuple[Any, ...]

BINS_PER_UNIT = {"aesthetic": 20, "similarity": 200, "punsafe": 100, "pwatermark": 100}
STEPS_PER_UNIT = {"aesthetic": 4, "similarity": 50, "punsafe": 20, "pwatermark": 20}
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
KEPT = 100


def numbers(rows: Iterable[Row], name: str) -> list[float]:
    return [value for row in rows if isinstance(value := row[name], int | float)]


def score_summary(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for score in sorted(SCORES):
        values = numbers(rows, score)
        if values:
            mean = math.fsum(values) / len(values)
            squares = math.fsum((value - mean) ** 2 for value in values)
            stddev = math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else None
            ends = (min(values), max(values), mean, stddev)
            quantiles = np.quantile(np.array(values), QUANTILES).tolist()
            lines.append((score, len(values), len(rows) - len(values), *ends, *quantiles))
    return lines


def bin_of(value: float, per_unit: int) -> int:
    """The k for which edge k <= value < edge k + 1, where edge k is the double nearest k / n."""
    k = round(value * per_unit) + 2
    while k / per_unit > value:
        k -= 1
    return k


def score_histogram(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for score in sorted(SCORES):
        per_unit = BINS_PER_UNIT[score]
        counts = Counter(bin_of(value, per_unit) for value in numbers(rows, score))
        if counts:
            lines.extend(
                (score, k / per_unit, (k + 1) / per_unit, counts[k])
                for k in range(min(counts), max(counts) + 1)
            )
    return lines


def score_joint_histogram(rows: Sequence[Row]) -> list[Line]:
    def bins(row: Row) -> dict[str, tuple[int, int]]:
        found = {
            score: (bin_of(row[score], per_unit), per_unit)
            for score, per_unit in BINS_PER_UNIT.items()
            if row[score] is not None
        }
        for width, height in sizes([row]):
            found["log2 pixels"] = (math.floor(math.log2(float(width) * height) * 4), 4)
        return found

    counts = Counter(
        (x, y, at[x], at[y])
        for at in map(bins, rows)
        for x, y in (
            ("aesthetic", "punsafe"), ("aesthetic", "pwatermark"), ("aesthetic", "similarity"),
            ("similarity", "log2 pixels"),
        )
        if x in at and y in at
    )  # fmt: skip
    return [
        (x, y, a / m, (a + 1) / m, b / n, (b + 1) / n, pairs)
        for (x, y, (a, m), (b, n)), pairs in sorted(counts.items())
    ]


def _measures(row: Row) -> dict[str, float]:
    found = {score: row[score] for score in SCORES if row[score] is not None}
    found["characters"] = len(row["text"])
    for width, height in sizes([row]):
        found |= {"aspect ratio": width / height, "log2 pixels": math.log2(width * height)}
    return found


def _ranks(values: Sequence[float]) -> list[float]:
    """From 1; equal values share the mean of their ranks."""
    ordered = sorted(values)
    return [(bisect_left(ordered, v) + bisect_right(ordered, v) + 1) / 2 for v in values]


def _correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    if len(set(a)) < 2 or len(set(b)) < 2:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def score_correlations(rows: Sequence[Row]) -> list[Line]:
    """Of as few rows as there are no more than are ranked."""
    found = [_measures(row) for row in rows]
    ranks: list[dict[str, float]] = [{} for _ in found]
    for name in {name for each in found for name in each}:
        having = [n for n, each in enumerate(found) if name in each]
        for n, rank in zip(having, _ranks([found[n][name] for n in having]), strict=True):
            ranks[n][name] = rank
    lines: list[Line] = []
    for a, b in combinations(sorted({name for each in found for name in each}), 2):
        both = [n for n, each in enumerate(found) if a in each and b in each]
        if both:
            pearson, spearman = (
                _correlation([of[n][a] for n in both], [of[n][b] for n in both])
                for of in (found, ranks)
            )
            lines.append((a, b, len(both), pearson, spearman))
    return lines


def score_thresholds(rows: Sequence[Row]) -> list[Line]:
    """Counted for each threshold alone, from the loosest to the strictest that keeps any pair."""
    lines: list[Line] = []
    for score in sorted(SCORES):
        values, per_unit = numbers(rows, score), STEPS_PER_UNIT[score]
        keeps = "at least" if score in ("similarity", "aesthetic") else "at most"
        for k in range(-per_unit, 10 * per_unit + 1):
            edge = k / per_unit
            kept = sum(v >= edge if keeps == "at least" else v <= edge for v in values)
            nearer = (k + 1 if keeps == "at least" else k - 1) / per_unit
            all_kept_nearer = all(
                v >= nearer if keeps == "at least" else v <= nearer for v in values
            )
            if kept and not (kept == len(values) and all_kept_nearer):
                lines.append((score, keeps, edge, kept, kept / len(values)))
    return lines


def resolution_counts(rows: Sequence[Row]) -> list[Line]:
    counts = Counter(
        (row["width"], row["height"])
        for row in rows
        if row["width"] is not None and row["height"] is not None
    )
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        (rank, width, height, count, count / counts.total())
        for rank, ((width, height), count) in enumerate(ranked, 1)
    ]


def sizes(rows: Sequence[Row]) -> list[tuple[int, int]]:
    return [
        (row["width"], row["height"])
        for row in rows
        if row["width"] is not None and row["height"] is not None
    ]


def _classes_of(width: int, height: int) -> list[tuple[str, str]]:
    shape = "square" if width == height else "portrait" if width < height else "landscape"
    near = [
        name
        for name in ("9:16", "2:3", "3:4", "1:1", "4:3", "3:2", "16:9")
        for across, down in [map(int, name.split(":"))]
        if abs(math.log(width * down) - math.log(height * across)) < 0.02
    ]
    millionths = width * height
    bounds = (100_000, 250_000, 500_000, 1_000_000, 2_000_000, 4_000_000)
    area = MEGAPIXELS[sum(millionths >= bound for bound in bounds)]
    sides = [f"at least {side} px" for side in SIDES if min(width, height) >= side]
    return [
        ("orientation", shape),
        ("aspect ratio", near[0] if near else "other"),
        ("megapixels", area),
        *(("shortest side", side) for side in sides),
    ]


MEGAPIXELS = (
    "below 0.1", "0.1 to 0.25", "0.25 to 0.5", "0.5 to 1", "1 to 2", "2 to 4", "4 and more",
)  # fmt: skip
SIDES = (256, 512, 768, 1024)
CLASSES: Mapping[str, Sequence[str]] = {
    "aspect ratio": ("9:16", "2:3", "3:4", "1:1", "4:3", "3:2", "16:9", "other"),
    "megapixels": MEGAPIXELS,
    "orientation": ("portrait", "square", "landscape"),
    "shortest side": [f"at least {side} px" for side in SIDES],
}


def resolution_summary(rows: Sequence[Row]) -> list[Line]:
    known = sizes(rows)
    counts = Counter(named for size in known for named in _classes_of(*size))
    return [
        (measure, place, name, counts[measure, name],
         counts[measure, name] / len(known) if known else None)
        for measure, names in CLASSES.items()
        for place, name in enumerate(names, 1)
    ]  # fmt: skip


# SDXL's buckets, width by height, in units of 64 px: those that are no wider than high, and the
# others, which are not all of them the same turned round.
BUCKETS = [
    (8, 32), (8, 31), (8, 30), (8, 29), (9, 28), (9, 27), (9, 26), (10, 25), (10, 24), (11, 23),
    (11, 22), (11, 21), (12, 21), (12, 20), (13, 19), (13, 18), (14, 18), (14, 17), (15, 17),
    (15, 16), (16, 16), (16, 15), (17, 15), (17, 14), (18, 14), (18, 13), (19, 13), (20, 12),
    (21, 12), (22, 11), (23, 11), (24, 10), (25, 10), (26, 9), (27, 9), (28, 9), (29, 8), (30, 8),
    (31, 8), (32, 8),
]  # fmt: skip
BUCKETS = [(down, across) for across, down in reversed(BUCKETS)]


def _cut(width: int, height: int, across: int, down: int) -> Fraction:
    """The share of the pixels outside the largest part of an image of that aspect ratio."""
    scale = min(Fraction(width, across), Fraction(height, down))
    return 1 - across * down * scale * scale / (width * height)


def crop_loss(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for side in (512, 768, 1024) if sizes(rows) else ():
        for method, targets in (("bucketing", BUCKETS), ("centre crop", [(16, 16)])):
            cuts: dict[str, list[Fraction]] = {"all": [], "large enough": []}
            for size in sizes(rows):
                # Of two buckets that are as good the wider is taken.
                bucket = min(targets, key=lambda b: (_cut(*size, *b), -b[0] / b[1]))
                cuts["all"].append(_cut(*size, *bucket))
                if all(16 * s >= b * side for s, b in zip(size, bucket, strict=True)):
                    cuts["large enough"].append(_cut(*size, *bucket))
            small = len(cuts["all"]) - len(cuts["large enough"])
            for selection, lost in cuts.items():
                ordered, n = sorted(lost), len(lost)
                at = [ordered[-(-n * k // 100) - 1] if n else None for k in (25, 50, 75, 95)]
                mean = sum(lost) / n if n else None
                values = [value if value is None else float(value) for value in (mean, *at)]
                share, upscaled = n / len(cuts["all"]), small if selection == "all" else 0
                lines.append((side, method, selection, n, share, upscaled, *values))
    return lines


def _tenths(values: Sequence[tuple[float, Any]]) -> list[tuple[int, float, float, list[Any]]]:
    """What lies in each tenth by the first of two: its number, ends and the second of each."""
    ordered = sorted(value for value, _ in values)
    tenths: dict[int, list[tuple[float, Any]]] = {}
    for value, other in values:
        lower = bisect_left(ordered, value)
        tenths.setdefault(10 * lower // len(ordered) + 1, []).append((value, other))
    return [
        (tenth, min(held)[0], max(value for value, _ in held), [other for _, other in held])
        for tenth, held in sorted(tenths.items())
    ]


def _effect(values: Sequence[int], of: Sequence[int]) -> float | None:
    """How far the mean of some lies from that of all, in standard deviations of all."""
    mean = Fraction(sum(of), len(of))
    variance = sum((value - mean) ** 2 for value in of) / len(of)
    away = Fraction(sum(values), len(values)) - mean
    return float(away) / math.sqrt(variance) if variance else None


def similarity_by_size(rows: Sequence[Row]) -> list[Line]:
    known = [
        (row["similarity"], size)
        for row in rows
        for size in sizes([row])
        if row["similarity"] is not None
    ]
    logs = {size: round(math.log2(float(size[0]) * size[1]) * 2**24) for _, size in known}
    lines: list[Line] = []
    for tenth, low, high, held in _tenths(known):
        pixels = [width * height for width, height in held]
        small = sum(min(size) < 256 for size in held) / len(held)
        effect = _effect([logs[size] for size in held], [logs[size] for _, size in known])
        mean, middle = sum(pixels) / len(held), statistics.median(pixels)
        lines.append((tenth, low, high, len(held), mean, middle, small, effect))
    return lines


def only_digits(text: str) -> bool:
    return text.strip().isdecimal()


def similarity_by_caption(rows: Sequence[Row]) -> list[Line]:
    known = [(r["similarity"], r["text"]) for r in rows if r["similarity"] is not None]
    digits = sum(only_digits(text) for _, text in known)
    lines: list[Line] = []
    for tenth, low, high, texts in _tenths(known):
        lengths, n = [len(text) for text in texts], len(texts)
        share = sum(map(only_digits, texts)) / n
        lines.append(
            (tenth, low, high, n, sum(lengths) / n, statistics.median(lengths),
             sum(len(text.split()) < 3 for text in texts) / n, share,
             share * len(known) / digits if digits else None,
             _effect(lengths, [len(text) for _, text in known]))
        )  # fmt: skip
    return lines


PECULIARITIES: Mapping[str, Callable[[str], bool]] = {
    "fewer than 3 words": lambda text: len(text.split()) < 3,
    "only digits": only_digits,
    "all capitals": str.isupper,
    "HTML entities": lambda text: (
        re.search("&(#[0-9]+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]{1,31});", text) is not None
    ),
    "U+FFFD": lambda text: "\N{REPLACEMENT CHARACTER}" in text,
    "not Latin": lambda text: any(
        c.isalpha() and not unicodedata.name(c).startswith("LATIN ") for c in text
    ),
}


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


_ICANN = PublicSuffixList(only_icann=True)


def registrable(url: str) -> str:
    host = (urlsplit(url.replace("\\", "/")).hostname or "").removesuffix(".")
    try:
        ip_address(host)
    except ValueError:
        return _ICANN.privatesuffix(host) or host
    return f"[{host}]" if ":" in host else host


def host_totals(rows: Sequence[Row]) -> list[Line]:
    held: dict[str, list[Row]] = {}
    for row in rows:
        held.setdefault(registrable(row["url"]), []).append(row)
    ranked = sorted(held.items(), key=lambda item: (-len(item[1]), item[0].encode()))
    lines: list[Line] = []
    for host, own in ranked:
        means = [
            math.fsum(numbers(own, score)) / len(own)
            for score in ("aesthetic", "punsafe", "pwatermark")
        ]
        marked = sum(mark >= 0.5 for mark in numbers(own, "pwatermark")) / len(own)
        lines.append((host, len(own), *means, marked))
    return lines


def host_counts(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    so_far = 0
    for rank, (host, pairs, *values) in enumerate(host_totals(rows), 1):
        so_far += pairs
        if pairs >= 10:
            lines.append((rank, host, pairs, pairs / len(rows), so_far / len(rows), *values))
    return lines


def domain_summary(rows: Sequence[Row]) -> list[Line]:
    totals = host_totals(rows)
    listed, small = -(-len(totals) // 10), min(-(-len(totals) // 20), 1000)
    return [
        (rank, domain, pairs, pairs / len(rows), rank <= small)
        for rank, (domain, pairs, *_) in enumerate(totals[:listed], 1)
    ]


def _repeated(rows: Sequence[Row]) -> Mapping[str, Counter[str]]:
    return {
        "hash": Counter(str(row["hash"]) for row in rows if row["hash"] is not None),
        "url": Counter(row["url"] for row in rows),
    }


def duplicates(rows: Sequence[Row]) -> list[Line]:
    return [
        (key, value, pairs)
        for key, counts in _repeated(rows).items()
        for value, pairs in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if pairs > 1
    ]


def duplicate_groups(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for name in ("hash", "url"):
        own = [(value, pairs) for key, value, pairs in duplicates(rows) if key == name]
        lines.extend((name, rank, *each) for rank, each in enumerate(own[:1000], 1))
    return lines


COPIES = {
    "1": range(1, 2), "2": range(2, 3), "3": range(3, 4), "4": range(4, 5), "5 to 9": range(5, 10),
    "10 to 99": range(10, 100), "100 and more": range(100, 10**9),
}  # fmt: skip


def duplicate_summary(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for key, counts in _repeated(rows).items():
        for place, (copies, sizes_) in enumerate(COPIES.items(), 1):
            own = [pairs for pairs in counts.values() if pairs in sizes_]
            gone = sum(own) - len(own)
            share = gone / counts.total() if counts else None
            lines.append((key, place, copies, len(own), sum(own), gone, share))
    return lines


def _sides(row: Row) -> tuple[float, float] | None:
    known = sizes([row])
    return (min(known[0]), max(known[0])) if known else None


def _of_score(score: str, keeps: Callable[[float], bool]) -> Callable[[Row], bool]:
    return lambda row: row[score] is not None and keeps(row[score])


def _of_sides(keeps: Callable[[float, float], bool]) -> Callable[[Row], bool]:
    return lambda row: (sides := _sides(row)) is not None and keeps(*sides)


RECIPES: Mapping[str, Sequence[tuple[str, Callable[[Row], bool]]]] = {
    "DataComp basic": [
        ("2 < words", lambda row: len(row["text"].split()) > 2),
        ("5 < characters", lambda row: len(row["text"]) > 5),
        ("aspect ratio < 3", _of_sides(lambda low, high: high < 3 * low)),
        ("200 < each side", _of_sides(lambda low, high: low > 200)),
    ],
    "LAION-Aesthetics V1": [
        ("7 < aesthetic", _of_score("aesthetic", lambda score: score > 7)),
        ("punsafe < 0.5", _of_score("punsafe", lambda score: score < 0.5)),
        ("pwatermark < 0.8", _of_score("pwatermark", lambda score: score < 0.8)),
    ],
    "Stable Diffusion v1.2 to v1.5": [
        ("512 <= each side", _of_sides(lambda low, high: low >= 512)),
        ("5 < aesthetic", _of_score("aesthetic", lambda score: score > 5)),
        ("pwatermark < 0.5", _of_score("pwatermark", lambda score: score < 0.5)),
    ],
    "Stable Diffusion v2-base": [
        ("punsafe <= 0.1", _of_score("punsafe", lambda score: score <= 0.1)),
        ("4.5 <= aesthetic", _of_score("aesthetic", lambda score: score >= 4.5)),
        ("512 <= each side", _of_sides(lambda low, high: low >= 512)),
    ],
    "Stable Diffusion v2.1": [
        ("punsafe <= 0.98", _of_score("punsafe", lambda score: score <= 0.98)),
        ("4.5 <= aesthetic", _of_score("aesthetic", lambda score: score >= 4.5)),
        ("512 <= each side", _of_sides(lambda low, high: low >= 512)),
    ],
}


def training_filters(rows: Sequence[Row]) -> list[Line]:
    """Without the sources."""
    lines: list[Line] = []
    for recipe, conditions in RECIPES.items():
        left = list(rows)
        for step, (condition, keeps) in enumerate(conditions, 1):
            left = list(filter(keeps, left))
            alone = sum(map(keeps, rows))
            shares = [n / len(rows) if rows else None for n in (alone, len(left))]
            lines.append((recipe, step, condition, alone, shares[0], len(left), shares[1]))
    return lines


def score_extremes(rows: Sequence[Row]) -> list[Line]:
    """Score, extreme, rank, URL, hash and value: what decides the ranking."""
    lines: list[Line] = []
    for score in sorted(SCORES):
        for extreme, sign in (("top", -1), ("bottom", 1)):
            best: dict[object, tuple[float, float, str]] = {}
            for row in rows:
                if isinstance(value := row[score], int | float):
                    code, url = row["hash"], str(row["url"])
                    # A hash that is missing comes last.
                    key = (sign * value, math.inf if code is None else int(str(code)), url)
                    best[url] = min(key, best.get(url, key))
            lines.extend(
                (score, extreme, rank, url, None if code == math.inf else code, sign * position)
                for rank, (position, code, url) in enumerate(sorted(best.values())[:KEPT], 1)
            )
    return lines
