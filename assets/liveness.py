"""Who lives: a run whose process is gone is marked as failed, so that no other waits for it.

Each run holds a lock of its own for as long as it works. Dagster's daemon asks for it through
`RunLauncher`, which `dagster.yaml` names, and so does every run that starts.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
from dagster import DagsterRunStatus
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

from assets.interrupts import INTERRUPTED
from laion_pipeline.common.locks import is_locked, locked

# From when Dagster knows of a run until it holds its lock, and from when it lets go until
# Dagster counts it as ended.
_SECONDS_UNHELD = 30
# What a run leaves beside its lock as it lets go of it.
_ENDED = ".ended"
# Those that this process holds.
_HELD: set[Path] = set()
_GONE = "its process is gone, killed or with the machine; run again, it goes on from where it was"


@contextmanager
def kept_alive(instance: dg.DagsterInstance, run_id: str, program: str) -> Iterator[None]:
    """Show that a run's process lives, for as long as the block runs.

    Who has a run made in this process does so before it is made, so that it is known of from the
    first; within that, the run need not again.
    """
    lock = _lock(instance, run_id)
    if instance.is_ephemeral or lock in _HELD:  # nobody else knows of the runs of the first
        yield
        return
    with locked(lock, program):
        _forget_ended(lock.parent)
        _HELD.add(lock)
        try:
            yield
        finally:
            _HELD.discard(lock)
            with suppress(OSError):  # the folder may have gone meanwhile, and the lock with it
                _ended(lock).touch()


@contextmanager
def canceled_if_interrupted(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Mark a run as canceled that an interrupt ends where Dagster has not, as before its start."""
    try:
        yield
    except KeyboardInterrupt:
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            instance.report_run_canceled(run, message=INTERRUPTED)
        raise


class RunLauncher(DefaultRunLauncher):
    """Dagster's own launcher, which also knows whether a run's process lives."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It does, so that Dagster's monitoring asks."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process holds its lock."""
        record = self._instance.get_run_record_by_id(run.run_id)
        if record is not None and _is_gone(self._instance, record):
            return CheckRunHealthResult(WorkerStatus.FAILED, _GONE)
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def fail_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark the runs as failed whose processes are gone."""
    unfinished = [
        *(DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTED),
        DagsterRunStatus.CANCELING,
    ]
    for record in instance.get_run_records(dg.RunsFilter(statuses=unfinished)):
        if _is_gone(instance, record):
            instance.report_run_failed(record.dagster_run, message=_GONE)


def _is_gone(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    lock = _lock(instance, record.dagster_run.run_id)
    # Looked at before and after: it may be taken, or let go of and taken away, in between.
    before = _is_written(lock)
    if is_locked(lock):
        return False
    if before and _is_written(lock):
        return True
    seen = record.start_time or record.create_timestamp.timestamp()
    with suppress(FileNotFoundError):
        seen = _ended(lock).stat().st_mtime
    return time.time() - seen > _SECONDS_UNHELD


def _is_written(lock: Path) -> bool:
    """Whether somebody held the lock who has not taken it away again."""
    try:
        return lock.stat().st_size > 0
    except FileNotFoundError:
        return False


def _forget_ended(folder: Path) -> None:
    for ended in folder.glob(f"*{_ENDED}"):
        with suppress(FileNotFoundError):
            if time.time() - ended.stat().st_mtime > _SECONDS_UNHELD:
                ended.unlink()


def _lock(instance: dg.DagsterInstance, run_id: str) -> Path:
    return Path(instance.root_directory) / "alive" / run_id


def _ended(lock: Path) -> Path:
    return lock.with_name(f"{lock.name}{_ENDED}")
