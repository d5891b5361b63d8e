"""Dagster's history in PostgreSQL, where `LAION_HISTORY_URL` says so: a schema for each release."""

import hashlib
import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from urllib.parse import quote, urlsplit, urlunsplit

from laion_pipeline.errors import LaionError, SettingsError
from laion_pipeline.session import Session
from laion_pipeline.text import displayable

# From where `dagster.yaml` has the address with its password, which is in no file.
_VARIABLE = "LAION_HISTORY_IN_SCHEMA"
_STORAGES = {
    "run_storage": ("dagster_postgres.run_storage", "PostgresRunStorage"),
    "event_log_storage": ("assets.postgres_event_log", "PostgresEventLog"),
    "schedule_storage": ("dagster_postgres.schedule_storage", "PostgresScheduleStorage"),
}
_LONGEST_SCHEMA = 40
_REASON_CHARACTERS = 300


def storages() -> Mapping[str, object]:
    """What `dagster.yaml` says of them."""
    return {
        name: {"module": module, "class": class_, "config": {"postgres_url": {"env": _VARIABLE}}}
        for name, (module, class_) in _STORAGES.items()
    }


def prepare_schema(session: Session) -> None:
    """Make the release's schema, if it is not there.

    Raises SettingsError where the extra is missing or the address is none, LaionError where no
    server answers or it refuses.
    """
    if find_spec("dagster_postgres") is None:
        raise SettingsError(
            "LAION_HISTORY_URL: dagster-postgres is not installed: pip install '.[postgres]'"
        )
    import psycopg2
    from psycopg2 import sql

    try:
        connection = psycopg2.connect(_address(session), connect_timeout=10)
    except psycopg2.ProgrammingError as error:
        raise SettingsError("LAION_HISTORY_URL: should be an address of PostgreSQL") from error
    except psycopg2.OperationalError as error:
        raise LaionError(f"LAION_HISTORY_URL: {_reason(error)}") from error
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(_schema(session)))
            )
    except psycopg2.Error as error:
        raise LaionError(f"LAION_HISTORY_URL: {_reason(error)}") from error
    finally:
        connection.close()


def enter_schema(session: Session) -> None:
    """Have Dagster, in this process and in all that it starts, keep its history there."""
    parts = urlsplit(_address(session))
    options = quote(f"-csearch_path={_schema(session)}")
    query = f"{parts.query}&options={options}" if parts.query else f"options={options}"
    # By name: SQLAlchemy's own choice is a driver that Dagster does not bring along.
    os.environ[_VARIABLE] = urlunsplit(parts._replace(scheme="postgresql+psycopg2", query=query))


def _address(session: Session) -> str:
    url = session.settings.history_url
    assert url is not None
    return url.get_secret_value()


def _schema(session: Session) -> str:
    """The release's name as a name of PostgreSQL's, no two the same."""
    name = session.release.name
    plain = re.sub(r"\W", "_", name.lower(), flags=re.ASCII)[:_LONGEST_SCHEMA]
    return f"laion_{plain}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _reason(error: Exception) -> str:
    return displayable(str(error).partition("\n")[0], _REASON_CHARACTERS)
