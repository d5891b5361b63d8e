"""A shard's rows as rows of `pairs`: the SQL that reads Parquet files in the contract's columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape

import duckdb

from laion_pipeline.contract import defects_expression
from laion_pipeline.errors import ShardError
from laion_pipeline.releases.release import Release
from laion_pipeline.sources.shards import Listing, read_footer
from laion_pipeline.warehouse.connections import quoted, reason_of
from laion_pipeline.warehouse.layout import Layout, SourceColumn, match_layout
from laion_pipeline.warehouse.ledger import Entry

# Under which a row says its file while it is read; a name that no shard has a column of.
_FILE = "laion_pipeline_file"


@dataclass(frozen=True)
class ShardFile:
    """A shard on its way in: its place in the ledger, its file, and what its footer says."""

    entry: Entry
    file: str
    rows: int
    layout: Layout


def inspect_shard(release: Release, listing: Listing, entry: Entry) -> ShardFile:
    """Read a shard's footer and match its columns.

    Raises ShardError or LayoutError naming the shard.
    """
    file = listing.file(entry.shard)
    footer = read_footer(file, entry.shard.path)
    layout = match_layout(release, footer.schema, entry.shard.path)
    return ShardFile(entry, str(file), footer.rows, layout)


def select_rows(
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
    return f"SELECT *, {defects_expression(release)} AS defects FROM ({rows})", parameters


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


def find_damaged(
    connection: duckdb.DuckDBPyConnection, release: Release, batch: Sequence[ShardFile]
) -> ShardError | None:
    """Name the shard that made a batch fail, by reading each alone."""
    for shard in batch:
        select, parameters = select_rows(release, shard.layout, [shard])
        try:
            connection.execute(f"SELECT max(hash(row)) FROM ({select}) AS row", parameters)
        except duckdb.Error as error:
            return ShardError(f"{shard.entry.shard.path}: cannot be loaded: {reason_of(error)}")
    return None
