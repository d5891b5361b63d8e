"""The derived tables computed another way: rows in, the rows that a table should have out."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tests.builders import SCORES

Row = Mapping[str, object]
Line = tuple[object, ...]

BINS_PER_UNIT = {"aesthetic": 20, "similarity": 200, "punsafe": 100, "pwatermark": 100}
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
