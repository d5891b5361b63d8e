"""Dagster's event log as `dagster.yaml` has it: what is read of it is so, and of the file there."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import should_retry

from assets.home import open_instance, prepare_home
from laion_pipeline.session import Session
from tests.orchestration.runs import RELEASE, configured


@dg.job
def nothing() -> None:
    """A run that does nothing."""


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session whose home Dagster has entered."""
    monkeypatch.setenv("DAGSTER_HOME", "to be put back")
    with configured(tmp_path, None):
        session = Session.open()
        prepare_home(session)
        yield session


def test_a_run_is_marked_as_failed_before_anybody_can_read_of_it(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_instance(session, "test") as instance:
        run = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED)
        seen = []
        # What the daemon would find that reads at the very moment the event is stored.
        store = SqliteEventLogStorage.store_event

        def store_and_read(storage: SqliteEventLogStorage, event: dg.EventLogEntry) -> None:
            store(storage, event)
            found = instance.get_run_by_id(run.run_id)
            assert found is not None
            seen.append((found.status, should_retry(found, instance)))

        monkeypatch.setattr(SqliteEventLogStorage, "store_event", store_and_read)
        instance.report_run_failed(run, "killed")
        assert seen == [(dg.DagsterRunStatus.FAILURE, True)]
        assert instance.event_log_storage.get_logs_for_run(run.run_id)
    assert (tmp_path / RELEASE / "dagster" / "history" / "runs" / "index.db").exists()


def test_a_log_that_another_process_moves_aside_is_not_read_on(
    tmp_path: Path, session: Session
) -> None:
    with open_instance(session, "test") as first:
        first.report_runless_asset_event(dg.AssetMaterialization("before"))
        assert first.get_asset_keys() == [dg.AssetKey("before")]
        history = tmp_path / RELEASE / "dagster" / "history"
        history.rename(history.with_name("aside"))
        time.sleep(1.1)  # as long as a connection is kept
        with open_instance(session, "test") as second:
            second.report_runless_asset_event(dg.AssetMaterialization("after"))
        assert first.get_asset_keys() == [dg.AssetKey("after")]
