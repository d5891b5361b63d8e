"""The table on published filters computed another way."""

from collections.abc import Callable, Mapping, Sequence

from tests.oracles.rows import Line, Row
from tests.oracles.sizes import sizes


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
