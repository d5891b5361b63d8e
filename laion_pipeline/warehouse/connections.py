"""Opening the warehouse: one DuckDB file, short-lived connections, one writer at a time."""

import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import TypeVar

import duckdb
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed
from tenacity.retry import retry_base

from laion_pipeline.common.locks import holder_of
from laion_pipeline.common.places import Place, store_of
from laion_pipeline.common.progress import is_shown, percent_bar
from laion_pipeline.errors import (
    DamagedWarehouseError,
    DiskFullError,
    WarehouseBusyError,
    WarehouseError,
)
from laion_pipeline.text import displayable
from laion_pipeline.warehouse.damage import forget_damage, is_damage, remember_damage

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Settings of DuckDB's, by name.
Config = dict[str, str | bool | int | float | list[str]]

# With one or two threads DuckDB does not partition a GROUP BY of many groups: two cores count 52
# million distinct numbers in 6 s with two threads, and in 1.3 s with three.
_FEWEST_THREADS = 3

# Of the room that is free, so that a run that spills leaves some for everybody else.
_SHARE_FOR_SPILLING = 0.5

# How DuckDB names the process that holds a file.
_LOCK_HOLDER = re.compile(r"held in (?P<program>.*?) \(PID (?P<pid>\d+)\)")
# How its messages begin, and how much of one is told.
_KIND = re.compile(r"^[A-Z][A-Za-z ]* Error: ")
_REASON_CHARACTERS = 500
# How it names a table or view that is not there.
_MISSING_TABLE = re.compile(r"Catalog Error: (?:Table|View) with name (\S+) does not exist")
# The lock of whichever run works in a release's folder, beside its warehouse.
RUN_LOCK = "run.lock"


