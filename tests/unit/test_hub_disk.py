"""What fetching does to the disk: said beforehand, refused in time, given back afterwards."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from laion_pipeline.errors import DiskFullError, LaionError
from tests.hub_fixtures import REPO, Site, hub_site, other_shard, small_shards, source_rows
from tests.loopback_hub import Status

NAMES = sorted(small_shards())


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    with hub_site(monkeypatch, tmp_path) as site:
        yield site


@pytest.fixture
def streaming(monkeypatch: pytest.MonkeyPatch, site: Site) -> Site:
    """A site whose pipeline keeps no shards, and takes three at a time."""
    monkeypatch.setenv("LAION_KEEP_SHARDS", "false")
    monkeypatch.setenv("LAION_DOWNLOADS", "3")
    return site


def leave_free(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    usage = shutil.disk_usage("/")._replace(free=free_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


def test_it_says_what_will_happen_before_it_does(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_free(monkeypatch, 77_000_000)
    size = sum(map(len, small_shards().values()))
    with caplog.at_level(logging.INFO, "laion_pipeline"):
        site.prepare()
    first = caplog.messages[0]
    assert "8 new, 0 changed, 0 unchanged, 0 removed" in first
    assert f"{size / 1e6:.1f} MB to fetch" in first
    assert f"{3 * size / 1e6:.1f} MB of disk needed, 77.0 MB free" in first


def test_without_room_nothing_is_fetched(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_free(monkeypatch, 1000)
    with pytest.raises(DiskFullError, match=r"MB of disk needed, 0\.0 MB free.*LAION_KEEP_SHARDS"):
        site.prepare()
    assert not site.hub.file_gets()
    assert site.files() == {}


def test_what_is_there_needs_no_room(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.refresh()
    leave_free(monkeypatch, 1000)
    assert site.refresh().rows == 2000


def test_shards_need_not_be_kept(streaming: Site) -> None:
    assert streaming.refresh().rows_loaded == 2000
    assert streaming.files() == {}
    assert streaming.parts() == []
    assert streaming.warehouse_rows() == source_rows(small_shards())
    streaming.hub.clear_requests()
    assert streaming.refresh().rows_loaded == 0
    assert not streaming.hub.file_gets()


def test_a_change_costs_one_request_without_kept_shards(streaming: Site) -> None:
    streaming.refresh()
    changed = {**small_shards(), NAMES[4]: other_shard()}
    streaming.hub.publish(REPO, changed)
    streaming.hub.clear_requests()
    assert streaming.refresh().rows_loaded == 500
    assert streaming.hub.file_gets() == {NAMES[4]: 1}
    assert streaming.warehouse_rows() == source_rows(changed)


def test_one_that_fails_holds_no_other_back(streaming: Site) -> None:
    streaming.hub.inject(Status(404, "EntryNotFound"), "file", name=NAMES[1])
    with pytest.raises(LaionError, match=NAMES[1]):
        streaming.refresh()
    assert streaming.files() == {}
    streaming.hub.lift()
    streaming.hub.clear_requests()
    streaming.refresh()
    assert streaming.hub.file_gets() == {NAMES[1]: 1}
    assert streaming.warehouse_rows() == source_rows(small_shards())
    assert streaming.files() == {}


def test_shards_kept_so_far_go_when_they_need_not_be(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.refresh()
    monkeypatch.setenv("LAION_KEEP_SHARDS", "false")
    site.refresh()
    assert site.files() == {}


def test_what_is_no_longer_listed_goes(site: Site) -> None:
    site.refresh()
    begun = site.folder / ".incoming" / "of-another-revision.part"
    begun.parent.mkdir(exist_ok=True)
    begun.write_bytes(b"begun")
    renamed = {name.replace("00003", "00033"): data for name, data in small_shards().items()}
    site.hub.publish(REPO, {name: data for name, data in renamed.items() if name != NAMES[0]})
    site.refresh()
    assert set(site.files()) == set(NAMES) - {NAMES[0], NAMES[3]}
    assert site.parts() == []


def test_trying_out_a_few_deletes_no_file(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.refresh()
    monkeypatch.setenv("LAION_MAX_SHARDS", "2")
    assert site.refresh().rows < 2000
    assert set(site.files()) == set(NAMES)
    monkeypatch.delenv("LAION_MAX_SHARDS")
    site.hub.clear_requests()
    assert site.refresh().rows == 2000
    assert not site.hub.file_gets()
