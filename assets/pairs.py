"""Every source row in the warehouse, exactly once."""

from collections.abc import Iterator

import dagster as dg

from assets.resources import WEEKLY, Laion
from assets.tables import code_version
from laion_pipeline.contract import Contract
from laion_pipeline.finished import is_finished
from laion_pipeline.ingestion import load_listing
from laion_pipeline.sources.shards import Listing
from laion_pipeline.warehouse.pairs import pairs_columns

# The job that ends at once where there is nothing new.
REFRESH_JOB = "refresh"


@dg.asset(
    deps=["shards"],
    group_name="ingest",
    kinds={"duckdb"},
    output_required=False,
    freshness_policy=WEEKLY,
)
def pairs(context: dg.AssetExecutionContext, laion: Laion) -> Iterator[dg.MaterializeResult[None]]:
    """Every row of every shard: canonical columns, the shard it is from, and its defects.

    `valid_pairs` is the view of the rows without defects, which all tables read; `quarantine` is
    the view of the others, with the names of the rules that each breaks.
    """
    with laion.session() as session:
        listing = Listing.read(session.paths.listing)
        if context.run.job_name == REFRESH_JOB and is_finished(session, listing, code_version()):
            for asset in ("pairs", "report"):
                _say_fresh(context, asset)
            return  # and so nothing below is made again
        result = load_listing(session, listing)
        laion.tag(session, listing.revision)
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": result.rows,
            "dagster/column_schema": _schema(session.contract),
            "dagster/table_name": "pairs",
            **laion.told(listing, result.rows_loaded),
            "valid_rows": result.valid_rows,
            "quarantined_rows": result.rows - result.valid_rows,
            "shards_loaded": len(result.plan.to_load),
            "shards_removed": len(result.plan.removed),
            "rows_loaded": result.rows_loaded,
        },
        data_version=dg.DataVersion(session.data_version(result.provenance)),
    )


def _say_fresh(context: dg.AssetExecutionContext, asset: str) -> None:
    """Repeat what was said of an asset when it was made: it is as fresh as if made now."""
    event = context.instance.get_latest_materialization_event(dg.AssetKey(asset))
    if event is not None and (made := event.asset_materialization) is not None:
        context.log_event(
            dg.AssetMaterialization(
                asset, "Nothing new: as it was made.", metadata=made.metadata, tags=made.tags
            )
        )


def _schema(contract: Contract) -> dg.TableSchema:
    demands: dict[str, list[str]] = {}
    for rule in contract.row_rules:
        demands.setdefault(rule.column, []).append(rule.demands)
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                column.sql_type,
                column.description,
                dg.TableColumnConstraints(
                    nullable=column.nullable, other=demands.get(column.name, [])
                ),
            )
            for column in pairs_columns(contract.release)
        ]
    )
