"""Dagster's home: a folder of its own in each release's, so that histories never mix."""

import os
from pathlib import Path

import dagster as dg

from laion_pipeline.common.files import publish_text
from laion_pipeline.common.locks import locked
from laion_pipeline.errors import SettingsError
from laion_pipeline.session import Session

PROJECT = Path(__file__).resolve().parent.parent


def prepare_home(session: Session) -> None:
    """Make Dagster keep all it stores in the release's folder, configured by `dagster.yaml`.

    Raises SettingsError when it cannot be written.
    """
    home = session.paths.dagster
    try:
        home.mkdir(parents=True, exist_ok=True)
        publish_text(home / "dagster.yaml", (PROJECT / "dagster.yaml").read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            f"LAION_DATA_DIR: {home} cannot be written: {error.strerror}"
        ) from error
    os.environ["DAGSTER_HOME"] = str(home)


def open_instance(session: Session, program: str) -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME."""
    # Alone, since Dagster makes its storage when it is first opened.
    with locked(session.paths.dagster / "opening.lock", program):
        return dg.DagsterInstance.get()
