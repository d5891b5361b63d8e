"""Whether the rows, and the tables made from them, are fit to make anything else from.

A check that blocks does so whoever asks: in the run in which it fails, and in any other.
"""

from collections.abc import Iterable, Sequence

import duckdb

from laion_pipeline.errors import UnsoundError
from laion_pipeline.quality.results import RecordedCheck, find_checks
from laion_pipeline.warehouse.provenance import Provenance

_MADE = "derived_tables"


def record_made(connection: duckdb.DuckDBPyConnection, table: str, version: str) -> None:
    """Keep which version of the rows a derived table was made from, as it is made."""
    connection.execute(f"CREATE TABLE IF NOT EXISTS {_MADE} (name VARCHAR, data_version VARCHAR)")
    connection.execute(f"DELETE FROM {_MADE} WHERE name = ?", [table])
    connection.execute(f"INSERT INTO {_MADE} VALUES (?, ?)", [table, version])


def require_sound(connection: duckdb.DuckDBPyConnection, tables: Iterable[str] = ()) -> Provenance:
    """See that the rows, and derived tables, may be used as they are; their provenance.

    Raises UnsoundError where a check that blocks failed, or has not been made of what is there now,
    or where a table was made from other rows; WarehouseError before the first load.
    """
    provenance = Provenance.read(connection)
    checks = [check for check in find_checks(connection) if check.blocking]
    _require_checked("pairs", checks, provenance)
    there = _tables(connection)
    made = {name: version for name, version in read_made(connection).items() if name in there}
    needed = sorted(tables)
    if missing := [table for table in needed if table not in made]:
        raise UnsoundError(f"not made yet: {', '.join(missing)}", needs=missing)
    if stale := [table for table in needed if made[table] != provenance.data_version]:
        raise UnsoundError(
            f"made from rows that are not loaded any more: {', '.join(stale)}", needs=stale
        )
    for table in needed:
        _require_checked(table, checks, provenance)
    return provenance


def _require_checked(asset: str, blocking: Sequence[RecordedCheck], provenance: Provenance) -> None:
    checks = [check for check in blocking if check.asset == asset]
    for check in checks:
        if check.data_version != provenance.data_version:
            raise UnsoundError(
                f"{asset} has not been checked since its rows changed", needs=[asset]
            )
        if check.status == "failed":
            raise UnsoundError(f"nothing is made from {asset} while a check fails: {check.told}")
    if asset == "pairs" and not checks:
        raise UnsoundError("pairs has not been checked yet", needs=["pairs"])


def read_made(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Which version of the rows each derived table was made from."""
    if _MADE not in _tables(connection):
        return {}
    return dict(connection.execute(f"SELECT name, data_version FROM {_MADE}").fetchall())


def _tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
