"""The quarantine as a file: every row that breaks a rule, with its shard and the reasons."""

import logging
from pathlib import Path

from laion_pipeline.common.files import published
from laion_pipeline.warehouse.connections import Warehouse, literal
from laion_pipeline.warehouse.provenance import Provenance

logger = logging.getLogger(__name__)


def export_quarantine(warehouse: Warehouse, path: Path) -> int:
    """Write the quarantine to `path` as Parquet, whatever its size; return its number of rows.

    Raises WarehouseError when `pairs` has not been loaded.
    """
    with (
        warehouse.connect(read_only=True, reads_files=True) as connection,
        published(path) as beside,
    ):
        provenance = Provenance.read(connection)
        literals = {
            "laion_pipeline.release": provenance.release,
            "laion_pipeline.revision": provenance.revision,
            "laion_pipeline.origin": provenance.origin,
        }
        metadata = ", ".join(f"'{key}': {literal(value)}" for key, value in literals.items())
        rows = connection.execute(
            "COPY (SELECT path AS shard, quarantine.* EXCLUDE (shard_id)"
            " FROM quarantine JOIN shards USING (shard_id)"
            " ORDER BY path, url, text, hash(quarantine))"
            f" TO {literal(str(beside))}"
            f" (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{metadata}}})"
        ).fetchall()[0][0]
    logger.info("quarantine: %s rows", f"{rows:,}")
    return int(rows)
