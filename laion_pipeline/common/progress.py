"""Progress on a terminal: a bar with bytes, speed and time left, and what is logged above it."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

from tqdm import tqdm

from laion_pipeline.errors import LaionError
from laion_pipeline.text import displayable

# Where bars are drawn; nowhere unless somebody at a terminal has asked for it.
terminal: ContextVar[TextIO | None] = ContextVar("terminal", default=None)


class TerminalHandler(logging.Handler):
    """Writes what is logged to a stream, above whatever bar is drawn there."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record's message as a line, whatever names are in it."""
        tqdm.write(displayable(self.format(record)), file=self._stream)
        self._stream.flush()


class Progress:
    """Counts bytes from several threads; once stopped, ends whichever thread reports next."""

    def __init__(self, bar: "tqdm[object]") -> None:
        self._bar = bar
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def __call__(self, size_bytes: int) -> None:
        """Add bytes that have arrived, or take away those that turned out to be useless."""
        if self._stopped.is_set():
            raise LaionError("stopped")
        with self._lock:
            self._bar.update(size_bytes)

    def stop(self) -> None:
        """Let no thread go on."""
        self._stopped.set()


@contextmanager
def transfer_bar(total_bytes: int) -> Iterator[Progress]:
    """A bar for as long as the block runs, where `terminal` is one."""
    stream = terminal.get()
    shown = stream is not None and stream.isatty() and total_bytes > 0
    with tqdm(
        total=total_bytes,
        desc="shards",
        unit="B",
        unit_scale=True,
        leave=False,
        file=stream,
        disable=not shown,
    ) as bar:
        yield Progress(bar)
