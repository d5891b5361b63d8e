"""The quarantine as a file: every row that breaks a rule, with its shard and the reasons."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from laion_pipeline.quality.results import EXAMPLES
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.provenance import Provenance
from laion_pipeline.warehouse.publishing import publish_parquet

logger = logging.getLogger(__name__)

_QUERY = """
SELECT path AS shard, quarantine.* EXCLUDE (shard_id)
FROM quarantine JOIN shards USING (shard_id)
ORDER BY path, url, text, hash(quarantine)
""".strip()


@dataclass(frozen=True)
class QuarantineResult:
    """What was exported: how many rows, by which query, of which DuckDB types, and the first."""

    rows: int
    query: str
    types: Mapping[str, str]
    first: Sequence[Mapping[str, object]]


def export_quarantine(warehouse: Warehouse, path: Path) -> QuarantineResult:
    """Write the quarantine to `path` as Parquet, whatever its size.

    Raises WarehouseError when `pairs` has not been loaded.
    """
    with warehouse.connect(read_only=True) as connection:
        rows = publish_parquet(connection, _QUERY, path, Provenance.read(connection))
        query = connection.sql(_QUERY)  # which is not run again to tell its types
        types = dict(zip(query.columns, map(str, query.types), strict=True))
    with pq.ParquetFile(path) as file:
        first = next(file.iter_batches(EXAMPLES)).to_pylist() if rows else []
    logger.info("quarantine: %s rows", f"{rows:,}")
    return QuarantineResult(rows, _QUERY, types, first)
