"""The report: one page with everything that was found."""

import dagster as dg

from assets.resources import RETRIES, WEEKLY, Laion
from assets.tables import code_version
from laion_pipeline.charts import CHARTS, require_current
from laion_pipeline.finished import record_finished
from laion_pipeline.report import render_report

_TABLES = (
    "score_summary", "resolution_counts", "score_extremes", "quarantine_counts", "revision_diff",
    "revision_drift",
)  # fmt: skip


@dg.asset(
    deps=["pairs", *_TABLES, *(chart.name for chart in CHARTS)],
    group_name="report",
    retry_policy=RETRIES,
    freshness_policy=WEEKLY,
)
def report(laion: Laion) -> dg.MaterializeResult[None]:
    """One self-contained page: row counts, check results, charts, tables and provenance."""
    with laion.sound(_TABLES) as (session, provenance):
        require_current(CHARTS, session.paths.charts, provenance)
        size = render_report(session.warehouse, session.paths)
        record_finished(session, code_version())
    return dg.MaterializeResult(
        metadata={
            **laion.told(provenance),
            "path": dg.MetadataValue.path(session.paths.report),
            "url": dg.MetadataValue.url(session.paths.report.as_uri()),
            "bytes": size,
        }
    )
