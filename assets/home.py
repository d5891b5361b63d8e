"""Dagster's home: a folder of its own in each release's, so that histories never mix."""

import json
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import yaml

from assets.postgres import enter_schema, prepare_schema, storages
from laion_pipeline.common.files import cannot_write, publish_text, set_aside
from laion_pipeline.common.locks import locked
from laion_pipeline.errors import DiskFullError, LaionError, SettingsError
from laion_pipeline.session import Session
from laion_pipeline.text import displayable

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

PROJECT = Path(__file__).resolve().parent.parent
# Where in its home Dagster keeps its databases, each folder of which can begin anew by itself.
_DATABASES = {"history": ("runs.db", "runs/index.db"), "schedules": ("schedules.db",)}
_SECONDS_FOR_A_LOCK = 10
_REASON_CHARACTERS = 300


def prepare_home(session: Session) -> None:
    """Make Dagster keep all it stores in the release's folder, configured by `dagster.yaml`.

    Its history goes to PostgreSQL where `LAION_HISTORY_URL` says so.

    Raises SettingsError when it cannot be kept there, DiskFullError or OutputError when it cannot
    be written, LaionError when PostgreSQL cannot be reached.
    """
    home = session.paths.dagster
    if "%" in str(home):
        raise SettingsError(
            f"LAION_DATA_DIR={session.settings.data_dir}: should be a path without % in it, below"
            " which Dagster cannot keep its history"
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        told = cannot_write(home, error)
        if isinstance(told, DiskFullError):
            raise told from error
        raise SettingsError(f"LAION_DATA_DIR: {told}") from error
    configuration = (PROJECT / "dagster.yaml").read_text("utf-8")
    if session.settings.history_url is not None:
        # JSON, which is YAML too.
        configuration = json.dumps(yaml.safe_load(configuration) | storages(), indent=1)
    publish_text(home / "dagster.yaml", configuration)
    enter_home(session)


def enter_home(session: Session) -> None:
    """Have Dagster read what is stored for the release.

    Raises SettingsError or LaionError when that is in PostgreSQL, and cannot be reached.
    """
    os.environ["DAGSTER_HOME"] = str(session.paths.dagster)
    if session.settings.history_url is not None:
        prepare_schema(session)
        enter_schema(session)


def open_instance(session: Session, program: str) -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME; damaged history is moved aside, and told of.

    Raises LaionError when another process holds it.
    """
    # Alone, since Dagster makes its storage when it is first opened.
    with locked(session.paths.dagster / "opening.lock", program):
        for folder, databases in _DATABASES.items():
            place = session.paths.dagster / folder
            if any(_is_damaged(place / database) for database in databases):
                _begin_again(place)
        return dg.DagsterInstance.get()


def meaning_of(error: Exception, session: Session | None) -> LaionError | None:
    """What an error of Dagster's storage, or a full disk, means to a user; None for any other."""
    from sqlalchemy.exc import DBAPIError

    home = session.paths.dagster if session else "Dagster's home"
    if isinstance(error, OSError):
        told = cannot_write(Path(error.filename or home), error)
        return told if isinstance(told, DiskFullError) else None
    if not isinstance(error, DBAPIError):
        cause = error.__cause__  # of what dagster-postgres gives up after trying again
        return meaning_of(cause, session) if isinstance(cause, DBAPIError) else None
    return storage_error(error, Path(home))


def storage_error(error: "DBAPIError", home: Path) -> LaionError:
    """What an error of the storage in Dagster's home means to a user."""
    said = displayable(str(error.orig).partition("\n")[0], _REASON_CHARACTERS)
    if type(error.orig).__module__.startswith("psycopg2"):
        return LaionError(f"LAION_HISTORY_URL: Dagster's history cannot be reached: {said}")
    if "full" in said or ("disk I/O" in said and not _has_room(home)):
        return DiskFullError(
            f"{home}: the disk is full, so that Dagster cannot keep what happens; make room, or set"
            " LAION_DATA_DIR to another disk"
        )
    if "malformed" in said or "not a database" in said:
        return LaionError(
            f"{home}: Dagster's history is damaged ({said}); run again: it is moved aside, and a"
            " new one begun"
        )
    if "locked" in said:
        return _held(home)
    return LaionError(f"{home}: Dagster's history cannot be read or written: {said}")


def _has_room(folder: Path) -> bool:
    return not folder.exists() or shutil.disk_usage(folder).free > 1_000_000


def _held(file: Path) -> LaionError:
    return LaionError(f"{file}: held by another process; end that one, or run again later")


def _is_damaged(database: Path) -> bool:
    if not database.exists():
        return False
    try:
        opened = sqlite3.connect(database, timeout=_SECONDS_FOR_A_LOCK, isolation_level=None)
        with closing(opened) as connection:
            connection.execute("BEGIN IMMEDIATE")  # as a run is about to, to write
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise _held(database) from error
        raise LaionError(f"{database}: cannot be read: {error}") from error
    except sqlite3.DatabaseError:
        return True


def _begin_again(folder: Path) -> None:
    from assets.event_log import forget_files

    place = set_aside(folder)
    forget_files()
    print(
        f"note: Dagster's {folder.name} was damaged: moved to {place}, which may be deleted; a new"
        " one begins, and what is loaded and made stays as it is",
        file=sys.stderr,
    )
