"""Where Dagster keeps what happened: its own storage, with a few things done otherwise.

A failed run is marked before anybody can read of it. Dagster stores the event first, and its
daemon, reading in between, would take the run for one that is still under way, and never run it
again.

What cannot be stored is an error of one line: Dagster prints all that SQLAlchemy says.

Of files, each is deleted with its run, and keeps its engine, and that one connection. Dagster makes
both for each event, which takes longer than to store it: a tenth of the time of a run on few rows.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from dagster import EventLogEntry
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, QueuePool, create_engine
from sqlalchemy.exc import DBAPIError

from assets.home import storage_error

# Not longer, so that no process goes on with a file that another has moved aside.
_SECONDS_OF_A_CONNECTION = 1


class FailureFirst(SqlEventLogStorage):
    """What is done otherwise wherever events are stored; the failure of a run is marked first."""

    def store_event(self, event: EventLogEntry) -> None:
        """Mark the run if the event tells of its failure, then store the event.

        Raises LaionError where it cannot be stored.
        """
        if event.is_dagster_event and event.get_dagster_event().is_run_failure:
            self._instance.run_storage.handle_run_event(event.run_id, event.get_dagster_event())
        try:
            super().store_event(event)
        except DBAPIError as error:
            raise storage_error(error, Path(self._instance.root_directory)) from error


class EventLogStorage(FailureFirst, SqliteEventLogStorage):
    """Dagster's own storage, at its usual place in the home."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "EventLogStorage":
        """The storage in the home that `dagster.yaml` names."""
        return cls(str(Path(config_value["base_dir"], "history", "runs")), inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = _engine(self.conn_string_for_shard(shard))
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def delete_events(self, run_id: str) -> None:
        """Forget what happened in a run; Dagster's own leaves the file, as large as it was."""
        super().delete_events(run_id)
        file = Path(self.path_for_shard(run_id))
        for name in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))):
            name.unlink(missing_ok=True)
        self._initialized_dbs.discard(run_id)
        forget_files()


def forget_files() -> None:
    """Open what is at their places anew from now on, whatever was opened there before."""
    _engine.cache_clear()


@lru_cache(maxsize=16)  # of the files in use; a home has one for each run
def _engine(address: str) -> Engine:
    return create_engine(
        address,
        poolclass=QueuePool,
        pool_size=1,
        pool_recycle=_SECONDS_OF_A_CONNECTION,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )
