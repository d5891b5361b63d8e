"""What never ends at the Hub ends here: pages that go in circles, bytes that drip."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from huggingface_hub import close_session

from laion_pipeline.errors import HubError, HubUnavailableError
from tests.hub_fixtures import (
    Reply,
    Site,
    entry,
    hub_site,
    is_one_clear_line,
    json_reply,
    scripted_server,
    shorten_timeouts,
    use_endpoint,
)
from tests.loopback_hub import Slow


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    with hub_site(monkeypatch, tmp_path) as site:
        yield site


def page_of(names: list[str], following: str) -> Reply:
    status, headers, body = json_reply([entry(name) for name in names])
    return status, {**headers, "Link": f'<{following}>; rel="next"'}, body


def itself(path: str, number: int) -> Reply:
    return page_of(["a.parquet"], f"http://{{host}}{path}")


def two_in_turn(path: str, number: int) -> Reply:
    return page_of([f"{number % 2}.parquet"], f"http://{{host}}/api/tree/x?page={number % 2}")


def always_the_same_entries(path: str, number: int) -> Reply:
    return page_of(["a.parquet"], f"http://{{host}}/api/tree/x?page={number}")


@pytest.mark.parametrize("pages", [itself, two_in_turn, always_the_same_entries])
def test_pages_that_never_end_are_given_up(
    site: Site, monkeypatch: pytest.MonkeyPatch, pages: object
) -> None:
    asked_pages = 0

    def reply(path: str, headers: Mapping[str, str]) -> Reply:
        nonlocal asked_pages
        if "/revision/" in path:
            return json_reply({"sha": "c" * 40})
        asked_pages += 1
        status, said, body = pages(path, asked_pages)  # type: ignore[operator]
        return status, {**said, "Link": said["Link"].format(host=headers["Host"])}, body

    with scripted_server(monkeypatch, reply), pytest.raises(HubError) as caught:
        site.prepare()
    assert asked_pages < 5
    assert "does not end" in str(caught.value)
    assert is_one_clear_line(str(caught.value))


@contextmanager
def dripping(monkeypatch: pytest.MonkeyPatch, at_once: bytes) -> Iterator[None]:
    """A server that sends some bytes at once, and then one now and then for ever."""
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            try:
                connection.sendall(at_once)
                while not ended.wait(0.05):
                    connection.sendall(b"x")
            except OSError:
                pass

    def accept(server: socket.socket) -> None:
        while not ended.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, args=(server,), daemon=True).start()
        use_endpoint(monkeypatch, f"http://127.0.0.1:{server.getsockname()[1]}")
        close_session()
        try:
            yield
        finally:
            ended.set()
            close_session()


@pytest.mark.parametrize(
    ("at_once", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Long: ", "does not finish its answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "sends too slowly"),
    ],
    ids=["headers", "body"],
)
def test_an_answer_that_drips_is_given_up(
    site: Site, monkeypatch: pytest.MonkeyPatch, at_once: bytes, words: str
) -> None:
    shorten_timeouts(monkeypatch)
    started = time.monotonic()
    with dripping(monkeypatch, at_once), pytest.raises(HubUnavailableError) as caught:
        site.prepare()
    assert words in str(caught.value)
    assert is_one_clear_line(str(caught.value))
    assert len(site.waits) == 4  # it was tried again, a few times
    assert time.monotonic() - started < 30


def test_a_file_that_drips_is_given_up_and_goes_on_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_timeouts(monkeypatch)
    site.hub.inject(Slow(200), "file", name="part-00003*")
    with pytest.raises(HubUnavailableError, match="1 of 8 shards could not be fetched") as caught:
        site.prepare()
    assert "sends too slowly" in str(caught.value)
    site.hub.lift()
    assert len(site.prepare().listing.shards) == 8


def test_an_answer_without_end_does_not_fill_the_memory(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from laion_pipeline.sources.hub import client as hub_client

    monkeypatch.setattr(hub_client, "_LONGEST_ANSWER_BYTES", 1000)
    long = json.dumps({"sha": "c" * 40, "more": "x" * 2000}).encode()

    def reply(path: str, headers: Mapping[str, str]) -> Reply:
        return 200, {"Content-Type": "application/json"}, long

    with (
        scripted_server(monkeypatch, reply),
        pytest.raises(HubError, match="does not answer as the Hub does"),
    ):
        site.prepare()
