"""Charts: every chart of the library is an asset."""

import base64
from pathlib import Path

import dagster as dg

from assets.resources import Laion
from assets.ui.links import file_link
from laion_pipeline.charts import CHARTS, Chart, preview, render_chart


def chart_assets() -> list[dg.AssetsDefinition]:
    """An asset for each chart."""
    return [_chart_asset(chart) for chart in CHARTS]


def chart_metadata(chart: Chart, png: Path) -> dg.MarkdownMetadataValue:
    """A chart as Dagster shows it in place."""
    data = base64.b64encode(preview(png)).decode()
    return dg.MetadataValue.md(f"![{chart.description}](data:image/png;base64,{data})")


def _chart_asset(chart: Chart) -> dg.AssetsDefinition:
    @dg.asset(
        name=chart.name,
        description=chart.description,
        deps=list(chart.tables),
        group_name="charts",
        kinds={"matplotlib"},
    )
    def rendered(laion: Laion) -> dg.MaterializeResult[None]:
        with laion.sound(chart.tables) as (session, provenance):
            result = render_chart(session.warehouse, chart, session.paths.charts)
        return dg.MaterializeResult(
            metadata={
                **laion.told(provenance),
                "finding": result.drawing.title,
                "chart": chart_metadata(chart, result.png),
                "png": dg.MetadataValue.path(result.png),
                "png_url": file_link(session, result.png),
                "svg": dg.MetadataValue.path(result.svg),
                "svg_url": file_link(session, result.svg),
            }
        )

    return rendered
