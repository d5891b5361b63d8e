"""Values as Dagster is to show them: numbers that people read, and rows that strangers wrote."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import dagster as dg

from laion_pipeline.text import displayable

_TEXT_CHARACTERS = 200


def rounded(number: float) -> float:
    """A number to three digits, for what is measured and not counted."""
    return float(f"{number:.3g}") if isfinite(number) else number


def size(size_bytes: int) -> str:
    """A size in the unit that people would name it in."""
    number, units = float(size_bytes), ["bytes", "kB", "MB", "GB", "TB"]
    while number >= 999.5 and len(units) > 1:  # which would be written as 1000
        number /= 1000
        units.pop(0)
    return f"{number:.3g} {units[0]}" if number < 999.5 else f"{number:,.0f} {units[0]}"


def table_of(rows: Sequence[Mapping[str, object]]) -> dg.TableMetadataValue:
    """Rows as a table; what Dagster's tables cannot hold is told in words."""
    return dg.MetadataValue.table([dg.TableRecord(_plain(row)) for row in rows])


def _plain(row: Mapping[str, object]) -> dict[str, Any]:
    return {name: _as_cell(value) for name, value in row.items()}


def _as_cell(value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return rounded(value) if isfinite(value) else str(value)
    return displayable(str(value), _TEXT_CHARACTERS)
