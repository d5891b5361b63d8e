"""Whom a score favours, computed another way: pair by pair, in Python."""

import math
import unicodedata
from collections.abc import Sequence

from laion_pipeline.warehouse.terms import TermGroups
from tests.builders import SCORES, TERMS
from tests.oracles.rows import Line, Row, numbers
from tests.oracles.scores import STEPS_PER_UNIT, bin_of

Z = 1.959963984540054


def words(text: str) -> list[str]:
    parts = (c if unicodedata.category(c)[0] in "LN" else " " for c in text.lower())
    return "".join(parts).split()


def has(text: str, term: str) -> bool:
    held, wanted = words(text), words(term)
    return any(held[at : at + len(wanted)] == wanted for at in range(len(held)))


def term_lift(rows: Sequence[Row], terms: TermGroups = TERMS) -> list[Line]:
    lines: list[Line] = []
    for group, term in sorted(terms.rows):
        those = [row for row in rows if has(row["text"], term)]
        for score in sorted(SCORES):
            everyone, having = numbers(rows, score), numbers(those, score)
            steps = [bin_of(value, per := STEPS_PER_UNIT[score]) for value in everyone]
            theirs = [bin_of(value, per) for value in having]
            for step in sorted(set(steps)):
                n, a = steps.count(step), theirs.count(step)
                lift = a / n / (len(having) / len(everyone)) if having else None
                low = high = None
                if lift is not None and 0 < a < len(having):
                    c, m = len(having) - a, len(everyone) - n
                    # The derivatives of log(a / n) - log((a + c) / (n + m)) by a and by c, and the
                    # variances of a and of c as binomial counts.
                    by_a, by_c = 1 / a - 1 / (a + c), -1 / (a + c)
                    variance = by_a**2 * n * (a / n) * (1 - a / n)
                    variance += by_c**2 * m * (c / m) * (1 - c / m)
                    away = math.exp(Z * math.sqrt(variance))
                    low, high = lift / away, lift * away
                lines.append(
                    (group, term, score, step / per, (step + 1) / per, n, a, lift, low, high)
                )
    return lines
