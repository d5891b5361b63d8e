"""`status`: what is loaded, what the source has, what is old, and what failed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.command import main
from assets.home import prepare_home
from laion_pipeline.session import Session
from tests.hub_fixtures import REPO, Site, hub_site, other_shard, small_shards
from tests.orchestration.runs import INGEST, RELEASE, TABULAR, configured, query, run
from tests.orchestration.test_checks import clean_columns, write

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    with configured(tmp_path / "data", tmp_path / "source"):
        write(tmp_path / "source", clean_columns(1000))
        yield tmp_path / "data"


def status(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any], str]:
    """The exit status, what a program reads, and what a person does."""
    exit_status = main(["status", "--json"])
    for_programs = json.loads(capsys.readouterr().out)
    assert main(["status"]) == exit_status
    return exit_status, for_programs, capsys.readouterr().out


def test_nothing_loaded_yet(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, text = status(capsys)
    assert code == 0
    assert (said["loaded_revision"], said["rows"], said["last_run"]) == (None, 0, None)
    assert "loaded: nothing yet" in text


def test_what_is_loaded_and_what_has_changed(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run().success
    code, said, text = status(capsys)
    ((revision,),) = query(data, "SELECT revision FROM provenance")
    assert code == 0
    assert said["loaded_revision"] == said["source_revision"] == revision
    assert (said["rows"], said["out_of_date"]) == (1000, [])
    disk = sum(f.stat().st_size for f in (data / RELEASE).rglob("*") if f.is_file())
    assert said["disk_bytes"] == disk
    assert "out of date: nothing" in text
    write(tmp_path / "source", clean_columns(50), "zz.parquet")
    _, said, text = status(capsys)
    assert (said["source_revision"], said["out_of_date"]) == (None, ["source"])
    assert "its files have changed" in text
    assert run(INGEST).success
    _, said, _ = status(capsys)
    stale = said["out_of_date"]
    assert isinstance(stale, list)
    assert {"score_summary", "release_history", "report"} <= set(stale)
    assert "source" not in stale


def test_a_failed_check_or_run_is_an_exit_status(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = clean_columns(100)
    columns["similarity"][:50] = [2.0] * 50
    write(tmp_path / "source", columns, "zz.parquet")
    monkeypatch.setenv("DAGSTER_HOME", "to be restored")
    prepare_home(Session.open())
    with dg.DagsterInstance.get() as instance:
        assert run(TABULAR, instance).success
        monkeypatch.delenv("DAGSTER_HOME")  # as it is where a person asks
        code, said, text = status(capsys)
        assert code == 1
        assert set(said["failed"]) == {"pairs.similarity_range"}
        assert "  failed: pairs.similarity_range: 50 of 1,100 rows" in text
        assert said["last_run"]["status"] == "SUCCESS"
        (tmp_path / "source" / "zz.parquet").write_bytes(b"no shard")
        assert not run(instance=instance).success
        _, said, _ = status(capsys)
        assert said["last_run"]["status"] == "FAILURE"


def test_a_new_commit_is_seen_and_a_hub_that_is_down_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with hub_site(monkeypatch, tmp_path) as site:
        assert run(INGEST).success
        assert status(capsys)[1]["out_of_date"] == []
        commit = new_commit(site)
        _, said, _ = status(capsys)
        assert (said["source_revision"], said["out_of_date"]) == (commit, ["source"])
    _, said, text = status(capsys)
    assert "cannot be reached" in str(said["source_problem"])
    assert "source: http" in text


def new_commit(site: Site) -> str:
    return site.hub.publish(REPO, {**small_shards(), "zz.parquet": other_shard()})
