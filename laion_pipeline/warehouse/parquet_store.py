"""The rows of `pairs` in Parquet files, one a shard: what other engines than DuckDB can read.

A file's name says what its rows come from and how they were read and marked, so that it is never
changed, and made by anybody it is the same. Which files there are the warehouse says, in the
transaction that also writes its ledger: a load that is killed leaves files that nobody reads.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from glob import escape
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from laion_pipeline.common.places import Place, remove_at, sizes_in, store_of, written
from laion_pipeline.contract import defects_expression
from laion_pipeline.releases.release import Release
from laion_pipeline.warehouse.connections import Config, literal
from laion_pipeline.warehouse.pairs import columns_there, marking, pairs_columns, reading
from laion_pipeline.warehouse.provenance import version_of
from laion_pipeline.warehouse.shard_rows import ShardFile, select_rows
from laion_pipeline.warehouse.stores import NUMBERED, describe_columns, drop_pairs

_FILES = "pairs_files"
_MOST_ROWS = 2**40  # more than a file has
_BATCH_ROWS = 100_000  # rows that are in memory at a time, and so in a row group
_NAMED = "[0-9]*-*.parquet"
# Those, and what is beside them on a disk while they are written.
_OURS = (f"{_NAMED}*", f".{_NAMED}.*.partial*")


@dataclass(frozen=True)
class Job:
    """A file to be written: the rows that a query of DuckDB's gives with its parameters."""

    file: Place
    query: str
    parameters: Mapping[str, object]
    memory_limit: str


