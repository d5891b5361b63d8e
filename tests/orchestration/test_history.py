"""What Dagster keeps of runs that ended: the last, and those by which something was made."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.history import forget_old_runs
from assets.home import open_instance, prepare_home
from laion_pipeline.session import Session
from tests.orchestration.runs import INGEST, RELEASE, configured, run
from tests.orchestration.test_checks import clean_columns, write


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance with its history where `dagster.yaml` has it."""
    monkeypatch.setenv("DAGSTER_HOME", "to be put back")
    with configured(tmp_path / "data", tmp_path / "source"):
        write(tmp_path / "source", clean_columns(10))
        session = Session.open()
        prepare_home(session)
        with open_instance(session, "test") as instance:
            yield instance


@dg.asset(check_specs=[dg.AssetCheckSpec("check", asset="early")])
def early():  # type: ignore[no-untyped-def]
    """Made once."""
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.asset
def often() -> None:
    """Made again and again."""


def _made(instance: dg.DagsterInstance, asset: dg.AssetsDefinition) -> str:
    return dg.materialize([asset], instance=instance).run_id


def _kept(instance: dg.DagsterInstance) -> list[str]:
    """The runs there are, oldest first; each has its events and what it printed, no other has."""
    runs = list(reversed(instance.get_run_ids()))
    home = Path(instance.root_directory)
    logs = {file.stem for file in (home / "history" / "runs").glob("*.db")} - {"index"}
    assert logs == {folder.name for folder in (home / "storage").iterdir()} == set(runs)
    assert all(instance.all_logs(run_id) for run_id in runs)
    return runs


def test_the_last_runs_stay_and_what_an_asset_was_last_made_by(
    instance: dg.DagsterInstance,
) -> None:
    first = _made(instance, early)
    runs = [_made(instance, often) for _ in range(4)]
    assert forget_old_runs(instance, 5) == 0
    assert _kept(instance) == [first, *runs]
    assert forget_old_runs(instance, 2) == 2
    assert _kept(instance) == [first, *runs[2:]]
    assert forget_old_runs(instance, 2) == 0
    made = instance.get_latest_materialization_event(early.key)
    assert made is not None
    assert made.run_id == first
    key = dg.AssetCheckKey(early.key, "check")
    assert instance.get_latest_asset_check_evaluation_record(key) is not None


def test_a_run_that_has_not_ended_stays(instance: dg.DagsterInstance) -> None:
    job = dg.define_asset_job("often_job", [often]).resolve(
        asset_graph=dg.Definitions([often]).resolve_asset_graph()
    )
    going = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED).run_id
    last = [_made(instance, often) for _ in range(2)][-1]
    assert forget_old_runs(instance, 1) == 1
    assert instance.get_run_ids() == [last, going]


def test_a_run_forgets_those_before_the_last_ones(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAION_HISTORY_RUNS", "1")
    runs = [run(INGEST, instance).result.run_id for _ in range(3)]
    assert _kept(instance) == runs[1:]
    assert (tmp_path / "data" / RELEASE / "warehouse.duckdb").exists()
