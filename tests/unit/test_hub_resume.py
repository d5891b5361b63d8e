"""One file from the Hub: it goes on where it stopped, and only its own bytes get its name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from laion_pipeline.errors import HubUnavailableError, LaionError, ShardError
from tests.hub_fixtures import (
    REPO,
    Site,
    all_logged,
    big_shard,
    hub_site,
    is_one_clear_line,
    offset,
    shorten_timeouts,
)
from tests.loopback_hub import Cut, Fault, Flip, Stall, Status, Truncate

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
    assert site.files() == {}
    assert len(site.parts()) == 1
    site.hub.lift()
    site.hub.clear_requests()
    return site


@pytest.mark.parametrize("fault", [Cut(HALF), Stall(HALF)], ids=["cut", "stall"])
def test_goes_on_after_a_break(site: Site, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    if isinstance(fault, Stall):
        shorten_timeouts(monkeypatch)
    site.hub.inject(fault, "file", times=1)
    fetched = site.fetch()
    (first, second) = site.file_requests()
    assert first == (None, 200)
    assert second[1] == 206
    assert HALF - (1 << 20) <= offset(second[0]) <= HALF
    assert site.files() == {NAME: WHOLE}
    assert (fetched.bytes_fetched, fetched.bytes_reused) == (len(WHOLE), 0)


def test_a_reset_may_lose_bytes_but_never_mixes_them(site: Site) -> None:
    site.hub.inject(Cut(HALF, reset=True), "file", times=1)
    site.fetch()
    assert site.files() == {NAME: WHOLE}
    assert len(site.file_requests()) == 2


def test_moves_on_however_often_it_is_cut(site: Site) -> None:
    site.hub.inject(Cut((1 << 20) + 5), "file")
    site.fetch()
    asked = site.file_requests()
    assert [offset(wanted) for wanted, _ in asked] == [n * ((1 << 20) + 5) for n in range(4)]
    assert site.files() == {NAME: WHOLE}


def test_next_run_goes_on_from_what_is_there(stopped: Site) -> None:
    held = stopped.parts()[0].stat().st_size
    assert held >= 1 << 20
    assert WHOLE.startswith(stopped.parts()[0].read_bytes())
    fetched = stopped.fetch()
    assert stopped.file_requests() == [(f"bytes={held}-", 206)]
    assert (fetched.bytes_fetched, fetched.bytes_reused) == (len(WHOLE) - held, held)
    assert stopped.files() == {NAME: WHOLE}
    assert not stopped.parts()


def test_goes_on_behind_a_redirect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with hub_site(monkeypatch, tmp_path, {NAME: WHOLE}, redirects=True) as site:
        site.hub.inject(Cut(HALF), "redirect", times=1)
        site.fetch()
        ranges = [r.range for r in site.hub.requests if r.kind == "redirect"]
        assert [offset(wanted) > 0 for wanted in ranges] == [False, True]
        assert site.files() == {NAME: WHOLE}


def test_wrong_bytes_left_over_are_replaced(stopped: Site) -> None:
    part = stopped.parts()[0]
    held = part.stat().st_size
    part.write_bytes(bytes(held))
    fetched = stopped.fetch()
    assert stopped.file_requests() == [(f"bytes={held}-", 206), (None, 200)]
    assert fetched.bytes_reused == 0
    assert stopped.files() == {NAME: WHOLE}
    assert not stopped.parts()


def test_a_torn_end_left_over_is_replaced(stopped: Site) -> None:
    """As after a power failure: the file has its length, but not all of its bytes."""
    part = stopped.parts()[0]
    held = part.read_bytes()
    part.write_bytes(held[:-4096] + bytes(4096))
    stopped.fetch()
    assert stopped.files() == {NAME: WHOLE}


def test_whole_file_left_over_needs_no_request(stopped: Site) -> None:
    """As after a kill between the last byte and the renaming."""
    stopped.parts()[0].write_bytes(WHOLE)
    fetched = stopped.fetch()
    assert stopped.file_requests() == []
    assert (fetched.bytes_fetched, fetched.bytes_reused) == (0, len(WHOLE))
    assert stopped.files() == {NAME: WHOLE}


@pytest.mark.parametrize("extra", [b"x", WHOLE], ids=["a-byte", "twice"])
def test_too_much_left_over_is_replaced(stopped: Site, extra: bytes) -> None:
    stopped.parts()[0].write_bytes(WHOLE + extra)
    stopped.fetch()
    assert stopped.file_requests() == [(None, 200)]
    assert stopped.files() == {NAME: WHOLE}


def test_what_is_left_of_another_version_is_not_continued(stopped: Site) -> None:
    newer = WHOLE[:-1000] + WHOLE[-1000:]
    newer = newer[:4] + bytes(1000) + newer[1004:]
    stopped.hub.publish(REPO, {NAME: newer})
    stopped.fetch()
    assert stopped.file_requests() == [(None, 200)]
    assert stopped.files() == {NAME: newer}


def test_flipped_byte_is_fetched_again_from_the_start(site: Site) -> None:
    site.hub.inject(Flip(3_000_000), "file", times=2)
    with all_logged() as lines:
        site.fetch()
    assert site.file_requests() == [(None, 200)] * 3
    assert site.files() == {NAME: WHOLE}
    assert any(NAME in line and "other bytes" in line for line in lines)


def test_flipped_for_ever_gives_up_after_two_more(site: Site) -> None:
    site.hub.inject(Flip(3_000_000), "file")
    with pytest.raises(ShardError, match=f"{NAME}: arrived 3 times with other bytes") as caught:
        site.fetch()
    assert is_one_clear_line(str(caught.value))
    assert site.file_requests() == [(None, 200)] * 3
    assert site.files() == {}
    site.hub.lift()
    site.fetch()
    assert site.files() == {NAME: WHOLE}


def test_a_file_that_was_shorter_for_a_while(site: Site) -> None:
    """A part as long as what the server has cannot be continued, and must not be the end of it."""
    site.hub.inject(Truncate(HALF), "file", times=2)
    site.fetch()
    assert site.files() == {NAME: WHOLE}


def test_a_file_that_stays_shorter_comes_to_an_end(site: Site) -> None:
    site.hub.inject(Truncate(HALF), "file")
    with pytest.raises(LaionError, match=NAME) as caught:
        site.fetch()
    assert is_one_clear_line(str(caught.value))
    assert len(site.file_requests()) <= 15
    assert site.files() == {}
    site.hub.lift()
    site.fetch()
    assert site.files() == {NAME: WHOLE}
