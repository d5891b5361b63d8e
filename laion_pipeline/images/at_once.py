"""Asking strangers' servers for many things, some at a time."""

from collections.abc import Callable, Iterable, Mapping
from queue import Empty, SimpleQueue
from typing import TypeVar

from laion_pipeline.common.background import in_background

T = TypeVar("T")
_AT_A_TIME = 16


def each_at_once(names: Iterable[str], ask: Callable[[str], T]) -> Mapping[str, T]:
    """What `ask` finds for each name, some at a time in turn.

    In the background, so that whoever stops us need not wait for a server that is slow.
    """
    waiting: SimpleQueue[str] = SimpleQueue()
    for name in names:
        waiting.put(name)
    found: dict[str, T] = {}

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except Empty:
                return
            found[name] = ask(name)

    for worker in [in_background(work) for _ in range(min(_AT_A_TIME, waiting.qsize()))]:
        worker.result()
    return found
