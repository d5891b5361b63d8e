"""Publishing files so that a reader sees the old one or the new one, never a part."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from laion_pipeline.errors import OutputError


@contextmanager
def published(path: Path) -> Iterator[Path]:
    """A place to write beside `path`; renamed to it when the block ends well, else removed.

    Raises OutputError when it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        beside.replace(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OutputError(
            f"{path}: cannot be written: {reason}; make room, or set LAION_DATA_DIR"
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def publish_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, all of it or nothing."""
    with published(path) as beside:
        beside.write_text(text, encoding="utf-8")
