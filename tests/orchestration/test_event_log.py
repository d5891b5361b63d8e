"""Dagster's event log as `dagster.yaml` has it: nobody can read of a failure ahead of its run."""

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


def test_a_run_is_marked_as_failed_before_anybody_can_read_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "to be put back")
    with configured(tmp_path, None):
        session = Session.open()
        prepare_home(session)
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
