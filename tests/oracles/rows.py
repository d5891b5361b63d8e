"""What the oracles share: rows and lines of tables, parts of some, and how lines are compared."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import pytest

Row = Mapping[str, Any]
Line = tuple[Any, ...]
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def numbers(rows: Iterable[Row], name: str) -> list[float]:
    return [value for row in rows if isinstance(value := row[name], int | float)]


def by_tenth(values: Sequence[tuple[float, Any]]) -> list[tuple[int, float, float, list[Any]]]:
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


def effect_size(values: Sequence[int], of: Sequence[int]) -> float | None:
    """How far the mean of some lies from that of all, in standard deviations of all."""
    mean = Fraction(sum(of), len(of))
    variance = sum((value - mean) ** 2 for value in of) / len(of)
    away = Fraction(sum(values), len(values)) - mean
    return float(away) / math.sqrt(variance) if variance else None


def assert_close(found: Sequence[Sequence[object]], expected: Sequence[Sequence[object]]) -> None:
    """The same lines: texts and whole numbers exactly, fractions but for rounding."""
    assert len(found) == len(expected)
    for line, other in zip(found, expected, strict=True):
        for value, wanted in zip(line, other, strict=True):
            near = isinstance(value, float) and wanted is not None
            assert value == (pytest.approx(wanted, rel=1e-9, abs=1e-9) if near else wanted)
