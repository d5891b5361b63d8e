"""The bar of a transfer: on a terminal that was asked for, and nowhere else."""

import logging
import os
import select
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


def test_a_terminal_shows_bytes_speed_and_time_left(pty: tuple[TextIO, int]) -> None:
    stream, reader = pty
    with progress.transfer_bar(4_000_000) as advance:
        advance(3_000_000)
        advance(-1_000_000)
        progress.TerminalHandler(stream).emit(
            logging.makeLogRecord({"msg": "shards: %s verified", "args": ("part-0",)})
        )
    shown = ""
    while select.select([reader], [], [], 0.2)[0]:  # a terminal gives what it has in pieces
        shown += os.read(reader, 65536).decode()
    assert "/4.00M [" in shown
    assert "B/s]" in shown
    assert "50%" in shown
    assert "shards: part-0 verified\r\n" in shown


def test_without_a_terminal_nothing_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with progress.transfer_bar(4_000_000) as advance:
        advance(4_000_000)
    assert capfd.readouterr() == ("", "")


def test_nothing_goes_on_once_stopped() -> None:
    with progress.transfer_bar(10) as advance:
        advance.stop()
        with pytest.raises(LaionError):
            advance(1)
