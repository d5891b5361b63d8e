"""What the report shows, read from the warehouse; `report.html` and its sections say how."""

import base64
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
from jinja2 import Environment, PackageLoader, StrictUndefined

from laion_pipeline.charts import CHARTS, Chart
from laion_pipeline.charts.chart import read_drawing
from laion_pipeline.common.files import publish_text
from laion_pipeline.paths import Paths
from laion_pipeline.quality.results import RecordedCheck, read_checks, tally
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.text import displayable
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.pairs import count_rows
from laion_pipeline.warehouse.provenance import Provenance

logger = logging.getLogger(__name__)

Row = Mapping[str, object]

# The derived tables that the page shows, or that have to be made before it says what there is.
REPORTED_TABLES = (
    "score_summary", "resolution_counts", "score_extremes", "quarantine_counts", "revision_diff",
    "revision_drift",
)  # fmt: skip

# In this order; each has a template of its own in `sections`.
SECTIONS = ("quality", "scores", "charts", "resolutions", "extremes", "provenance")
RESOLUTIONS_SHOWN = 20
EXTREMES_SHOWN = 5
EXAMPLES_SHOWN = 5
CAPTION_CHARACTERS = 200
_SMALLEST_SCORE = 0.0001
# At or above this probability a caption is shown only when asked for.
UNSAFE = 0.45

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
class ChartImage:
    """A chart as the page holds it."""

    name: str
    alt: str
    png_base64: str


@dataclass(frozen=True)
class ReportContent:
    """Everything on the page, as values."""

    provenance: Provenance
    rows: int
    valid_rows: int
    checks: Sequence[RecordedCheck]
    drift: Sequence[Row]
    changes: Row
    charts: Sequence[ChartImage]
    scores: Sequence[Row]
    absent_scores: Sequence[str]
    resolutions: Sequence[Row]
    extremes: Mapping[tuple[str, str], Sequence[Row]]
    shards: Sequence[Row]


def render_report(warehouse: Warehouse, paths: Paths) -> ReportContent:
    """Publish the report; return what it shows.

    Raises WarehouseError when what it shows has not been made.
    """
    with warehouse.connect(read_only=True) as connection:
        content = _read_content(connection, paths.charts)
    page = (
        _environment()
        .get_template("report.html")
        .render(content=content, sections=SECTIONS, unsafe=UNSAFE, examples_shown=EXAMPLES_SHOWN)
    )
    publish_text(paths.report, page)
    logger.info("report: %s", paths.report)
    return content


def _read_content(connection: duckdb.DuckDBPyConnection, charts: Path) -> ReportContent:
    scores = _rows(connection, "SELECT * FROM score_summary ORDER BY score")
    present = {row["score"] for row in scores}
    rows, quarantined = count_rows(connection)
    return ReportContent(
        provenance=Provenance.read(connection),
        rows=rows,
        valid_rows=rows - quarantined,
        checks=read_checks(connection),
        drift=_rows(connection, "SELECT * FROM revision_drift ORDER BY measure <> 'rows', measure"),
        changes=_rows(connection, _CHANGES)[0],
        charts=[_image(chart, charts) for chart in CHARTS],
        scores=scores,
        absent_scores=[score for score in SCORES if score not in present],
        resolutions=_rows(
            connection,
            f"SELECT * FROM resolution_counts WHERE rank <= {RESOLUTIONS_SHOWN} ORDER BY rank",
        ),
        extremes={
            (score, extreme): _rows(
                connection,
                "SELECT * FROM score_extremes WHERE score = ? AND extreme = ? AND rank <= ?"
                " ORDER BY rank",
                [score, extreme, EXTREMES_SHOWN],
            )
            for score in SCORES
            if score in present
            for extreme in ("top", "bottom")
        },
        shards=_rows(connection, "SELECT * FROM shards ORDER BY path"),
    )


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] = ()
) -> Sequence[Row]:
    rows: Sequence[Row] = connection.execute(query, parameters).to_arrow_table().to_pylist()
    return rows


def _image(chart: Chart, folder: Path) -> ChartImage:
    drawing = read_drawing(folder / f"{chart.name}.png")
    png = (folder / f"{chart.name}.png").read_bytes()
    return ChartImage(chart.name, drawing.alt, base64.b64encode(png).decode())


def _score(value: float | None) -> str:
    """A score for people, to whom one of less than a ten-thousandth is next to nothing."""
    if value is not None and 0 < abs(value) < _SMALLEST_SCORE:
        return f"< {_SMALLEST_SCORE:g}" if value > 0 else f"> -{_SMALLEST_SCORE:g}"
    return "" if value is None else f"{value:.4g}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("laion_pipeline", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tally"] = tally
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters["caption"] = lambda text: displayable(text, CAPTION_CHARACTERS)
    environment.filters["score"] = _score
    environment.filters["percent"] = lambda share: f"{100 * share:.3g} %"
    return environment
