"""Charts: every chart of the library is an asset."""

import base64

import dagster as dg

from assets.resources import RETRIES, Laion
from laion_pipeline.charts import CHARTS, Chart, render_chart


def chart_assets() -> list[dg.AssetsDefinition]:
    """An asset for each chart."""
    return [_chart_asset(chart) for chart in CHARTS]


def _chart_asset(chart: Chart) -> dg.AssetsDefinition:
    @dg.asset(
        name=chart.name,
        description=chart.description,
        deps=list(chart.tables),
        group_name="charts",
        kinds={"matplotlib"},
        retry_policy=RETRIES,
    )
    def rendered(laion: Laion) -> dg.MaterializeResult[None]:
        with laion.sound(chart.tables) as (session, provenance):
            result = render_chart(session.warehouse, chart, session.paths.charts)
        return dg.MaterializeResult(
            metadata={
                **laion.told(provenance),
                "finding": result.drawing.title,
                "chart": dg.MetadataValue.md(
                    f"![{chart.description}]({_data_url(result.preview)})"
                ),
                "png": dg.MetadataValue.path(result.png),
                "svg": dg.MetadataValue.path(result.svg),
            }
        )

    return rendered


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
