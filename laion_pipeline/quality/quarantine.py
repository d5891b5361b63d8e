"""The quarantine as a file: every row that breaks a rule, with its shard and the reasons."""

import logging
from pathlib import Path

from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.provenance import Provenance
from laion_pipeline.warehouse.publishing import publish_parquet

logger = logging.getLogger(__name__)

_QUERY = """
SELECT path AS shard, quarantine.* EXCLUDE (shard_id)
FROM quarantine JOIN shards USING (shard_id)
ORDER BY path, url, text, hash(quarantine)
"""


def export_quarantine(warehouse: Warehouse, path: Path) -> int:
    """Write the quarantine to `path` as Parquet, whatever its size; return its number of rows.

    Raises WarehouseError when `pairs` has not been loaded.
    """
    with warehouse.connect(read_only=True) as connection:
        rows = publish_parquet(connection, _QUERY, path, Provenance.read(connection))
    logger.info("quarantine: %s rows", f"{rows:,}")
    return rows
