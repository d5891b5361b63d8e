"""Signals that end a run: in good order where it can be, and after a while in any case."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = "interrupted; run again, it goes on from where it was"
_SECONDS_TO_END = 15.0
_ENDS = (signal.SIGINT, signal.SIGTERM)

_received = threading.Event()


def watch() -> None:
    """From now on SIGINT and SIGTERM end the program, and a second one ends it at once.

    Both interrupt whatever is being done. As that may get lost, in a destructor or where Dagster
    listens for SIGINT itself, a thread hears of them too.
    """
    sys.unraisablehook = _tell_unless_interrupted
    if logging.lastResort:  # what writes logs that nobody asked for, such as SQLAlchemy's errors
        logging.lastResort.addFilter(_is_told)
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(heard, os.dup(2)), daemon=True).start()
    for number in _ENDS:  # also where a shell has SIGINT ignored, as in the background of a script
        signal.signal(number, _interrupt)


def leave_to_others() -> None:
    """Let the signals be handled by what ends in an order of its own, however long that takes."""
    signal.set_wakeup_fd(-1)


def received() -> bool:
    """Whether the program is to end."""
    return _received.is_set()


@contextmanager
def ending_first() -> Iterator[None]:
    """Where the program is to end, no error in the block is told: it is of what was cut off."""
    try:
        yield
    except Exception as error:
        if received():
            raise KeyboardInterrupt from error
        raise


def _interrupt(number: int, frame: FrameType | None) -> None:
    _received.set()
    signal.default_int_handler(number, frame)


def _tell_unless_interrupted(lost: "sys.UnraisableHookArgs") -> None:
    """Where an exception cannot be raised, Python writes it out; an interrupt is no news.

    Those of Dagster's own handler may come before the thread has heard of the signal.
    """
    if not received() and issubclass(lost.exc_type, Exception):
        sys.__unraisablehook__(lost)


def _is_told(record: logging.LogRecord) -> bool:
    """Libraries log what interrupts them, too, before they let it through."""
    kind = record.exc_info[0] if record.exc_info else None
    return not received() and (kind is None or issubclass(kind, Exception))


def _listen(heard: int, terminal: int) -> None:
    """`terminal` is where to tell: standard error may be another by then."""
    timer: threading.Timer | None = None
    while number := os.read(heard, 1):
        if number[0] not in _ENDS:
            continue
        if timer:
            end(terminal)
        _received.set()
        timer = threading.Timer(_SECONDS_TO_END, end, [terminal])
        timer.daemon = True
        timer.start()


def end(terminal: int = 2) -> None:
    """End, saying so, without anything more: the next run goes on from whatever is left."""
    os.write(terminal, f"error: {INTERRUPTED}\n".encode())
    os._exit(1)
