"""Publishing rows of the warehouse as Parquet files that say where they come from."""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from laion_pipeline.common.files import published
from laion_pipeline.warehouse.provenance import Provenance

# Rows that are in memory at a time, and so in a row group.
_BATCH_ROWS = 500_000


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
