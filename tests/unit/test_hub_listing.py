"""A listing is a stranger's: what cannot be trusted or understood is refused in plain words."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from laion_pipeline.errors import HubError
from tests.hub_fixtures import (
    REPO,
    Reply,
    Site,
    entry,
    hub_site,
    is_one_clear_line,
    json_reply,
    other_shard,
    scripted_listing,
    scripted_server,
    small_shards,
)

HOSTILE = {
    "climbs": "../evil.parquet",
    "climbs-from-a-folder": "data/../../evil.parquet",
    "climbs-at-its-end": "data/..parquet/../../../evil.parquet",
    "absolute": "/tmp/evil.parquet",
    "empty-part": "data//evil.parquet",
    "dot": "./evil.parquet",
    "backslash": "..\\evil.parquet",
    "drive": "C:\\evil.parquet",
    "newline": "evil\n.parquet",
    "escape": "evil\x1b[31m.parquet",
    "nul": "evil\0.parquet",
    "delete": "evil\x7f.parquet",
    "c1": "evil\x9b.parquet",
    "right-to-left": "evil\u202egpj.parquet",
    "zero-width": "evil\u200b.parquet",
    "line-separator": "evil\u2028.parquet",
    "too-long": "evil" * 64 + ".parquet",
    "too-deep": "evil/" * 600 + "evil.parquet",
    "in-the-way": "listing.JSON/evil.parquet",
}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    with hub_site(monkeypatch, tmp_path) as site:
        yield site


def refused(site: Site) -> str:
    with pytest.raises(HubError) as caught:
        site.prepare()
    assert is_one_clear_line(str(caught.value))
    assert not site.hub.file_gets()
    assert not site.folder.exists()
    return str(caught.value)


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_are_refused(site: Site, name: str) -> None:
    site.hub.publish(REPO, {**small_shards(), name: other_shard()})
    message = refused(site)
    assert REPO in message
    assert "refused" in message
    assert "evil" in message


@pytest.mark.parametrize(
    "name", [".evil.parquet", ".incoming/evil.parquet", "data/.../evil.parquet"]
)
def test_what_is_hidden_is_passed_over_and_counted(
    site: Site, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.hub.publish(REPO, {**small_shards(), name: other_shard()})
    with caplog.at_level(logging.INFO, "laion_pipeline"):
        assert site.refresh().rows == 2000
    assert f"shards: 1 hidden passed over, such as {name}" in caplog.messages
    assert site.files() == small_shards()


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("a.parquet", "A.parquet"),
        ("data/a.parquet", "Data/a.parquet"),
        ("straße.parquet", "STRASSE.parquet"),
        ("a.parquet", "a.PARQUET"),
    ],
)
def test_names_that_differ_in_case_alone_are_refused(site: Site, one: str, two: str) -> None:
    site.hub.publish(REPO, {one: other_shard(), two: small_shards()[min(small_shards())]})
    message = refused(site)
    assert one in message
    assert two in message


def test_the_same_name_twice_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [entry("a.parquet", b"one"), entry("a.parquet", b"two")]
    with scripted_server(monkeypatch, scripted_listing(entries)):
        assert "a.parquet" in refused(site)


def test_a_name_on_a_later_page_is_looked_at_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with hub_site(monkeypatch, tmp_path, page_size=2) as site:
        site.hub.publish(REPO, {**small_shards(), "zz/../../evil.parquet": other_shard()})
        assert "evil" in refused(site)


def test_names_that_only_look_odd_are_fine(site: Site) -> None:
    files = {"data set/part 1 (copy)+é#%41?..parquet": other_shard()}
    site.hub.publish(REPO, files)
    assert site.refresh().rows == 500
    assert site.files() == files


def test_hostile_names_of_other_files_do_not_matter(site: Site) -> None:
    site.hub.publish(REPO, {**small_shards(), "../evil.txt": b"x", ".gitattributes": b"x"})
    assert site.refresh().rows == 2000


def test_shard_without_a_listed_hash(site: Site) -> None:
    site.hub.publish(REPO, {"tiny.parquet": b"PAR1"}, plain_below_bytes=100)
    message = refused(site)
    assert "tiny.parquet" in message
    assert "sha256" in message


@pytest.mark.parametrize(
    "oid",
    ["../../../../evil", "{tmp_path}/evil", "", "abc", "Z" * 64, "0" * 63 + "\n", 7, None],
    ids=["climbs", "absolute", "empty", "short", "not-hex", "newline", "number", "null"],
)
def test_a_hash_that_is_none_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, oid: object
) -> None:
    """Not least because unfinished files are named after it."""
    if isinstance(oid, str):
        oid = oid.format(tmp_path=tmp_path)
    hostile = entry("a.parquet", lfs={"oid": oid, "size": 1, "pointerSize": 130})
    with scripted_server(monkeypatch, scripted_listing([hostile], lambda *_: (200, {}, b"x"))):
        refused(site)
    assert not list(tmp_path.glob("evil*"))


@pytest.mark.parametrize(
    "wrong",
    [{"size": None}, {"size": "12"}, {"size": -1}, {"path": None}, {"path": 7}, {"lfs": []}],
    ids=str,
)
def test_an_entry_that_is_not_as_the_hub_words_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
) -> None:
    entries = [entry("a.parquet"), entry("b.parquet") | wrong]
    with scripted_server(monkeypatch, scripted_listing(entries)):
        refused(site)


@pytest.mark.parametrize(
    "entries", [["a.parquet"], [None], [{}], [{"type": "file"}], [[]]], ids=str
)
def test_entries_that_are_none(
    site: Site, monkeypatch: pytest.MonkeyPatch, entries: list[Any]
) -> None:
    with scripted_server(monkeypatch, scripted_listing(entries)):
        assert "does not answer as the Hub does" in refused(site)


HTML = (200, {"Content-Type": "text/html"}, b"<!doctype html><title>Please log in</title>")
STRANGE: dict[str, Reply] = {
    "html": HTML,
    "empty": (200, {}, b""),
    "no-content": (204, {}, b""),
    "not-utf8": (200, {"Content-Type": "application/json"}, b'{"sha": "\xff\xfe"}'),
    "half": (200, {"Content-Type": "application/json"}, b'{"sha": "abc'),
    "text": json_reply("hello"),
    "null": json_reply(None),
    "number": json_reply(7),
}


@pytest.mark.parametrize("what", ["revision", "tree"])
@pytest.mark.parametrize("answer", STRANGE.values(), ids=STRANGE)
def test_answers_that_are_not_the_hubs(
    site: Site, monkeypatch: pytest.MonkeyPatch, what: str, answer: Reply
) -> None:
    usual = scripted_listing([entry("a.parquet")])

    def reply(path: str, headers: object) -> Reply:
        return answer if f"/{what}/" in path else usual(path, {})

    with scripted_server(monkeypatch, reply) as asked:
        message = refused(site)
    assert "does not answer as the Hub does" in message
    assert "HF_ENDPOINT" in message
    assert sum(f"/{what}/" in path for path in asked) == 1
    assert site.waits == []


@pytest.mark.parametrize("sha", [None, 7, "", "main", "../../etc", "c" * 39 + "\n"], ids=repr)
def test_a_commit_that_is_none(site: Site, monkeypatch: pytest.MonkeyPatch, sha: object) -> None:
    def reply(path: str, headers: object) -> Reply:
        if "/revision/" in path:
            return json_reply({"sha": sha})
        return json_reply([entry("a.parquet")])

    with scripted_server(monkeypatch, reply):
        assert "does not answer as the Hub does" in refused(site)


def test_a_proxys_page_instead_of_a_shard(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        scripted_server(
            monkeypatch, scripted_listing([entry("a.parquet", other_shard())], lambda *_: HTML)
        ) as asked,
        pytest.raises(Exception, match=r"a\.parquet") as caught,
    ):
        site.prepare()
    assert is_one_clear_line(str(caught.value))
    assert len(asked) <= 2 + 5
    assert site.files() == {}
