"""The bar of a transfer: on a terminal that was asked for, and nowhere else."""

import logging
import os
import select
import threading
import time
from collections.abc import Iterator
from typing import TextIO

import pytest

from laion_pipeline.common import progress
from laion_pipeline.errors import LaionError


@pytest.fixture
def pty() -> Iterator[tuple[TextIO, int]]:
    """A terminal to write to, and the descriptor to read what it would show."""
    reader, writer = os.openpty()
    with os.fdopen(writer, "w") as stream:
        token = progress.terminal.set(stream)
        yield stream, reader
        progress.terminal.reset(token)
    os.close(reader)


def read(reader: int) -> str:
    """What a terminal shows."""
    shown = ""
    while select.select([reader], [], [], 0.2)[0]:  # it gives what it has in pieces
        shown += os.read(reader, 65536).decode()
    return shown


def test_a_terminal_shows_bytes_speed_and_time_left(pty: tuple[TextIO, int]) -> None:
    stream, reader = pty
    with progress.transfer_bar(4_000_000) as advance:
        advance(3_000_000)
        advance(-1_000_000)
        progress.TerminalHandler(stream).emit(
            logging.makeLogRecord({"msg": "shards: %s verified", "args": ("part-0",)})
        )
    shown = read(reader)
    assert "/4.00M [" in shown
    assert "B/s]" in shown
    assert "50%" in shown
    assert "shards: part-0 verified\r\n" in shown


def test_a_terminal_shows_how_far_it_is(pty: tuple[TextIO, int]) -> None:
    asked = threading.Event()
    answers = iter([-1.0, 41.6])

    def percent() -> float:
        answer = next(answers, None)
        if answer is None:
            asked.set()
        return answer or 99

    with progress.percent_bar("choosing", percent):
        assert asked.wait(10)
    shown = read(pty[1])
    assert "choosing:   0%" in shown
    assert "choosing:  42%" in shown


def test_without_a_terminal_nobody_is_asked_how_far_it_is() -> None:
    with progress.percent_bar("choosing", lambda: pytest.fail("asked")):
        time.sleep(3 * progress._ASKED_EACH_SECONDS)


def test_without_a_terminal_nothing_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with progress.transfer_bar(4_000_000) as advance:
        advance(4_000_000)
    assert capfd.readouterr() == ("", "")


def test_nothing_goes_on_once_stopped() -> None:
    with progress.transfer_bar(10) as advance:
        advance.stop()
        with pytest.raises(LaionError):
            advance(1)
