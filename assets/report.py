"""The report: one page with everything that was found."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.charts import chart_metadata
from assets.resources import WEEKLY, Laion
from assets.shown import rounded, table_of
from assets.stages import stages_of
from assets.tables import code_version, sql_tables
from assets.ui.links import file_metadata
from laion_pipeline.charts import CHARTS, require_current
from laion_pipeline.finished import record_finished
from laion_pipeline.quality.results import tally
from laion_pipeline.report import REPORTED_TABLES, ReportContent, render_report


@dg.asset(
    # The index is not in it, but the report is the last of all, which says that all has been made.
    deps=[
        *("pairs", *REPORTED_TABLES, "extreme_thumbnails", "search_index"),
        *(chart.name for chart in CHARTS),
    ],
    group_name="report",
    freshness_policy=WEEKLY,
)
def report(context: dg.AssetExecutionContext, laion: Laion) -> dg.MaterializeResult[None]:
    """One self-contained page: row counts, check results, charts, tables and provenance."""
    with laion.sound(REPORTED_TABLES) as (session, provenance):
        require_current(CHARTS, session.paths.charts, provenance)
        content = render_report(session.warehouse, session.paths, sql_tables(), session.release)
        told = laion.told(provenance)
    with laion.session() as session:
        record_finished(session, code_version())
    stages = stages_of(context.instance, context.run.run_id)
    return dg.MaterializeResult(
        metadata={
            **told,
            "summary": _summary(content),
            **_stages(stages),
            "chart": chart_metadata(CHARTS[0], session.paths.charts / f"{CHARTS[0].name}.png"),
            **file_metadata(session, session.paths.report),
            "bytes": session.paths.report.stat().st_size,
        }
    )


def _stages(stages: Mapping[str, float]) -> dict[str, Any]:
    """How long the stages of this run took; nothing where the report is all of it."""
    if not stages:
        return {}
    rows = [{"stage": name, "seconds": seconds} for name, seconds in stages.items()]
    return {"seconds": rounded(sum(stages.values())), "stages": table_of(rows)}


def _summary(content: ReportContent) -> dg.TableMetadataValue:
    facts = {
        "release": content.provenance.title,
        "revision": content.provenance.revision,
        "rows": f"{content.rows:,}",
        "valid rows": f"{content.valid_rows:,}",
        "quarantined rows": f"{content.rows - content.valid_rows:,}",
        "shards": f"{len(content.shards):,}",
        "checks": tally(content.checks),
    }
    return dg.MetadataValue.table(
        [dg.TableRecord({"what": what, "found": found}) for what, found in facts.items()]
    )
