"""Publishing rows of the warehouse: as Parquet that says where they come from, and as CSV."""

import csv
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from laion_pipeline.common.files import published
from laion_pipeline.warehouse.provenance import Provenance

# Rows that are in memory at a time, and so in a row group.
_BATCH_ROWS = 500_000
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def publish_parquet(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    path: Path,
    provenance: Provenance,
    facts: Mapping[str, str] | None = None,
) -> int:
    """Write a query's rows to `path`, in its order; return how many there are.

    The file's metadata has the release, the revision, the origin and further `facts`.

    Raises OutputError when it cannot be written.
    """
    of = {name: getattr(provenance, name) for name in ("release", "revision", "origin")}
    metadata = {f"laion_pipeline.{name}": fact for name, fact in {**of, **(facts or {})}.items()}
    rows = 0
    reader = connection.execute(query).to_arrow_reader(_BATCH_ROWS)
    schema = reader.schema.with_metadata(metadata)
    with published(path) as beside, pq.ParquetWriter(beside, schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch.replace_schema_metadata(metadata))
            rows += batch.num_rows
    return rows


def publish_csv(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write a query's rows to `path` as CSV, in UTF-8 with a header.

    Text that a spreadsheet would take for a formula gets an apostrophe before it.

    Raises OutputError when it cannot be written.
    """
    result = connection.execute(query)
    names = [column[0] for column in result.description]
    with published(path) as beside, beside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        while rows := result.fetchmany(_BATCH_ROWS):
            writer.writerows([_harmless(value) for value in row] for row in rows)


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in _BEGINS_FORMULA else value
