"""A warehouse whose file is damaged: seen, remembered, and moved aside, never deleted."""

import logging
import re
from datetime import UTC, datetime
from pathlib import Path

import duckdb

logger = logging.getLogger(__name__)

_SAID = re.compile(
    r"not a valid DuckDB database|Corrupt database|Could not read enough bytes|replaying WAL"
)


def is_damage(error: BaseException) -> bool:
    """Whether DuckDB says that the file itself is at fault."""
    return isinstance(error, duckdb.Error) and _SAID.search(str(error)) is not None


def remember_damage(file: Path) -> None:
    """Note that a part of the file that is seldom read is damaged, which opening does not tell."""
    _note(file).touch()


def is_known_as_damaged(file: Path) -> bool:
    """Whether damage was seen before."""
    return file.exists() and _note(file).exists()


def set_aside(file: Path) -> Path:
    """Move a damaged warehouse out of the way; the place where it lies now."""
    place = file.with_name(f"{file.name}.damaged-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    file.rename(place)
    file.with_name(f"{file.name}.wal").unlink(missing_ok=True)
    _note(file).unlink(missing_ok=True)
    return place


def _note(file: Path) -> Path:
    return file.with_name(f"{file.name}.damaged")
