"""Servers that send other bytes than asked for, and disks that do not take them."""

import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from laion_pipeline.errors import HubUnavailableError, LaionError, ShardError
from tests.hub_fixtures import (
    Reply,
    Site,
    big_shard,
    entry,
    hub_site,
    is_one_clear_line,
    offset,
    scripted_listing,
    scripted_server,
)
from tests.loopback_hub import Cut, Status

NAME = "big.parquet"
WHOLE = big_shard()
HALF = 2_500_000


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    with hub_site(monkeypatch, tmp_path, {NAME: WHOLE}) as site:
        yield site


@pytest.fixture
def stopped(site: Site) -> Site:
    """After a run that got a part of the file and then nothing more."""
    site.hub.inject(Cut(HALF), "file", times=1)
    site.hub.inject(Status(503), "file")
    with pytest.raises(HubUnavailableError):
        site.fetch()
    return site


class Sender:
    def reply(self, start: int) -> Reply:
        raise NotImplementedError


@contextmanager
def sending(
    monkeypatch: pytest.MonkeyPatch, bodies: Sender, listed: bytes = WHOLE
) -> Iterator[list[str | None]]:
    """A server of our one file that sends what `bodies` says; the ranges it was asked for."""
    ranges: list[str | None] = []

    def send(_: str, headers: Mapping[str, str]) -> Reply:
        ranges.append(headers.get("Range"))
        return bodies.reply(offset(headers.get("Range")))

    with scripted_server(monkeypatch, scripted_listing([entry(NAME, listed)], send)):
        yield ranges


class IgnoresRange(Sender):
    def reply(self, start: int) -> Reply:
        return 200, {}, WHOLE


class SendsAnotherRange(Sender):
    def reply(self, start: int) -> Reply:
        if not start:
            return 200, {}, WHOLE
        at = start - 1000
        return 206, {"Content-Range": f"bytes {at}-{len(WHOLE) - 1}/{len(WHOLE)}"}, WHOLE[at:]


class SendsTooMuch(Sender):
    def reply(self, start: int) -> Reply:
        return 200, {}, WHOLE + b"more"


class Compresses(Sender):
    def reply(self, start: int) -> Reply:
        return 200, {"Content-Encoding": "gzip"}, b"\x1f\x8b" + WHOLE


def test_server_that_ignores_ranges(stopped: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with sending(monkeypatch, IgnoresRange()) as ranges:
        stopped.fetch()
    assert len(ranges) == 1
    assert offset(ranges[0]) > 0
    assert stopped.files() == {NAME: WHOLE}


def test_server_that_sends_another_range(stopped: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with sending(monkeypatch, SendsAnotherRange()) as ranges:
        stopped.fetch()
    assert ranges[-1] is None
    assert stopped.files() == {NAME: WHOLE}


@pytest.mark.parametrize("sender", [SendsTooMuch(), Compresses()], ids=["too-much", "gzip"])
def test_other_bytes_than_listed(
    site: Site, monkeypatch: pytest.MonkeyPatch, sender: Sender
) -> None:
    with sending(monkeypatch, sender) as ranges, pytest.raises(ShardError, match=NAME) as caught:
        site.fetch()
    assert is_one_clear_line(str(caught.value))
    assert ranges == [None] * 3
    assert site.files() == {}


def test_longer_than_listed_is_not_read_to_its_end(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a server could fill the disk."""
    with sending(monkeypatch, IgnoresRange(), WHOLE[:1000]), pytest.raises(ShardError, match=NAME):
        site.fetch()
    assert site.files() == {}
    assert all(part.stat().st_size <= 2 << 20 for part in site.parts())


@pytest.fixture
def _small_files_only() -> Iterator[None]:
    """No file of this process may get longer than 1 MB, which is like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class StopsThenMakesRoom(Sender):
    """The first connection ends just after the disk is full; then there is room again."""

    def reply(self, start: int) -> Reply:
        if not start:
            headers = {"Content-Length": str(len(WHOLE)), "Connection": "close"}
            return 200, headers, WHOLE[: (1 << 20) + 5]
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        return 206, {}, WHOLE[start:]


@pytest.mark.usefixtures("_small_files_only")
def test_bytes_that_did_not_fit_are_not_taken_for_written(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write to a disk that is nearly full stores a part of the bytes, and says so."""
    with sending(monkeypatch, StopsThenMakesRoom()), suppress(LaionError):
        site.fetch()
    assert site.files() in ({}, {NAME: WHOLE})


@pytest.mark.usefixtures("_small_files_only")
def test_a_disk_that_is_full(site: Site) -> None:
    with pytest.raises(LaionError) as caught:
        site.fetch()
    assert is_one_clear_line(str(caught.value))
    assert site.files() == {}


def test_a_folder_that_cannot_be_made(site: Site) -> None:
    site.folder.parent.mkdir(parents=True)
    site.folder.write_bytes(b"in the way")
    with pytest.raises(LaionError) as caught:
        site.fetch()
    assert is_one_clear_line(str(caught.value))
