"""The tables on scores computed another way: rows in, the lines that a table should have out."""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from tests.builders import SCORES
from tests.oracles.rows import QUANTILES, Line, Row, numbers
from tests.oracles.sizes import sizes

BINS_PER_UNIT = {"aesthetic": 20, "similarity": 200, "punsafe": 100, "pwatermark": 100}
STEPS_PER_UNIT = {"aesthetic": 4, "similarity": 50, "punsafe": 20, "pwatermark": 20}
KEPT = 100


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


def scores_by_shard(rows: Sequence[Row]) -> list[Line]:
    counts: Counter[tuple[object, str, int, bool]] = Counter()
    for row in rows:
        for score in SCORES:
            if (value := row[score]) is not None:
                number = bin_of(value, per_unit := BINS_PER_UNIT[score])
                on_edge = score in ("punsafe", "pwatermark") and value == number / per_unit
                counts[row["shard_id"], score, number, on_edge] += 1
    return sorted((*key, pairs) for key, pairs in counts.items())


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
