"""Every source row in the warehouse, exactly once."""

import dagster as dg

from assets.resources import Laion
from laion_pipeline.contract import COLUMNS_BY_NAME
from laion_pipeline.ingestion import load_listing
from laion_pipeline.releases import Release
from laion_pipeline.shards import Listing


@dg.asset(deps=["shards"], group_name="ingest", kinds={"duckdb"})
def pairs(laion: Laion) -> dg.MaterializeResult[None]:
    """Every row of every shard: canonical columns, the shard it is from, and its defects.

    `valid_pairs` is the view of the rows without defects, which all tables read; `quarantine` is
    the view of the others, with the names of the rules that each breaks.
    """
    with laion.session() as session:
        listing = Listing.read(session.paths.listing)
        result = load_listing(session, listing)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": result.rows,
            "dagster/column_schema": _schema(session.release),
            "dagster/table_name": "pairs",
            "revision": listing.revision,
            "valid_rows": result.valid_rows,
            "quarantined_rows": result.rows - result.valid_rows,
            "shards_loaded": len(result.plan.to_load),
            "shards_removed": len(result.plan.removed),
            "rows_loaded": result.rows_loaded,
            "seconds": result.seconds,
        },
        data_version=dg.DataVersion(listing.revision),
    )


def _schema(release: Release) -> dg.TableSchema:
    columns = [
        dg.TableColumn(c.name, c.sql_type, f"{c.description}{f', in {c.unit}' if c.unit else ''}")
        for c in (COLUMNS_BY_NAME[name] for name in release.columns)
    ]
    rules = ", ".join(f"{rule.mask} {rule.name}" for rule in release.rules)
    return dg.TableSchema(
        [
            *columns,
            dg.TableColumn("shard_id", "INTEGER", "The shard that the row is from"),
            dg.TableColumn("defects", "INTEGER", f"Bit mask of the rules that it breaks: {rules}"),
        ]
    )
