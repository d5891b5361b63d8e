"""Publishing files so that a reader sees the old one or the new one, never a part."""

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from laion_pipeline.errors import DiskFullError, OutputError

_PARTIAL = re.compile(r"\..*\.(?P<pid>\d+)(\.(?P<token>[0-9a-f]+))?\.partial")
# So that nobody else can have put anything where something is about to be written.
_UNGUESSABLE = secrets.token_hex(8)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def published(path: Path) -> Iterator[Path]:
    """A place to write beside `path`; renamed to it when the block ends well, else removed.

    Raises DiskFullError or OutputError when it cannot be written.
    """
    beside = partial(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        beside.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            remove(beside)


def partial(path: Path) -> Path:
    """Where this process keeps what is to become a file, or is about one, for as long as it needs.

    What a process that was killed left at such a place, `remove_leftovers` finds.
    """
    return path.with_name(f".{path.name}.{os.getpid()}.{_UNGUESSABLE}.partial")


@contextmanager
def workplace(path: Path) -> Iterator[Path]:
    """A folder beside `path` for as long as the block runs.

    Raises DiskFullError when there is no room for it or what is written into it, OutputError when
    it cannot be made.
    """
    folder = partial(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        yield folder
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise cannot_write(folder, error) from error
    finally:
        remove(folder)


def remove_leftovers(folder: Path) -> None:
    """Remove what processes that live no more had begun, anywhere below a folder."""
    for place in folder.rglob(".*.partial"):
        made = _PARTIAL.fullmatch(place.name)
        if made and not _is_being_written(int(made["pid"]), made["token"]):
            remove(place)


def _is_being_written(pid: int, token: str | None) -> bool:
    if pid == os.getpid():  # in a container, every program may have the same
        return token == _UNGUESSABLE
    return _lives(pid)


def remove(place: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def sha256_of(file: Path) -> str:
    """The digest of a file, whatever its size."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def set_aside(damaged: Path) -> Path:
    """Move a file or folder that is damaged out of the way; the place where it lies now."""
    place = damaged.with_name(f"{damaged.name}.damaged-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    return damaged.rename(place)


def cannot_write(path: Path, error: OSError, what: str = "written") -> OutputError:
    """Why a file cannot be written, or be made `what` it is to be, and what to do."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    kind = DiskFullError if error.errno in _FULL else OutputError
    return kind(
        f"{path}: cannot be {what}: {reason}; make room, or set LAION_DATA_DIR to another disk"
    )


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass  # it is somebody else's, or no number of a process: left alone
    return True


def publish_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, all of it or nothing."""
    with published(path) as beside:
        beside.write_text(text, encoding="utf-8")
