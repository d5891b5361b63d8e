"""Loading: every row of the changed shards into `pairs`, exactly once, with its defects marked.

Each batch of shards is one transaction that replaces their rows and writes the ledger, so that
however a load ends, the warehouse holds whole shards and knows which.
"""

import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import escape

import duckdb

from laion_pipeline.contract import (
    COLUMNS_BY_NAME,
    CORE_COLUMNS,
    defects_expression,
    reasons_expression,
)
from laion_pipeline.errors import ShardError
from laion_pipeline.layout import Layout, SourceColumn, match_layout
from laion_pipeline.ledger import LEDGER_DDL, Entry, Plan, pairs_columns, plan_changes, read_ledger
from laion_pipeline.provenance import record_provenance, withdraw_provenance
from laion_pipeline.releases import Release
from laion_pipeline.shards import Listing, read_footer
from laion_pipeline.warehouse import Warehouse, quoted, transaction

logger = logging.getLogger(__name__)

# A file has one row group, which is one thread's work: several files a statement keep all busy.
BATCH_SHARDS = 16
# Under which a row says its file while it is read; a name that no shard has a column of.
_FILE = "laion_pipeline_file"


@dataclass(frozen=True)
class ShardFile:
    """A shard on its way in: its place in the ledger, its file, and what its footer says."""

    entry: Entry
    file: str
    rows: int
    layout: Layout


@dataclass(frozen=True)
class LoadResult:
    """What a load did, and what the warehouse holds after it."""

    plan: Plan
    rows_loaded: int
    rows: int
    valid_rows: int
    seconds: float


def load_pairs(warehouse: Warehouse, release: Release, listing: Listing) -> LoadResult:
    """Make `pairs` hold just the rows of the listing's shards.

    Raises ShardError or LayoutError for a shard that cannot be loaded: before anything changes
    where its footer tells, else with whole batches loaded and no provenance until a load succeeds.
    """
    started = time.monotonic()
    with warehouse.connect(reads_files=True) as connection:
        ledger = read_ledger(connection, release)
        plan = plan_changes(listing, ledger)
        shards = [inspect_shard(release, listing, entry) for entry in plan.to_load]
        _prepare(connection, release, rebuild=not ledger)
        if shards or plan.removed:
            withdraw_provenance(connection)
        for batch in _batches(shards):
            _load_batch(connection, release, listing.revision, batch)
        _settle(connection, release, listing, plan)
        rows, valid_rows = connection.execute(
            "SELECT count(*), count(*) FILTER (defects = 0) FROM pairs"
        ).fetchall()[0]
    return LoadResult(
        plan, sum(shard.rows for shard in shards), rows, valid_rows, time.monotonic() - started
    )


def inspect_shard(release: Release, listing: Listing, entry: Entry) -> ShardFile:
    """Read a shard's footer and match its columns.

    Raises ShardError or LayoutError naming the shard.
    """
    file = listing.file(entry.shard)
    footer = read_footer(file, entry.shard.path)
    layout = match_layout(release, footer.schema, entry.shard.path)
    return ShardFile(entry, str(file), footer.rows, layout)


def _batches(shards: Sequence[ShardFile]) -> Iterator[Sequence[ShardFile]]:
    for start in range(0, len(shards), BATCH_SHARDS):
        yield shards[start : start + BATCH_SHARDS]


def _prepare(connection: duckdb.DuckDBPyConnection, release: Release, *, rebuild: bool) -> None:
    """Make the tables; where the rules have changed since, mark the rows there are anew."""
    rules = defects_expression(release.rules)
    fingerprint = f"rules {hashlib.sha256(rules.encode()).hexdigest()[:16]}"
    with transaction(connection):
        if rebuild:
            withdraw_provenance(connection)
            for table in ("pairs", "shards"):
                connection.execute(f"DROP TABLE IF EXISTS {table} CASCADE")
            columns = ", ".join(f"{name} {type_}" for name, type_ in pairs_columns(release))
            connection.execute(f"CREATE TABLE pairs ({columns})")
            for name in release.columns:
                _comment(connection, name, COLUMNS_BY_NAME[name].description)
            _comment(connection, "shard_id", "The shard that the row is from: shards.shard_id")
        elif _defects_comment(connection) != fingerprint:
            logger.info("pairs: the rules have changed, marking all rows anew")
            connection.execute(f"UPDATE pairs SET defects = {rules}")
        _comment(connection, "defects", fingerprint)
        connection.execute(LEDGER_DDL)
        _create_views(connection, release)


def _create_views(connection: duckdb.DuckDBPyConnection, release: Release) -> None:
    core = {column.name for column in CORE_COLUMNS}
    columns = [
        column.name
        if column.name in release.columns
        else f"CAST(NULL AS {column.sql_type}) AS {column.name}"
        for column in CORE_COLUMNS
    ] + [name for name in release.columns if name not in core]
    connection.execute(
        "CREATE OR REPLACE VIEW valid_pairs AS"
        f" SELECT {', '.join(columns)}, shard_id FROM pairs WHERE defects = 0"
    )
    connection.execute(
        "CREATE OR REPLACE VIEW quarantine AS"
        f" SELECT *, {reasons_expression(release.rules)} AS reasons FROM pairs WHERE defects <> 0"
    )


