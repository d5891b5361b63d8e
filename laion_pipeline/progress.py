"""Progress of a transfer: a bar with bytes, speed and time left, on a terminal only."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from laion_pipeline.errors import LaionError


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
    """A bar for as long as the block runs; silent where standard error is not a terminal."""
    with tqdm(
        total=total_bytes,
        desc="shards",
        unit="B",
        unit_scale=True,
        leave=False,
        disable=not (total_bytes and sys.stderr.isatty()),
    ) as bar:
        yield Progress(bar)
