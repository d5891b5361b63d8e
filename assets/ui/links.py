"""Where the UI serves what: links that open in a browser, which refuses file:// on a page."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg

from laion_pipeline.common.serving import HOST
from laion_pipeline.session import Session
from laion_pipeline.settings import Settings

FILES = "/files"
EXPLORE = "/explore"


def address(settings: Settings) -> str:
    """The address of the UI."""
    return f"http://{HOST}:{settings.port}"


def run_link(settings: Settings, run_id: str) -> str:
    """The address of a run's page."""
    return f"{address(settings)}/runs/{run_id}"


def file_metadata(session: Session, file: Path) -> dict[str, dg.MetadataValue[Any]]:
    """Where a file lies, and where the UI serves it."""
    return {"path": dg.MetadataValue.path(file), "url": file_link(session, file)}


def file_link(session: Session, file: Path) -> dg.UrlMetadataValue:
    """The address of a file of the release's folder."""
    path = quote(file.relative_to(session.paths.root).as_posix())
    return dg.MetadataValue.url(f"{address(session.settings)}{FILES}/{path}")


def explore_link(session: Session) -> dg.UrlMetadataValue:
    """The address of the page that searches."""
    return dg.MetadataValue.url(f"{address(session.settings)}{EXPLORE}")
