"""Every way the Hub can misbehave: once is overcome, for ever ends in one clear line."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from laion_pipeline.errors import HubUnavailableError, LaionError, SettingsError, TransientError
from laion_pipeline.sources.hub.retrying import ATTEMPTS
from tests.hub_fixtures import (
    Site,
    hub_site,
    is_one_clear_line,
    shorten_timeouts,
    small_shards,
    source_rows,
    use_endpoint,
)
from tests.loopback_hub import NO_ENTRY, Cut, Fault, Flip, Kind, LinkedSize, Stall, Status, Truncate

NAMES = sorted(small_shards())
VICTIM = NAMES[4]
STATUSES = [Status(code) for code in (408, 429, 500, 502, 503, 504)]
# What can happen to a request whatever it is for, and what only to one for a file's bytes.
ANYWHERE: list[Fault] = [*STATUSES, Stall(), Stall(0), Cut(), Cut(0), Cut(reset=True)]
IN_BYTES: list[Fault] = [Stall(5000), Cut(5000), Cut(5000, reset=True), Truncate(5000), Flip(5000)]
API: list[Kind] = ["revision", "tree"]


def name_of(fault: Fault) -> str:
    details = [str(value) for value in vars(fault).values() if value not in (None, "")]
    return "-".join([type(fault).__name__, *(d for d in details if "Injected" not in d)])


@pytest.fixture
def site(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Site]:
    if hasattr(request.node, "callspec") and "Stall" in request.node.callspec.id:
        shorten_timeouts(monkeypatch)
    with hub_site(monkeypatch, tmp_path) as site:
        yield site


@pytest.mark.parametrize("fault", ANYWHERE, ids=name_of)
@pytest.mark.parametrize("kind", API)
def test_listing_fault_once(site: Site, kind: Kind, fault: Fault) -> None:
    site.hub.inject(fault, kind, times=1)
    assert [shard.path for shard in site.listing().shards] == NAMES
    assert site.kinds() == {"revision": 1, "tree": 1} | {kind: 2}
    assert len(site.waits) == 1
    assert 0 <= site.waits[0] <= 8


@pytest.mark.parametrize("fault", ANYWHERE, ids=name_of)
@pytest.mark.parametrize("kind", API)
def test_listing_fault_for_ever(site: Site, kind: Kind, fault: Fault) -> None:
    site.hub.inject(fault, kind)
    with pytest.raises(HubUnavailableError) as caught:
        site.prepare()
    assert is_one_clear_line(str(caught.value))
    assert site.hub.endpoint in str(caught.value)
    assert isinstance(caught.value, TransientError)
    assert site.kinds()[kind] == ATTEMPTS
    assert len(site.waits) == ATTEMPTS - 1
    assert site.files() == {}
    site.hub.lift()
    assert site.refresh().rows == 2000


@pytest.mark.parametrize("fault", [*ANYWHERE, *IN_BYTES], ids=name_of)
def test_file_fault_once(site: Site, fault: Fault) -> None:
    site.hub.inject(fault, "file", name=VICTIM, times=1)
    assert site.refresh().rows == 2000
    assert site.hub.file_gets() == {**dict.fromkeys(NAMES, 1), VICTIM: 2}
    assert site.files() == small_shards()
    assert not site.parts()
    assert site.warehouse_rows() == source_rows(small_shards())


@pytest.mark.parametrize("fault", [*ANYWHERE, *IN_BYTES], ids=name_of)
def test_file_fault_for_ever(site: Site, fault: Fault) -> None:
    site.hub.inject(fault, "file", name=VICTIM)
    with pytest.raises(LaionError) as caught:
        site.prepare()
    message = str(caught.value)
    assert VICTIM in message, "the shard that failed is named"
    assert is_one_clear_line(message)
    assert not [name for name in NAMES if name != VICTIM and name in message]
    assert caught.value.exit_status == 1
    # The others are kept, and nothing can be loaded before all are there.
    others = {name: small_shards()[name] for name in NAMES if name != VICTIM}
    assert site.files() == others
    assert not (site.folder / "listing.json").exists()
    assert 1 < site.hub.file_gets()[VICTIM] <= 2 * ATTEMPTS
    site.hub.lift()
    site.hub.clear_requests()
    assert site.refresh().rows == 2000
    assert site.hub.file_gets() == {VICTIM: 1}
    assert not site.parts()
    assert site.warehouse_rows() == source_rows(small_shards())


@pytest.mark.parametrize("fault", [Status(503), Cut(), Stall()], ids=name_of)
def test_the_message_does_not_repeat_itself(site: Site, fault: Fault) -> None:
    site.hub.inject(fault, "file")
    with pytest.raises(HubUnavailableError) as caught:
        site.prepare()
    message = str(caught.value)
    assert "8 of 8" in message
    # What is the matter is said once, however many shards it is the matter with.
    assert message.count(site.hub.endpoint) == 1
    assert site.files() == {}


def test_a_wrong_size_in_the_headers_does_no_harm(site: Site) -> None:
    site.hub.inject(LinkedSize(7))
    assert site.refresh().rows == 2000


def test_a_file_that_is_listed_but_not_there(site: Site) -> None:
    site.hub.inject(NO_ENTRY, "file", name=VICTIM)
    with pytest.raises(LaionError) as caught:
        site.prepare()
    assert VICTIM in str(caught.value)
    assert site.hub.file_gets()[VICTIM] == 1
    assert len(site.files()) == 7
    assert not site.waits


def test_several_faults_at_several_places(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_timeouts(monkeypatch)
    site.hub.inject(Status(503), "revision", times=2)
    site.hub.inject(Cut(100), "tree", times=2)
    for name, fault in zip(NAMES, [*IN_BYTES, *STATUSES], strict=False):
        site.hub.inject(fault, "file", name=name, times=2)
    assert site.refresh().rows == 2000
    assert site.hub.file_gets() == dict.fromkeys(NAMES, 3)
    assert site.files() == small_shards()
    assert site.warehouse_rows() == source_rows(small_shards())


@pytest.mark.parametrize("fault", [Status(503), Stall(100), Cut(100), Flip(100)], ids=name_of)
def test_faults_behind_a_redirect(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Fault
) -> None:
    if isinstance(fault, Stall):
        shorten_timeouts(monkeypatch)
    with hub_site(monkeypatch, tmp_path, redirects=True) as site:
        site.hub.inject(fault, "redirect", name=VICTIM, times=1)
        assert site.refresh().rows == 2000
        assert site.hub.file_gets() == {**dict.fromkeys(NAMES, 1), VICTIM: 2}
        assert site.files() == small_shards()


def test_flipped_bytes_never_get_a_shards_name(site: Site) -> None:
    """Not even in between: a reader of the folder sees verified shards only."""
    site.hub.inject(Flip(5000), "file", name=VICTIM)
    with pytest.raises(LaionError, match="other bytes"):
        site.prepare()
    assert site.hub.file_gets()[VICTIM] == 3
    assert VICTIM not in site.files()
    flipped = bytearray(small_shards()[VICTIM])
    flipped[5000] ^= 0xFF
    assert bytes(flipped) not in site.everything_written()


def test_fault_after_a_release_was_loaded_keeps_the_warehouse(site: Site) -> None:
    site.refresh()
    before = site.warehouse_rows()
    site.hub.publish("laion/laion2B-en-aesthetic", {"new.parquet": small_shards()[VICTIM][:9999]})
    site.hub.inject(Status(503), "file")
    with pytest.raises(LaionError):
        site.refresh()
    assert site.warehouse_rows() == before


def test_waits_grow_and_are_random(site: Site) -> None:
    longest: list[float] = []
    for _ in range(20):
        site.waits.clear()
        site.hub.inject(Status(503), "revision", times=ATTEMPTS - 1)
        site.listing()
        assert len(site.waits) == ATTEMPTS - 1
        longest = [max(pair) for pair in zip(site.waits, longest or site.waits, strict=True)]
    assert longest[-1] > longest[0]
    assert len(set(longest)) == len(longest)
    assert max(longest) <= 8


RATE_LIMITED = '"api";r=0;t=55'


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (Status(429, retry_after=7), 7),
        (Status(429, rate_limit=RATE_LIMITED), 55),
        (Status(429, retry_after=7, rate_limit=RATE_LIMITED), 55),
        (Status(429, retry_after=7, rate_limit='"api";r=10;t=55'), 7),
        (Status(503, retry_after=30), 30),
    ],
)
@pytest.mark.parametrize("kind", [*API, "file"])
def test_retry_after_is_honoured(site: Site, kind: Kind, fault: Status, seconds: float) -> None:
    site.hub.inject(fault, kind, name=VICTIM if kind == "file" else "*", times=1)
    assert site.refresh().rows == 2000
    assert site.waits == [seconds]


@pytest.mark.parametrize("kind", [*API, "file"])
def test_an_absurd_retry_after_is_not_waited_for(site: Site, kind: Kind) -> None:
    name = VICTIM if kind == "file" else "*"
    site.hub.inject(Status(429, retry_after=86_400), kind, name=name)
    with pytest.raises(HubUnavailableError) as caught:
        site.prepare()
    assert "429" in str(caught.value)
    assert is_one_clear_line(str(caught.value))
    assert len([r for r in site.hub.requests if r.status == 429]) == 1
    assert site.waits == []


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
    use_endpoint(monkeypatch, endpoint)
    with pytest.raises(HubUnavailableError) as caught:
        site.prepare()
    assert endpoint in str(caught.value)
    assert is_one_clear_line(str(caught.value))
    assert len(site.waits) == ATTEMPTS - 1


def test_the_name_cannot_be_resolved(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    use_endpoint(monkeypatch, "http://hub.example:1")
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(HubUnavailableError, match=r"http://hub\.example:1 cannot be reached"):
        site.prepare()


@pytest.mark.parametrize("endpoint", ["", "huggingface", "ftp://127.0.0.1", "http://[::1"])
def test_an_endpoint_that_is_no_address(
    monkeypatch: pytest.MonkeyPatch, site: Site, endpoint: str
) -> None:
    use_endpoint(monkeypatch, endpoint)
    with pytest.raises(SettingsError) as caught:
        site.prepare()
    assert is_one_clear_line(str(caught.value))
