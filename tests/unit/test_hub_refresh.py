"""A warehouse kept in step with the Hub: nothing fetched twice, exactly what changed replaced."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from laion_pipeline.errors import HubError
from laion_pipeline.releases.release import find_release
from laion_pipeline.sources.hub.source import HubSource
from laion_pipeline.sources.shards import Shard
from tests.hub_fixtures import REPO, TOKEN, Site, hub_site, other_shard, small_shards, source_rows

NAMES = sorted(small_shards())


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    with hub_site(monkeypatch, tmp_path) as site:
        yield site


@pytest.fixture
def loaded(site: Site) -> Site:
    """After a first run, with the requests of the first run forgotten."""
    site.refresh()
    site.hub.clear_requests()
    return site


def test_first_run_fetches_each_shard_once(site: Site) -> None:
    fetched = site.prepare()
    assert site.kinds() == {"revision": 1, "tree": 1, "file": 8}
    assert site.hub.file_gets() == dict.fromkeys(NAMES, 1)
    assert site.files() == small_shards()
    assert not site.parts()
    sizes = sum(map(len, small_shards().values()))
    assert (fetched.fetched.bytes_fetched, fetched.fetched.bytes_reused) == (sizes, 0)
    assert [entry.shard.path for entry in fetched.plan.new] == NAMES
    loaded = site.refresh()
    assert loaded.rows == loaded.rows_loaded == 2000
    assert site.warehouse_rows() == source_rows(small_shards())
    assert site.waits == []


def test_a_listing_is_of_one_commit(site: Site) -> None:
    commit = site.hub.publish(REPO, small_shards())
    listing = site.listing()
    assert (listing.release, listing.revision) == ("laion2B-en-aesthetic", commit)
    assert listing.origin == f"{site.hub.endpoint}/datasets/{REPO}"
    assert not listing.made_up
    assert [shard.path for shard in listing.shards] == NAMES
    assert [shard.bytes for shard in listing.shards] == [len(small_shards()[n]) for n in NAMES]
    # The branch moves on between listing and fetching: what was listed is fetched all the same.
    site.hub.publish(REPO, {NAMES[0]: other_shard()})
    site.source().fetch(listing, listing.shards)
    assert site.files() == small_shards()
    assert {r.revision for r in site.hub.requests if r.kind != "revision"} == {commit}


def test_any_revision_can_be_asked_for(site: Site) -> None:
    old = site.hub.publish(REPO, {"old.parquet": other_shard()}, branch="refs/convert/old")
    for revision in ("refs/convert/old", old):
        source = HubSource(find_release("laion2B-en-aesthetic"), revision, site.folder, 1)
        assert source.list_shards().revision == old
        assert [shard.path for shard in source.list_shards().shards] == ["old.parquet"]


def test_only_the_releases_files_count(site: Site) -> None:
    files = {"README.md": b"# about", ".gitattributes": b"*.parquet lfs", "meta.json": b"{}"}
    site.hub.publish(REPO, {**small_shards(), **files}, plain_below_bytes=100)
    site.prepare()
    assert site.hub.file_gets() == dict.fromkeys(NAMES, 1)
    assert site.files() == small_shards()


def test_shards_may_lie_in_folders(site: Site) -> None:
    files = {f"data/{name}": content for name, content in small_shards().items()}
    site.hub.publish(REPO, files)
    assert site.refresh().rows == 2000
    assert site.files() == files
    assert site.warehouse_rows() == source_rows(files)


def test_second_run_asks_for_no_file(loaded: Site) -> None:
    again = loaded.refresh()
    assert loaded.kinds() == {"revision": 1, "tree": 1}
    assert (again.rows, again.rows_loaded) == (2000, 0)
    assert not again.plan.to_load
    assert not again.plan.removed


def test_a_changed_shard_is_fetched_once_and_only_its_rows_replaced(loaded: Site) -> None:
    changed = {**small_shards(), NAMES[3]: other_shard()}
    commit = loaded.hub.publish(REPO, changed)
    again = loaded.refresh()
    assert loaded.hub.file_gets() == {NAMES[3]: 1}
    assert [entry.shard.path for entry in again.plan.changed] == [NAMES[3]]
    assert again.rows_loaded == 500
    assert loaded.warehouse_rows() == source_rows(changed)
    assert loaded.files() == changed
    assert loaded.listing().revision == commit


def test_a_removed_shards_rows_go(loaded: Site) -> None:
    rest = {name: content for name, content in small_shards().items() if name != NAMES[5]}
    loaded.hub.publish(REPO, rest)
    again = loaded.refresh()
    assert loaded.kinds() == {"revision": 1, "tree": 1}
    assert [entry.shard.path for entry in again.plan.removed] == [NAMES[5]]
    assert again.rows_loaded == 0
    assert loaded.warehouse_rows() == source_rows(rest)


def test_an_added_shard_is_all_that_is_fetched(loaded: Site) -> None:
    more = {**small_shards(), "part-99999.parquet": other_shard()}
    loaded.hub.publish(REPO, more)
    assert loaded.refresh().rows == 2500
    assert loaded.hub.file_gets() == {"part-99999.parquet": 1}
    assert loaded.warehouse_rows() == source_rows(more)


def test_a_renamed_shard_is_not_fetched(loaded: Site) -> None:
    renamed = {**small_shards(), "renamed.parquet": small_shards()[NAMES[2]]}
    del renamed[NAMES[2]]
    loaded.hub.publish(REPO, renamed)
    again = loaded.refresh()
    assert loaded.kinds() == {"revision": 1, "tree": 1}
    assert again.rows_loaded == 0
    assert loaded.warehouse_rows() == source_rows(renamed)


def test_two_shards_that_swap_their_names_end_right(loaded: Site) -> None:
    one, two = NAMES[:2]
    swapped = {**small_shards(), one: small_shards()[two], two: small_shards()[one]}
    loaded.hub.publish(REPO, swapped)
    loaded.refresh()
    assert loaded.warehouse_rows() == source_rows(swapped)


def test_what_the_warehouse_holds_may_be_deleted(loaded: Site) -> None:
    for name in NAMES:
        (loaded.folder / name).unlink()
    again = loaded.refresh()
    assert loaded.kinds() == {"revision": 1, "tree": 1}
    assert (again.rows, again.rows_loaded) == (2000, 0)


def test_files_that_are_there_are_used_without_a_warehouse(site: Site) -> None:
    site.fetch()
    site.hub.clear_requests()
    (site.folder / NAMES[0]).write_bytes(b"damaged since")
    fetched = site.fetch()
    assert site.hub.file_gets() == {NAMES[0]: 1}
    sizes = [len(small_shards()[name]) for name in NAMES]
    assert (fetched.bytes_fetched, fetched.bytes_reused) == (sizes[0], sum(sizes[1:]))
    assert site.files() == small_shards()


def test_equal_shards_are_both_loaded(site: Site) -> None:
    twins = {"a.parquet": other_shard(), "b.parquet": other_shard()}
    site.hub.publish(REPO, twins)
    assert site.refresh().rows == 1000
    assert site.warehouse_rows() == source_rows(twins)


def test_a_listing_may_come_in_pages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with hub_site(monkeypatch, tmp_path, page_size=3) as site:
        assert site.refresh().rows == 2000
        assert site.kinds() == {"revision": 1, "tree": 3, "file": 8}
        assert site.warehouse_rows() == source_rows(small_shards())


def test_downloads_follow_redirects_without_the_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with hub_site(monkeypatch, tmp_path, redirects=True) as site:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        site.hub.gate(REPO, TOKEN)
        assert site.refresh().rows == 2000
        assert site.files() == small_shards()
        assert site.kinds() == {"revision": 1, "tree": 1, "file": 8, "redirect": 8}
        for request in site.hub.requests:
            expected = None if request.kind == "redirect" else f"Bearer {TOKEN}"
            assert request.authorization == expected


def test_the_first_shards_alone_can_be_tried(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    monkeypatch.setenv("LAION_MAX_SHARDS", "2")
    site.refresh()
    first = {name: small_shards()[name] for name in NAMES[:2]}
    assert site.hub.file_gets() == dict.fromkeys(first, 1)
    assert site.warehouse_rows() == source_rows(first)
    monkeypatch.delenv("LAION_MAX_SHARDS")
    site.refresh()
    assert site.hub.file_gets() == dict.fromkeys(NAMES, 1)
    assert site.warehouse_rows() == source_rows(small_shards())


def test_requests_say_who_asks(site: Site) -> None:
    site.fetch()
    assert all(r.user_agent.startswith("laion-pipeline/") for r in site.hub.requests)


def test_no_more_connections_than_asked_for(
    monkeypatch: pytest.MonkeyPatch, site: Site, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAION_DOWNLOADS", "1")
    site.refresh()
    asked = [request.filename for request in site.hub.requests if request.kind == "file"]
    assert asked == NAMES


def test_offline_works_from_what_is_there(monkeypatch: pytest.MonkeyPatch, loaded: Site) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    again = loaded.refresh()
    assert (again.rows, again.rows_loaded) == (2000, 0)
    assert not loaded.hub.requests


def test_offline_with_nothing_there_says_so(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE"):
        site.prepare()
    assert not site.hub.requests


def test_a_file_that_is_not_parquet_is_no_shard(site: Site) -> None:
    site.hub.publish(REPO, {**small_shards(), "zz.parquet": b"<html>not a shard</html>"})
    listing = site.listing()
    with pytest.raises(Exception, match=r"zz\.parquet.*Parquet") as caught:
        site.source().fetch(listing, listing.shards)
    assert type(caught.value).__name__ == "ShardError"
    assert site.files() == small_shards()
    site.hub.publish(REPO, small_shards())
    site.hub.clear_requests()
    assert site.refresh().rows == 2000
    assert site.hub.file_gets() == {}


def test_a_shard_is_listed_as_the_hub_has_it(site: Site) -> None:
    assert all(
        isinstance(shard, Shard) and len(shard.sha256) == 64 for shard in site.listing().shards
    )


def test_offline_after_trying_out_a_few_all_are_there(
    monkeypatch: pytest.MonkeyPatch, loaded: Site
) -> None:
    monkeypatch.setenv("LAION_MAX_SHARDS", "2")
    assert loaded.refresh().rows < 2000
    monkeypatch.delenv("LAION_MAX_SHARDS")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert loaded.refresh().rows == 2000
    assert loaded.files() == small_shards()


def test_offline_there_is_no_other_revision(monkeypatch: pytest.MonkeyPatch, loaded: Site) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("LAION_REVISION", "other")
    with pytest.raises(HubError, match="LAION_REVISION=other: offline there is only main"):
        loaded.prepare()
    monkeypatch.setenv("LAION_REVISION", loaded.listing_on_disk().revision)
    assert loaded.refresh().rows == 2000
