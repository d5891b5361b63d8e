"""Rendering the report: one self-contained page, safe whatever strangers wrote."""

import logging
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from laion_pipeline.common.files import publish_text
from laion_pipeline.paths import Paths
from laion_pipeline.quality.results import tally
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.releases.release import Release
from laion_pipeline.report.content import ReportContent, read_content
from laion_pipeline.report.gallery import BLURRED_FROM
from laion_pipeline.tables.table import Table
from laion_pipeline.text import displayable
from laion_pipeline.warehouse.connections import Warehouse

logger = logging.getLogger(__name__)

EXAMPLES_SHOWN = 5
CAPTION_CHARACTERS = 200
# The page's only script, and what allows just that one to run.
_SCRIPT = Markup(Path(__file__).with_suffix(".js").read_text("utf-8"))  # noqa: S704 - our own
SCRIPT_SOURCE = f"'sha256-{b64encode(sha256(_SCRIPT.encode()).digest()).decode()}'"
_SMALLEST_SCORE = 0.0001
# From here on nobody reads decimals.
_LEAST_WHOLE = 1000
# Of each end of a score; more are folded away.
_FIRST_CARDS = 6


def render_report(
    warehouse: Warehouse, paths: Paths, tables: Sequence[Table], release: Release
) -> ReportContent:
    """Publish the report on the project's `tables` and charts, and the tables' lineage.

    Captions of what `release` does not count as safe are shown only when asked for. Returns what
    the report shows.

    Raises WarehouseError when what it shows has not been made.
    """
    from laion_pipeline.report.openlineage import lineage_json

    with warehouse.connect(read_only=True) as connection:
        content = read_content(connection, tables, paths)
    page = (
        page_environment()
        .get_template("report.html")
        .render(
            content=content,
            story=content.story,
            scores=list(SCORES),
            unsafe=release.unsafe_from,
            blurred_from=BLURRED_FROM,
            first_cards=_FIRST_CARDS,
            examples_shown=EXAMPLES_SHOWN,
            script=_SCRIPT,
            script_source=Markup(SCRIPT_SOURCE),  # noqa: S704 - our own
        )
    )
    publish_text(paths.lineage, lineage_json(content.provenance, content.shards, tables))
    publish_text(paths.report, page)
    logger.info("report: %s", paths.report)
    return content


def _score(value: float | None) -> str:
    """A number for people, to whom one of less than a ten-thousandth is next to nothing."""
    if value is not None and 0 < abs(value) < _SMALLEST_SCORE:
        return f"< {_SMALLEST_SCORE:g}" if value > 0 else f"> -{_SMALLEST_SCORE:g}"
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= _LEAST_WHOLE else f"{value:.4g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _cell(value: object, column: str) -> str:
    """A value of a table for people, who read shares as per cent."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return _percent(value) if column.split("_")[-1] == "share" else _score(value)
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
    return displayable(str(value), CAPTION_CHARACTERS)


def page_environment(*folders: str) -> Environment:
    """What renders pages in the report's style, of these folders of the library beside its own."""
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("laion_pipeline", folder) for folder in (*folders, "report")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tally"] = tally
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters["caption"] = lambda text: displayable(text, CAPTION_CHARACTERS)
    environment.filters["host"] = lambda url: url.split("/")[2] if url.count("/") > 1 else url
    environment.filters["score"] = _score
    environment.filters["percent"] = _percent
    environment.filters["cell"] = _cell
    return environment
