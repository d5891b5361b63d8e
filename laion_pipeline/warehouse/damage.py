"""A warehouse whose file is damaged: seen, remembered, and moved aside, never deleted."""

import re
from contextlib import suppress
from pathlib import Path

from laion_pipeline.common.files import set_aside

_SAID = re.compile(
    r"not a valid DuckDB database|Corrupt database file|replaying WAL"
    # So it says of any file: of a shard, too.
    r'|Could not read enough bytes from file "(?P<file>.*?)"'
)


def is_damage(error: Exception, file: Path) -> bool:
    """Whether DuckDB says that its own file is at fault."""
    said = _SAID.search(str(error))
    return said is not None and said["file"] in (None, str(file))


def remember_damage(file: Path) -> None:
    """Note that a part of the file that is seldom read is damaged, which opening does not tell."""
    with suppress(OSError):  # on a disk that cannot be written it is found again
        _note(file).touch()


def forget_damage(file: Path) -> None:
    """The file that was damaged is there no more."""
    _note(file).unlink(missing_ok=True)


def is_known_as_damaged(file: Path) -> bool:
    """Whether damage was seen before."""
    return file.exists() and _note(file).exists()


def set_warehouse_aside(file: Path) -> Path:
    """Move a damaged warehouse out of the way; the place where it lies now."""
    place = set_aside(file)
    file.with_name(f"{file.name}.wal").unlink(missing_ok=True)
    forget_damage(file)
    return place


def _note(file: Path) -> Path:
    return file.with_name(f"{file.name}.damaged")
