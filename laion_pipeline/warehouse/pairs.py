"""The columns of `pairs`, wherever its rows are kept, and what it says of them itself."""

from dataclasses import dataclass

import duckdb

from laion_pipeline.contract import quarantine_rules
from laion_pipeline.releases.columns import COLUMNS_BY_NAME
from laion_pipeline.releases.release import Release


@dataclass(frozen=True)
class PairsColumn:
    """A column of `pairs`, with its DuckDB type."""

    name: str
    sql_type: str
    nullable: bool
    description: str


def pairs_columns(release: Release) -> tuple[PairsColumn, ...]:
    """The columns of `pairs` for a release, in order.

    What a shard says may be missing, since no row is dropped; what loading adds may not.
    """
    data = (COLUMNS_BY_NAME[name] for name in release.columns)
    marks = ", ".join(f"{rule.mask} {rule.name}" for rule in quarantine_rules(release))
    return (
        *(
            PairsColumn(
                c.name, c.sql_type, True, f"{c.description}{f', in {c.unit}' * bool(c.unit)}"
            )
            for c in data
        ),
        PairsColumn("shard_id", "INTEGER", False, "The shard that the row is from"),
        PairsColumn("defects", "INTEGER", False, f"Bit mask of the rules that it breaks: {marks}"),
    )


def reading(release: Release) -> str:
    """How a release's shards are read, for the table to say: rows read otherwise are of no use."""
    spellings = "; ".join(f"{c.name} {' '.join(c.spellings)}" for c in release.canonical_columns)
    return f"read as {spellings}"


def has_columns(connection: duckdb.DuckDBPyConnection, release: Release) -> bool:
    """Whether `pairs` has all of the release's columns, of types that can be read as theirs."""
    there = {name: _kind(sql_type) for name, sql_type, _ in columns_there(connection)}
    return all(there.get(c.name) == _kind(c.sql_type) for c in pairs_columns(release))


def _kind(sql_type: str) -> str:
    """Types of a kind can be read as each other."""
    if sql_type in ("DOUBLE", "FLOAT"):
        return "real"
    return "whole" if sql_type.endswith("INT") or sql_type == "INTEGER" else sql_type


def columns_there(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, bool]]:
    """The columns that `pairs` has, each by its name and type, and whether it may hold nulls."""
    return connection.execute(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns()"
        " WHERE table_name = 'pairs' ORDER BY column_index"
    ).fetchall()


def count_rows(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """How many rows there are, and how many of them are in quarantine."""
    rows, quarantined = connection.execute(
        "SELECT count(*), count(*) FILTER (defects <> 0) FROM pairs"
    ).fetchall()[0]
    return rows, quarantined


def marking(connection: duckdb.DuckDBPyConnection) -> str | None:
    """By which rules the rows are marked: a fingerprint of theirs, none before the first load."""
    rows = connection.execute(
        "SELECT comment FROM duckdb_columns()"
        " WHERE table_name = 'pairs' AND column_name = 'defects'"
    ).fetchall()
    return rows[0][0] if rows else None
