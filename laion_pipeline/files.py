"""Publishing files so that a reader sees the old one or the new one, never a part."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def published(path: Path) -> Iterator[Path]:
    """A place to write beside `path`; renamed to it when the block ends well, else removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def publish_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, all of it or nothing."""
    with published(path) as beside:
        beside.write_text(text, encoding="utf-8")
