"""A shard's rows as rows of `pairs`: the SQL that reads Parquet files in the contract's columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape

import duckdb

from laion_pipeline.contract import defects_expression
from laion_pipeline.errors import ShardError
from laion_pipeline.releases.release import Release
from laion_pipeline.sources.shards import Footer, Listing, read_footer
from laion_pipeline.warehouse.connections import literal, quoted, reason_of
from laion_pipeline.warehouse.layout import Layout, SourceColumn, match_layout
from laion_pipeline.warehouse.ledger import Entry

# Under which a row says its file while it is read, but for shards that have a column of that name.
_FILE = "laion_pipeline_file"
# What a message of DuckDB's means to whoever has the shard, where it does not mean _DAMAGED.
_DAMAGED = "its pages are damaged or encrypted: replace it"
_MEANINGS = (
    (r"[Uu]nsupported|[Nn]ot (implemented|supported)|codec",
     "it is written in a way that DuckDB cannot read: write it again, as with pyarrow's"
     " parquet.write_table and its defaults"),
    (r"UTF-?8", "its text is damaged, or is no text: replace it, or write the column in UTF-8"),
    (r"out of range|Could not convert|which is not",
     "that value cannot be loaded as it is: correct it in the shard"),
)  # fmt: skip


@dataclass(frozen=True)
class ShardFile:
    """A shard on its way in: its place in the ledger, its file, and what the file says of itself.

    `columns` are the names of all that it has, in small letters.
    """

    entry: Entry
    file: str
    footer: Footer
    columns: frozenset[str]
    layout: Layout


def inspect_shard(release: Release, listing: Listing, entry: Entry) -> ShardFile:
    """Read a shard's footer and match its columns.

    Raises ShardError or LayoutError naming the shard.
    """
    file = listing.file(entry.shard)
    footer = read_footer(file, entry.shard.path)
    layout = match_layout(release, footer.schema, entry.shard.path)
    names = frozenset(name.casefold() for name in footer.schema.names)
    return ShardFile(entry, str(file), footer, names, layout)


def select_rows(
    release: Release, layout: Layout, shards: Sequence[ShardFile]
) -> tuple[str, dict[str, object]]:
    """The statement that reads shards of one layout as rows of `pairs`, and its parameters."""
    columns = ", ".join(f"{_canonical(source)} AS {source.column.name}" for source in layout)
    file = _FILE
    while any(file in shard.columns for shard in shards):
        file += "_"
    rows = (
        f"SELECT {columns}, list_extract($ids, list_position($files, {file})) AS shard_id"
        f" FROM read_parquet($patterns, filename = '{file}', hive_partitioning = false)"
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
    holds = literal(f"column {source.name} holds ")
    as_type = f"CAST({name} AS {source.column.sql_type})"
    match source.column.kind, source.storage:
        case "text", "bytes":
            return f"decode({name})"
        case "text", "real":
            good, value, wanted = "false", "NULL", "text"
        case "whole", "real":
            good, value = f"{name} = trunc({name}) AND abs({name}) < 9.2e18", as_type
            wanted = "a whole number"
        case "whole", "text":
            good, wanted = (
                f"regexp_full_match(trim({name}), '[-+]?[0-9]+([.]0*)?')",
                "a whole number",
            )
            value = f"CAST(split_part(trim({name}), '.', 1) AS BIGINT)"
        case "real", "text":
            good, value, wanted = f"TRY_CAST({name} AS DOUBLE) IS NOT NULL", as_type, "a number"
        case _:
            return as_type
    # How pandas writes what is unknown, and how a CSV file does.
    unknown = (
        f"isnan({name})" if source.storage == "real" else f"trim({name}) IN ('', 'NaN', 'nan')"
    )
    return (
        f"CASE WHEN {name} IS NULL OR {unknown} THEN NULL WHEN {good} THEN {value}"
        f" ELSE error({holds} || {name} || ', which is not {wanted}') END"
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
            reason = reason_of(error)
            meaning = next((m for said, m in _MEANINGS if re.search(said, reason)), _DAMAGED)
            return ShardError(f"{shard.entry.shard.path}: cannot be loaded: {reason}; {meaning}")
    return None
