"""What was loaded before, and how far the data moved since."""

import dagster as dg

from assets.resources import RETRIES, Laion
from laion_pipeline.tables.history import HISTORY, HISTORY_COLUMNS, record_profile

_TABLES = ("score_histogram", "score_summary")


@dg.asset(
    name=HISTORY,
    deps=["pairs", *_TABLES],
    group_name="quality",
    kinds={"duckdb"},
    retry_policy=RETRIES,
)
def release_history(laion: Laion) -> dg.MaterializeResult[None]:
    """A profile of each revision that was loaded: rows, null shares, defects and scores.

    One number a row, with what it measures, so that revisions compare by a filter. `revision_drift`
    is computed from it.
    """
    with laion.sound(_TABLES) as (session, provenance):
        revisions = record_profile(session.warehouse, session.release, session.paths.tables)
    return dg.MaterializeResult(
        metadata={
            **laion.told(provenance),
            "revisions": revisions,
            "dagster/table_name": HISTORY,
            "dagster/column_schema": dg.TableSchema(
                [
                    dg.TableColumn(name, type_, description)
                    for name, (type_, description) in HISTORY_COLUMNS.items()
                ]
            ),
        }
    )