def _load_batch(
    connection: duckdb.DuckDBPyConnection,
    release: Release,
    revision: str,
    batch: Sequence[ShardFile],
) -> None:
    started = time.monotonic()
    ids = [shard.entry.shard_id for shard in batch]
    try:
        with transaction(connection):
            _delete(connection, ids)
            # Shards of one statement are read as one table, so they must be laid out alike.
            for layout in dict.fromkeys(shard.layout for shard in batch):
                alike = [shard for shard in batch if shard.layout == layout]
                select, parameters = _select(release, layout, alike)
                connection.execute(f"INSERT INTO pairs BY NAME {select}", parameters)
            connection.executemany(
                "INSERT INTO shards VALUES (?, ?, ?, ?, ?, ?, now() AT TIME ZONE 'UTC')",
                [_ledger_row(shard, revision) for shard in batch],
            )
    except duckdb.Error as error:
        if damaged := _find_damaged(connection, release, batch):
            raise damaged from error
        raise
    seconds = time.monotonic() - started
    rows = sum(shard.rows for shard in batch)
    logger.info(
        "pairs: loaded %s, %s rows in %.1f s",
        batch[0].entry.shard.name if len(batch) == 1 else f"{len(batch)} shards",
        f"{rows:,}",
        seconds,
    )


def _ledger_row(file: ShardFile, revision: str) -> tuple[int, str, str, str, int, int]:
    shard = file.entry.shard
    return (file.entry.shard_id, shard.path, revision, shard.sha256, shard.bytes, file.rows)


def _select(
    release: Release, layout: Layout, shards: Sequence[ShardFile]
) -> tuple[str, dict[str, object]]:
    """The statement that reads shards of one layout as rows of `pairs`, and its parameters."""
    columns = ", ".join(f"{_canonical(source)} AS {source.column.name}" for source in layout)
    rows = (
        f"SELECT {columns}, list_extract($ids, list_position($files, {_FILE})) AS shard_id"
        f" FROM read_parquet($patterns, filename = '{_FILE}', hive_partitioning = false)"
    )
    parameters = {
        "ids": [shard.entry.shard_id for shard in shards],
        "files": [shard.file for shard in shards],
        "patterns": [escape(shard.file) for shard in shards],
    }
    return f"SELECT *, {defects_expression(release.rules)} AS defects FROM ({rows})", parameters


def _canonical(source: SourceColumn) -> str:
    """SQL for a canonical column's value, from the column of a shard; refuses to round."""
    name = quoted(source.name)
    if not (source.column.kind == "whole" and source.is_float):
        return f"CAST({name} AS {source.column.sql_type})"
    complaint = f"column {source.name} holds ".replace("'", "''")
    return (
        f"CASE WHEN isnan({name}) THEN NULL"  # how pandas writes an unknown whole number
        f" WHEN {name} = trunc({name}) AND abs({name}) < 9.2e18 THEN CAST({name} AS BIGINT)"
        f" ELSE error('{complaint}' || {name} || ', which is not a whole number') END"
    )


def _find_damaged(
    connection: duckdb.DuckDBPyConnection, release: Release, batch: Sequence[ShardFile]
) -> ShardError | None:
    """Name the shard that made a batch fail, by reading each alone."""
    for shard in batch:
        select, parameters = _select(release, shard.layout, [shard])
        try:
            connection.execute(f"SELECT max(hash(row)) FROM ({select}) AS row", parameters)
        except duckdb.Error as error:
            text = " ".join(str(error).split())
            reason = text.partition(": ")[2] or text  # without DuckDB's name for its kind
            return ShardError(f"{shard.entry.shard.path}: cannot be loaded: {reason}")
    return None


def _settle(
    connection: duckdb.DuckDBPyConnection, release: Release, listing: Listing, plan: Plan
) -> None:
    """Take out what has gone, and record that what is there is the listing's revision."""
    with transaction(connection):
        _delete(connection, [entry.shard_id for entry in plan.removed])
        if plan.unchanged:
            connection.executemany(
                "UPDATE shards SET path = ?, revision = ? WHERE shard_id = ?",
                [(e.shard.path, listing.revision, e.shard_id) for e in plan.unchanged],
            )
        record_provenance(connection, release, listing)


def _delete(connection: duckdb.DuckDBPyConnection, shard_ids: Sequence[int]) -> None:
    if shard_ids:
        for table in ("pairs", "shards"):
            connection.execute(
                f"DELETE FROM {table} WHERE list_contains(?, shard_id)", [list(shard_ids)]
            )


def _comment(connection: duckdb.DuckDBPyConnection, column: str, text: str) -> None:
    literal = text.replace("'", "''")
    connection.execute(f"COMMENT ON COLUMN pairs.{column} IS '{literal}'")


def _defects_comment(connection: duckdb.DuckDBPyConnection) -> str | None:
    rows = connection.execute(
        "SELECT comment FROM duckdb_columns()"
        " WHERE table_name = 'pairs' AND column_name = 'defects'"
    ).fetchall()
    return rows[0][0] if rows else None