@dataclass(frozen=True)
class Warehouse:
    """The DuckDB file of a release, and the limits under which it is worked on.

    `busy_wait_seconds` is how long to wait for another process that holds the file. `reads` is a
    folder that SQL may read files of at any time: where `pairs` is kept, if not in the file. It may
    be in an object store.
    """

    file: Path
    memory_limit: str
    threads: int | None
    busy_wait_seconds: float = 60
    reads: Place | None = None
    _open: list[duckdb.DuckDBPyConnection] = field(default_factory=list, repr=False, compare=False)

    def config(self) -> Config:
        """DuckDB's settings: within the limits, spilling beside the file, never online."""
        return {
            "memory_limit": self.memory_limit,
            "threads": self.threads or max(os.cpu_count() or 1, _FEWEST_THREADS),
            "temp_directory": f"{self.file}.tmp",
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }

    def shutting(self) -> Sequence[str]:
        """SQL that lets all other reach no file but those in `reads`, nor set anything."""
        readable = ", ".join(map(literal, sorted(self._readable())))
        return [
            *([f"SET allowed_directories = [{readable}]"] if readable else []),
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ]

    @contextmanager
    def connect(
        self, *, read_only: bool = False, reads_files: bool = False
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection, closed at the end of the block whatever happens.

        Only with `reads_files` can SQL reach any other file, but for those in `reads`.

        Raises WarehouseBusyError when another process holds it for longer than the wait,
        DamagedWarehouseError or DiskFullError, and WarehouseError when there is nothing to read.
        """
        if read_only and not self.file.exists():
            raise WarehouseError(f"{self.file}: no warehouse yet", needs=["pairs"])
        if "?" in str(self.file):
            raise WarehouseError(f"{self.file}: DuckDB cannot open a file below a folder with '?'")
        if not read_only and not self.file.exists():
            forget_damage(self.file)
        connection = self.opened(
            self._open[-1].cursor
            if self._open
            else lambda: duckdb.connect(self.file, read_only=read_only, config=self.config())
        )
        try:
            self._settle(connection, read_only=read_only, reads_files=reads_files)
            yield connection
        except (duckdb.Error, RuntimeError) as error:
            if (meaning := self._meaning(error)) is None:
                raise
            raise meaning from error
        finally:
            connection.close()

    def _settle(
        self, connection: duckdb.DuckDBPyConnection, *, read_only: bool, reads_files: bool
    ) -> None:
        """Set what depends on the moment, and then let nothing be set any more."""
        if _setting(connection, "lock_configuration"):
            return  # this process has the file open already
        room = int(shutil.disk_usage(self.file.parent).free * _SHARE_FOR_SPILLING)
        connection.execute(f"SET max_temp_directory_size = '{room}B'")
        if (store := store_of(self.reads)) and not connection.list_filesystems():
            connection.register_filesystem(store)
        if reads_files:
            return
        # A table is written in the order of its query.
        connection.execute(f"SET preserve_insertion_order = {not read_only}")
        if is_shown():
            connection.execute("SET enable_progress_bar = true")
            connection.execute("SET enable_progress_bar_print = false")
        for statement in self.shutting():
            connection.execute(statement)

    def _readable(self) -> set[str]:
        """The folder `reads`, as it is and as it stands in a pattern."""
        return set() if self.reads is None else {f"{self.reads}/", f"{escape(str(self.reads))}/"}

    @contextmanager
    def kept_open(self, *, read_only: bool = False) -> Iterator[None]:
        """In the block, `connect` gives further connections to a file that is open already.

        Opening takes longer than most statements on few rows. All of them can write then, or none.

        Raises what `connect` raises.
        """
        with self.connect(read_only=read_only) as connection:
            self._open.append(connection)
            try:
                yield
            finally:
                self._open.pop()

    def _meaning(self, error: Exception) -> BaseException | None:
        """What an error of DuckDB's means to a user; None where it is a fault of ours."""
        if "Query interrupted" in str(error):  # what DuckDB makes of a signal
            return KeyboardInterrupt()
        if is_damage(error, self.file):
            remember_damage(self.file)
            return DamagedWarehouseError(
                f"{self.file}: damaged: {reason_of(error)}",
                "run again: it is moved aside, and made again from the shards",
            )
        if is_disk_full(error):
            return DiskFullError(
                f"{self.file}: there is no more room for it and what it sets aside while it works:"
                f" {reason_of(error)}; make room, or set LAION_DATA_DIR to another disk"
            )
        if isinstance(error, duckdb.OutOfMemoryException):
            return WarehouseError(
                f"{self.file}: LAION_MEMORY_LIMIT={self.memory_limit} is not enough:"
                f" {reason_of(error)}"
            )
        if missing := _MISSING_TABLE.match(str(error)):
            return WarehouseError(f"{self.file}: there is no {missing[1]}", needs=missing.groups())
        unreadable = isinstance(error, duckdb.IOException | duckdb.InvalidInputException)
        if unreadable and any(folder in str(error) for folder in self._readable()):
            return WarehouseError(
                f"{reason_of(error)}; run again: what is kept there is made again from its shard",
                needs=["pairs"],
            )
        if isinstance(error, duckdb.IOException | duckdb.CatalogException):
            return WarehouseError(f"{self.file}: {reason_of(error)}")
        return None

    def opened(self, open_file: Callable[[], T]) -> T:
        """What `open_file` gives, which opens the file; waits while another process holds it.

        Raises WarehouseBusyError when it holds it for longer than the wait, and WarehouseError when
        the file cannot be opened.
        """
        for attempt in Retrying(
            retry=_is_locked(),
            stop=stop_after_delay(self.busy_wait_seconds),
            wait=wait_fixed(0.5),
            reraise=True,
        ):
            with attempt:
                try:
                    return open_file()
                except duckdb.Error as error:
                    if "Could not set lock" not in str(error):
                        unusable = WarehouseError(f"{self.file}: {reason_of(error)}")
                        raise (self._meaning(error) or unusable) from error
                    busy = self._busy(error)
                    if attempt.retry_state.attempt_number == 1:
                        logger.warning("%s; waiting up to %.0f s", busy, self.busy_wait_seconds)
                    raise busy from error
        raise AssertionError("Retrying ends by returning or raising")

    def _busy(self, error: duckdb.Error) -> WarehouseBusyError:
        said = _LOCK_HOLDER.search(str(error))
        who = f"process {said['pid']} ({said['program']})" if said else "another process"
        run = holder_of(self.file.with_name(RUN_LOCK))
        if run is not None and (said is None or run.pid == int(said["pid"])):
            who = str(run)
        return WarehouseBusyError(f"{self.file} is held open by {who}; close it there")


def _is_locked() -> retry_base:
    return retry_if_exception_type(WarehouseBusyError)


@contextmanager
def watched(connection: duckdb.DuckDBPyConnection, what: str) -> Iterator[None]:
    """In the block, a bar on the terminal shows how far each statement is."""
    with percent_bar(what, connection.query_progress):
        yield


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All of the block's statements, or none of them."""
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def quoted(identifier: str) -> str:
    """An identifier fit for SQL, whatever characters it holds."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a literal of SQL, where a parameter cannot stand."""
    return "'" + text.replace("'", "''") + "'"


def _setting(connection: duckdb.DuckDBPyConnection, name: str) -> object:
    return connection.execute("SELECT current_setting(?)", [name]).fetchall()[0][0]


def is_disk_full(error: Exception) -> bool:
    """Whether it is for want of room that DuckDB could not go on."""
    return bool(re.search(r"No space left|max_temp_directory_size", str(error)))


def reason_of(error: Exception) -> str:
    """What is wrong by DuckDB: its first line, without its name for the kind of error."""
    said = _KIND.sub("", str(error).partition("\n")[0])
    return displayable(said.strip(), _REASON_CHARACTERS)
