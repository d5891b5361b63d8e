"""Which runs are taken for dead: those whose process is gone, and no others."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType, DagsterRunStatus

from assets.liveness import RunLauncher, fail_dead_runs, kept_alive
from assets.run import materialize_everything
from laion_pipeline.common.locks import is_locked
from laion_pipeline.session import Session
from tests.orchestration.runs import configured

HOLD = """
import sys, time
import dagster as dg
from assets.liveness import kept_alive
with dg.DagsterInstance.local_temp(sys.argv[1]) as instance, kept_alive(instance, sys.argv[2], "x"):
    print("held", flush=True)
    time.sleep(60)
"""


@dg.job
def nothing() -> None:
    """A job to have runs of."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def started(instance: dg.DagsterInstance, seconds_ago: float) -> str:
    """A run that Dagster counts as started since then."""
    run_id = instance.create_run_for_job(nothing, status=DagsterRunStatus.STARTING).run_id
    event = dg.DagsterEvent(DagsterEventType.RUN_START.value, "nothing")
    began = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    instance.run_storage.handle_run_event(run_id, event, began)
    return run_id


def is_taken_for_dead(instance: dg.DagsterInstance, run_id: str) -> bool:
    launcher = RunLauncher()
    launcher.register_instance(instance)
    run = instance.get_run_by_id(run_id)
    assert run
    health = launcher.check_run_worker_health(run)
    fail_dead_runs(instance)
    run = instance.get_run_by_id(run_id)
    assert run
    assert (run.status == DagsterRunStatus.FAILURE) == (health.status.value == "FAILED")
    return run.status == DagsterRunStatus.FAILURE


def test_a_run_that_works_is_not(instance: dg.DagsterInstance) -> None:
    run_id = started(instance, 3600)
    with kept_alive(instance, run_id, "a test"):
        assert not is_taken_for_dead(instance, run_id)


def test_a_run_that_was_killed_is_at_once(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    run_id = started(instance, 1)
    command = [sys.executable, "-c", HOLD, str(tmp_path), run_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        assert not is_taken_for_dead(instance, run_id)
        process.kill()
        process.wait()
    assert is_taken_for_dead(instance, run_id)


def test_a_run_that_never_held_its_lock_is_after_a_while(instance: dg.DagsterInstance) -> None:
    assert not is_taken_for_dead(instance, started(instance, 1))
    assert is_taken_for_dead(instance, started(instance, 60))


def begun(instance: dg.DagsterInstance, seconds_ago: float) -> str:
    """A run that Dagster knows of since then, and that was never started."""
    run_id = instance.create_run_for_job(nothing, status=DagsterRunStatus.NOT_STARTED).run_id
    with sqlite3.connect(Path(instance.root_directory) / "history" / "runs.db") as runs:
        since = f"{datetime.now(UTC) - timedelta(seconds=seconds_ago):%Y-%m-%d %H:%M:%S.%f}"
        runs.execute("UPDATE runs SET create_timestamp = ? WHERE run_id = ?", [since, run_id])
    return run_id


def test_a_run_that_was_killed_before_it_started_is(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    assert not is_taken_for_dead(instance, begun(instance, 1)), "it may be about to start"
    assert is_taken_for_dead(instance, begun(instance, 60))
    run_id = begun(instance, 1)
    with kept_alive(instance, run_id, "a test"):
        assert not is_taken_for_dead(instance, run_id)
    lock = tmp_path / "alive" / begun(instance, 1)
    lock.write_text("by a process that was killed")
    assert is_taken_for_dead(instance, lock.name)


@contextmanager
def at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session of the sample whose history Dagster finds by itself."""
    with configured(folder / "data", None, "sample"):
        session = Session.open()
        session.paths.dagster.mkdir(parents=True)
        monkeypatch.setenv("DAGSTER_HOME", str(session.paths.dagster))
        yield session


def test_it_is_held_from_before_dagster_knows_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    def executed(_: dg.JobDefinition, *, run_id: str, **__: object) -> None:
        with dg.DagsterInstance.get() as instance:
            lock = Path(instance.root_directory) / "alive" / run_id
            held.append((is_locked(lock), instance.has_run(run_id)))
            with kept_alive(instance, run_id, "within it"):
                held.append((is_locked(lock), instance.has_run(run_id)))
            held.append((is_locked(lock), instance.has_run(run_id)))
        raise KeyError(run_id)

    monkeypatch.setattr(dg.JobDefinition, "execute_in_process", executed)
    with at_home(tmp_path, monkeypatch) as session, pytest.raises(KeyError):
        materialize_everything(session)
    assert held == [(True, False)] * 3


def test_one_that_is_interrupted_before_it_started_is_canceled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dg.DagsterInstance.create_run_for_job

    def interrupted(*arguments: Any, **named: Any) -> dg.DagsterRun:
        made(*arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(dg.DagsterInstance, "create_run_for_job", interrupted)
    with at_home(tmp_path, monkeypatch) as session:
        with pytest.raises(KeyboardInterrupt):
            materialize_everything(session)
        with dg.DagsterInstance.get() as instance:
            (run,) = instance.get_runs()
    assert run.status == DagsterRunStatus.CANCELED


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_that_is_about_to_be_counted_as_ended_is_not(
    fails: bool, instance: dg.DagsterInstance
) -> None:
    """However long it worked: Dagster stores that it has ended after it has let go."""
    run_id = started(instance, 3600)
    with suppress(KeyError), kept_alive(instance, run_id, "a test"):
        if fails:
            raise KeyError
    assert not is_taken_for_dead(instance, run_id)


def test_a_run_that_let_go_and_was_killed_then_is_after_a_while(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    run_id = started(instance, 3600)
    with kept_alive(instance, run_id, "a test"):
        pass
    (ended,) = (tmp_path / "alive").iterdir()
    os.utime(ended, (0, 0))
    assert is_taken_for_dead(instance, run_id)
    with kept_alive(instance, started(instance, 1), "a test"):
        assert not ended.exists(), "what nobody asks for any more is taken away"


def test_a_lock_that_is_taken_while_it_is_looked_at_is_no_sign_of_death(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = started(instance, 1)
    with ExitStack() as held:

        def asked(lock: Path) -> bool:
            if lock.exists():
                return is_locked(lock)
            held.enter_context(kept_alive(instance, run_id, "a test"))
            return False  # as it was before

        monkeypatch.setattr("assets.liveness.is_locked", asked)
        assert not is_taken_for_dead(instance, run_id)


def test_a_lock_that_is_let_go_of_while_it_is_looked_at_is_no_sign_of_death(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = started(instance, 3600)
    with ExitStack() as held:
        held.enter_context(kept_alive(instance, run_id, "a test"))

        def asked(lock: Path) -> bool:
            held.close()
            return is_locked(lock)

        monkeypatch.setattr("assets.liveness.is_locked", asked)
        assert not is_taken_for_dead(instance, run_id)


def test_a_lock_that_is_about_to_be_held_is_no_sign_of_death(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    run_id = started(instance, 1)
    lock = tmp_path / "alive" / run_id
    lock.parent.mkdir()
    lock.touch()
    assert not is_taken_for_dead(instance, run_id)
