"""What the report shows, read from the warehouse; `report.html` and its sections say how."""

import base64
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import duckdb
from PIL import Image

from laion_pipeline.charts import CHARTS, Chart
from laion_pipeline.charts.chart import Drawing, read_drawing
from laion_pipeline.charts.dark import compact, dark_variant
from laion_pipeline.paths import Paths
from laion_pipeline.quality.results import RecordedCheck, read_checks
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.report.checks import CheckGroup, grouped
from laion_pipeline.report.figures import Figure, read_figures
from laion_pipeline.report.gallery import Gallery, read_gallery
from laion_pipeline.report.lineage import LineagePicture, lineage_picture
from laion_pipeline.report.rows import Row, rows_of
from laion_pipeline.report.story import REPORTED_TABLES, STORY, TOLD_OTHERWISE, Section
from laion_pipeline.tables.table import ROWS_SHOWN, Table
from laion_pipeline.warehouse.connections import quoted
from laion_pipeline.warehouse.pairs import count_rows
from laion_pipeline.warehouse.provenance import Provenance

# Of a table that is too long to be shown whole.
FIRST_ROWS = 20

_CHANGES = """
SELECT
    coalesce(sum(added), 0)::BIGINT AS added,
    coalesce(sum(removed), 0)::BIGINT AS removed,
    coalesce(sum(changed_text), 0)::BIGINT AS changed_text,
    coalesce(sum(changed_scores), 0)::BIGINT AS changed_scores,
    count(*) FILTER (added + removed + changed_text + changed_scores > 0) AS shards
FROM revision_diff
"""


@dataclass(frozen=True)
class ShownChart:
    """A chart as the page holds it: what it is of, what it shows, and its two PNGs in base64."""

    chart: Chart
    drawing: Drawing
    light: str
    dark: str


@dataclass(frozen=True)
class ShownTable:
    """A derived table as the page holds it: of its `total` rows all, or the first."""

    table: Table
    rows: Sequence[Row]
    total: int

    @property
    def question(self) -> str:
        """What the table answers: its first sentence."""
        return re.split(r"(?<=[.?:]) ", self.table.description)[0].rstrip(".:")

    @property
    def numbers(self) -> Set[str]:
        """The columns that hold numbers."""
        return {
            name
            for name in (self.rows[0] if self.rows else ())
            if all(isinstance(row[name], int | float | None) for row in self.rows)
        }

    @property
    def is_turned(self) -> bool:
        """Whether its columns are better read as lines, since it has more of them than rows."""
        return bool(self.rows) and len(self.rows[0]) > 2 * len(self.rows)


@dataclass(frozen=True)
class ReportContent:
    """Everything on the page, as values; `story` are the sections that there is something for."""

    story: Sequence[Section]
    provenance: Provenance
    rows: int
    valid_rows: int
    figures: Sequence[Figure]
    checks: Sequence[RecordedCheck]
    check_groups: Sequence[CheckGroup]
    changes: Row
    charts: Mapping[str, ShownChart]
    tables: Mapping[str, ShownTable]
    absent_scores: Sequence[str]
    lineage: LineagePicture
    gallery: Gallery
    shards: Sequence[Row]


def read_content(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], paths: Paths
) -> ReportContent:
    """Everything that the page shows, of `tables` and of what lies in the release's folder.

    Raises WarehouseError when one of them is not there.
    """
    rows, quarantined = count_rows(connection)
    shown = {
        table.name: _shown_table(connection, table)
        for table in tables
        if table.name in REPORTED_TABLES
    }
    checks = read_checks(connection)
    story = [each for each in STORY if not each.if_any or shown[each.if_any].total]
    present = {row["score"] for row in shown["score_summary"].rows}
    return ReportContent(
        story=story,
        provenance=Provenance.read(connection),
        rows=rows,
        valid_rows=rows - quarantined,
        figures=read_figures(connection),
        checks=checks,
        check_groups=grouped(checks),
        changes=rows_of(connection, _CHANGES)[0],
        charts={chart.name: _shown_chart(chart, paths.charts) for chart in CHARTS},
        tables=shown,
        lineage=lineage_picture(tables, story),
        absent_scores=[score for score in SCORES if score not in present],
        gallery=read_gallery(connection, paths.thumbnails),
        shards=rows_of(connection, "SELECT * FROM shards ORDER BY path"),
    )


def _shown_table(connection: duckdb.DuckDBPyConnection, table: Table) -> ShownTable:
    ((total,),) = _fetch(connection, f"SELECT count(*) FROM {quoted(table.name)}")
    first = total if total <= ROWS_SHOWN else FIRST_ROWS
    if table.name in TOLD_OTHERWISE:
        first = 0
    return ShownTable(
        table, rows_of(connection, f"SELECT * FROM {quoted(table.name)} LIMIT {first}"), total
    )


def _fetch(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[int, ...]]:
    return connection.execute(query).fetchall()


def _shown_chart(chart: Chart, folder: Path) -> ShownChart:
    png = folder / f"{chart.name}.png"
    drawing = read_drawing(png)
    light = BytesIO()
    with Image.open(png) as image:
        compact(image).save(light, "PNG")
    dark = dark_variant(png)
    read_drawing(dark)  # which says so if it is not there
    return ShownChart(chart, drawing, _base64(light.getvalue()), _base64(dark.read_bytes()))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