def write_rows(job: Job) -> None:
    """Write a file, all of it or nothing, in this process, with one thread.

    Raises duckdb.Error where what the query reads cannot be read, OutputError where the file cannot
    be written.
    """
    with written(job.file) as beside:
        config: Config = {
            "memory_limit": job.memory_limit,
            "temp_directory": f"{beside}.tmp",
            "threads": 1,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        with duckdb.connect(config=config) as connection:
            if store := store_of(job.file):  # where the rows may be, too
                connection.register_filesystem(store)
            # Rules are tested on every row, whatever the footers say of their values.
            connection.execute("SET disabled_optimizers = 'statistics_propagation'")
            rows = connection.execute(job.query, dict(job.parameters)).to_arrow_reader(_BATCH_ROWS)
            with pq.ParquetWriter(beside, rows.schema, compression="zstd") as writer:
                for batch in rows:
                    writer.write_batch(batch)


def one_by_one(jobs: Iterable[Job]) -> None:
    """Write files in this process. Raises what `write_rows` raises."""
    for job in jobs:
        write_rows(job)


@dataclass(frozen=True)
class InParquet:
    """Rows in Parquet files in `folder`, which `pairs` is a view of.

    `write` has files written, by others and at once where it can; each with `memory_limit`.
    """

    folder: Place
    memory_limit: str
    write: Callable[[Sequence[Job]], None] = one_by_one

    def holds(self, connection: duckdb.DuckDBPyConnection, release: Release) -> bool:
        """Whether there is such a view, just as `create` makes it."""
        comment = connection.execute(
            "SELECT comment FROM duckdb_views() WHERE view_name = 'pairs'"
        ).fetchall()
        there = [(name, sql_type) for name, sql_type, _ in columns_there(connection)]
        wanted = [(column.name, column.sql_type) for column in pairs_columns(release)]
        return there == wanted and comment == [(self._comment(release),)]

    def lost(self, connection: duckdb.DuckDBPyConnection) -> Sequence[int]:
        """Those whose file is gone, or of another size than it was written in."""
        files = connection.execute(
            f"SELECT shard_id, name, {_FILES}.bytes FROM shards LEFT JOIN {_FILES} USING (shard_id)"
        ).fetchall()
        there = sizes_in(self.folder)
        return [id_ for id_, name, size in files if name is None or there.get(name) != size]

    def create(self, connection: duckdb.DuckDBPyConnection, release: Release) -> None:
        """Make a view of no files."""
        drop_pairs(connection)
        connection.execute(
            f"CREATE OR REPLACE TABLE {_FILES} (shard_id INTEGER, name VARCHAR, bytes BIGINT)"
        )
        self._show(connection, release)

    def insert(
        self, connection: duckdb.DuckDBPyConnection, release: Release, shards: Sequence[ShardFile]
    ) -> None:
        """Write a file for each shard, and show it."""
        rules = defects_expression(release)
        jobs = {}
        for shard in shards:
            query, parameters = select_rows(release, shard.layout, [shard])
            id_, sha256 = shard.entry.shard_id, shard.entry.shard.sha256
            jobs[id_] = self._job(release, id_, (sha256, rules), query, parameters)
        self._write(connection, release, jobs)

    def delete(
        self, connection: duckdb.DuckDBPyConnection, release: Release, shard_ids: Sequence[int]
    ) -> None:
        """Show files no more."""
        connection.execute(
            f"DELETE FROM {_FILES} WHERE list_contains(?, shard_id)", [list(shard_ids)]
        )
        self._show(connection, release)

    def mark(self, connection: duckdb.DuckDBPyConnection, release: Release, defects: str) -> None:
        """Write every file anew, from the one that there is."""
        files = connection.execute(
            f"SELECT shard_id, name, sha256 FROM {_FILES} JOIN shards USING (shard_id)"
        ).fetchall()
        query = f"SELECT * REPLACE ({defects} AS defects) FROM read_parquet($file)"
        jobs = {}
        for id_, name, sha256 in files:
            parameters = {"file": escape(str(self.folder / name))}
            jobs[id_] = self._job(release, id_, (sha256, defects), query, parameters)
        self._write(connection, release, jobs)

    def tidy(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Delete the files that the view is not of, and what their writers set aside."""
        shown = {file.name for file in self.files(connection)}
        for name in _ours(self.folder):
            if name not in shown:
                remove_at(self.folder / name)

    def files(self, connection: duckdb.DuckDBPyConnection) -> Sequence[Place]:
        """The files that `pairs` is a view of."""
        names = connection.execute(f"SELECT name FROM {_FILES} ORDER BY shard_id").fetchall()
        return [self.folder / name for (name,) in names]

    def _job(
        self,
        release: Release,
        shard_id: int,
        version: tuple[str, str],
        query: str,
        parameters: Mapping[str, object],
    ) -> Job:
        """The job for a shard; `version` is its content, and the rules that its rows are marked by.

        All files have the columns of `pairs` with their types, whatever the query gives.
        """
        name = f"{shard_id:05}-{version_of(*version, reading(release))}.parquet"
        return Job(self.folder / name, _typed(release, query), parameters, self.memory_limit)

    def _write(
        self, connection: duckdb.DuckDBPyConnection, release: Release, jobs: Mapping[int, Job]
    ) -> None:
        """Have files written, and show them, each in place of the one of its shard."""
        if jobs:
            self.write(list(jobs.values()))
            there = sizes_in(self.folder)
            rows = [(id_, job.file.name, there[job.file.name]) for id_, job in jobs.items()]
            self.delete(connection, release, list(jobs))
            connection.executemany(f"INSERT INTO {_FILES} VALUES (?, ?, ?)", rows)
            self._show(connection, release)

    def _show(self, connection: duckdb.DuckDBPyConnection, release: Release) -> None:
        """Let `pairs` be what is in the files now."""
        marked_by = marking(connection)
        files = self.files(connection)
        listed = ", ".join(literal(escape(str(file))) for file in files)
        read = f"read_parquet([{listed}], hive_partitioning = false, file_row_number = true)"
        if not files:
            columns = pairs_columns(release)
            read = (
                f"(SELECT {', '.join(f'NULL AS {c.name}' for c in columns)},"
                " NULL AS file_row_number WHERE false)"
            )
        connection.execute(
            f"CREATE OR REPLACE VIEW {NUMBERED} AS SELECT * EXCLUDE (file_row_number),"
            f" shard_id * {_MOST_ROWS} + file_row_number AS row FROM {read}"
        )
        typed = _typed(release, f"FROM {read}")
        connection.execute(f"CREATE OR REPLACE VIEW pairs AS {typed}")
        connection.execute(f"COMMENT ON VIEW pairs IS {literal(self._comment(release))}")
        describe_columns(connection, release)
        if marked_by:
            connection.execute(f"COMMENT ON COLUMN pairs.defects IS {literal(marked_by)}")

    def _comment(self, release: Release) -> str:
        return f"{reading(release)}; in {self.folder}"


def remove_files(folder: Place) -> None:
    """Remove the files of a store that is not used any more, and no one else's, from the disk."""
    if isinstance(folder, Path):
        for name in _ours(folder):
            remove_at(folder / name)
        with suppress(OSError):  # where there is somebody else's, or none
            folder.rmdir()


def _ours(folder: Place) -> Sequence[str]:
    """The names of the files of rows in a folder, and of what their writers set aside."""
    on_disk = isinstance(folder, Path)  # where there are folders, too
    there = [place.name for place in folder.glob("*")] if on_disk else sizes_in(folder)
    return [name for name in there if any(fnmatch(name, ours) for ours in _OURS)]


def _typed(release: Release, query: str) -> str:
    """A query's rows with the columns of `pairs` and their types."""
    columns = ", ".join(
        f"CAST({c.name} AS {c.sql_type}) AS {c.name}" for c in pairs_columns(release)
    )
    return f"SELECT {columns} FROM ({query})"
