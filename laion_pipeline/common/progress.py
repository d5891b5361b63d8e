"""Progress on a terminal: bars, and what is logged above them."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

from tqdm import tqdm

from laion_pipeline.errors import LaionError
from laion_pipeline.text import displayable

# Where bars are drawn; nowhere unless somebody at a terminal has asked for it.
terminal: ContextVar[TextIO | None] = ContextVar("terminal", default=None)

_ASKED_EACH_SECONDS = 0.2


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
    with tqdm(
        total=total_bytes,
        desc="shards",
        unit="B",
        unit_scale=True,
        leave=False,
        file=stream,
        disable=not (is_shown() and total_bytes > 0),
    ) as bar:
        yield Progress(bar)


@contextmanager
def percent_bar(what: str, percent: Callable[[], float]) -> Iterator[None]:
    """A bar for as long as the block runs, which asks again and again how far it is.

    `percent` is less than 0 where nobody knows.
    """
    ended = threading.Event()

    def ask(bar: "tqdm[object]") -> None:
        while not ended.wait(_ASKED_EACH_SECONDS):
            bar.n = max(0, round(percent()))
            bar.refresh()

    with tqdm(
        total=100,
        desc=what,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}",
        leave=False,
        file=terminal.get(),
        disable=not is_shown(),
    ) as bar:
        asking = threading.Thread(target=ask, args=[bar], daemon=True)
        if is_shown():
            asking.start()
        try:
            yield
        finally:
            ended.set()
            if asking.ident is not None:
                asking.join()


def is_shown() -> bool:
    """Whether bars are drawn."""
    stream = terminal.get()
    return stream is not None and stream.isatty()
