"""A source that changes between runs, and errors as a user of Dagster sees them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from laion_pipeline.errors import LaionError
from laion_pipeline.session import Session
from laion_pipeline.sources.sample.shards import generate_sample
from tests.orchestration.runs import INGEST, RELEASE, configured, query, run
from tests.orchestration.test_checks import clean_columns, write

pytestmark = pytest.mark.slow

SHARDS = 3
PAIRS = dg.AssetKey("pairs")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    generate_sample(tmp_path / "source", rows=1000, shards=SHARDS)
    with configured(tmp_path / "data", tmp_path / "source"):
        yield tmp_path / "data"


def rows_by_shard(data: Path) -> dict[str, list[tuple[Any, ...]]]:
    rows = query(
        data,
        "SELECT path, url, text, hash, shard_id FROM pairs JOIN shards USING (shard_id)"
        " ORDER BY ALL",
    )
    found: dict[str, list[tuple[Any, ...]]] = {}
    for path, *rest in rows:
        found.setdefault(path, []).append(tuple(rest))
    return found


def test_a_changed_shard_replaces_only_its_rows(data: Path, tmp_path: Path) -> None:
    assert run(INGEST).metadata["pairs"]["shards_loaded"] == SHARDS
    before, ledger = rows_by_shard(data), query(data, "SELECT path, loaded_at FROM shards")
    names = sorted(before)
    write(tmp_path / "source", clean_columns(77), names[1])
    done = run(INGEST)
    said = done.metadata["pairs"]
    assert (said["shards_loaded"], said["rows_loaded"], said["shards_removed"]) == (1, 77, 0)
    assert done.metadata["shards"]["changed"] == 1
    after = rows_by_shard(data)
    assert [len(after[name]) for name in names] == [
        len(before[names[0]]),
        77,
        len(before[names[2]]),
    ]
    assert (after[names[0]], after[names[2]]) == (before[names[0]], before[names[2]])
    loaded_at = dict(query(data, "SELECT path, loaded_at FROM shards"))
    assert [loaded_at[name] == dict(ledger)[name] for name in names] == [True, False, True]
    revisions = query(data, "SELECT DISTINCT revision FROM shards")
    assert revisions == [(said["revision"],)]


def test_removed_and_added_shards(data: Path, tmp_path: Path) -> None:
    run(INGEST)
    names = sorted(rows_by_shard(data))
    (tmp_path / "source" / names[0]).unlink()
    write(tmp_path / "source", clean_columns(50), "zz.parquet")
    said = run(INGEST).metadata["pairs"]
    assert (said["shards_loaded"], said["rows_loaded"], said["shards_removed"]) == (1, 50, 1)
    assert sorted(rows_by_shard(data)) == [*names[1:], "zz.parquet"]


def test_data_versions_follow_the_content(data: Path, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        versions = []
        for _ in range(2):
            run(INGEST, instance)
            record = instance.get_latest_data_version_record(dg.AssetKey("pairs"))
            assert record is not None
            tags = record.asset_materialization.tags if record.asset_materialization else {}
            assert tags is not None
            versions.append(tags["dagster/data_version"])
            write(tmp_path / "source", clean_columns(50), "zz.parquet")
    assert versions[0] != versions[1]


def expect_failure(step: str) -> str:
    """The line that a failed run shows for the step that failed; the only one."""
    done = run()
    assert not done.success
    assert list(done.failures) == [step]
    data = done.failures[step].step_failure_data
    assert data.user_failure_data is not None, "a dg.Failure"
    assert data.error is not None
    assert data.error.cls_name == "Failure"
    assert step not in done.metadata
    assert not set(done.metadata) & {"report", "score_summary"}
    line = str(data.user_failure_data.description)
    assert line.isprintable()
    return line


def test_an_error_is_shown_as_its_one_line(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = data.parent / "empty"
    empty.mkdir()
    monkeypatch.setenv("LAION_SOURCE", str(empty))
    assert expect_failure("shards") == f"LAION_SOURCE={empty}: no *.parquet file in this folder"
    monkeypatch.setenv("LAION_SOURCE", str(empty / "missing"))
    assert expect_failure("shards").startswith(f"LAION_SOURCE={empty}/missing: ")
    monkeypatch.setenv("LAION_SOURCE", str(empty))
    monkeypatch.setenv("LAION_RELEASE", "nonsense")
    assert expect_failure("shards").startswith("LAION_RELEASE=nonsense: no such release")


def test_an_error_is_the_librarys_own(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAION_THREADS", "many")
    with pytest.raises(LaionError) as caught:
        Session.open()
    assert expect_failure("shards") == str(caught.value)


def test_a_bad_shard_leaves_the_warehouse_as_it_was(data: Path, tmp_path: Path) -> None:
    run(INGEST)
    before = rows_by_shard(data)
    columns = clean_columns(50)
    del columns["aesthetic"]
    write(tmp_path / "source", columns, "zz.parquet")
    line = expect_failure("shards")
    assert line.startswith("zz.parquet: lacks aesthetic")
    assert "columns found: URL, TEXT" in line
    (tmp_path / "source" / "zz.parquet").write_bytes(b"not Parquet")
    assert expect_failure("shards").startswith("zz.parquet: not a whole Parquet file")
    assert rows_by_shard(data) == before


@pytest.mark.parametrize(
    ("loaded", "name", "needs"),
    [
        (False, "pairs", "shards"),
        (False, "score_summary", "pairs"),
        (False, "top_resolutions", "pairs"),
        (False, "report", "pairs"),
        (True, "top_resolutions", "resolution_counts"),
        (True, "report", "score_summary"),
    ],
)
def test_an_asset_alone_says_what_it_needs_first(
    data: Path, loaded: bool, name: str, needs: str
) -> None:
    if loaded:
        run(INGEST)
    done = run(dg.AssetSelection.assets(name) - dg.AssetSelection.checks_for_assets(PAIRS))
    failure = done.failures[name].step_failure_data
    assert failure.user_failure_data is not None, failure.error
    assert needs in str(failure.user_failure_data.description)


def test_a_release_without_scores(data: Path, tmp_path: Path) -> None:
    columns = clean_columns(60)
    for name in ("hash", "punsafe", "pwatermark", "aesthetic"):
        del columns[name]
    write(tmp_path / "raw", {**columns, "LICENSE": ["?"] * 60, "NSFW": ["UNLIKELY"] * 60})
    with configured(data, tmp_path / "raw", "laion2B-en"):
        done = run()
        assert done.success
        absent = [f"pairs.{score}_range" for score in ("punsafe", "pwatermark", "aesthetic")]
        for name in absent:
            assert done.checks[name].passed
            assert "not in this release" in str(done.checks[name].description)
        warned = {name for name, check in done.checks.items() if not check.passed}
        assert warned == {"pairs.published_rows"}
        # The raw releases have width and height swapped.
        sizes = query(data, "SELECT DISTINCT width, height FROM pairs", "laion2B-en")
        assert sizes == [(200, 300)]
        scores = query(data, "SELECT score FROM score_summary", "laion2B-en")
        assert scores == [("similarity",)]
        assert "not in this release" in (data / "laion2B-en" / "report.html").read_text("utf-8")
        assert not (data / RELEASE).exists()
