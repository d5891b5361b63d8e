"""Tables by shard: of shards whose rows are as they were, what was counted before still stands.

Such a table is one whose name ends in `_by_shard`. Its first column is `shard_id`, and each of its
rows tells of the valid pairs of that shard alone, so that its SQL gives the same for a shard
whichever others it is asked for with. Tables that tell of the whole release sum these.
"""

from collections.abc import Sequence

import duckdb

from laion_pipeline.quality.results import find_checks
from laion_pipeline.warehouse.connections import quoted
from laion_pipeline.warehouse.pairs import marking
from laion_pipeline.warehouse.provenance import version_of
from laion_pipeline.warehouse.stores import NUMBERED

SUFFIX = "_by_shard"
_COUNTED = "counted_shards"


def is_by_shard(name: str) -> bool:
    """Whether the table of that name is one."""
    return name.endswith(SUFFIX)


def query_by_shard(
    connection: duckdb.DuckDBPyConnection, name: str, sql: str, code_version: str
) -> tuple[str, int]:
    """What makes the table what it has to be: kept lines, and those of all other shards by `sql`.

    Beside it, how many rows those shards have. Ordered by all columns, so that the table is the
    same to the row whatever was kept.
    """
    kept, others = _shards(connection, name, _version(connection, code_version))
    parts = [f"SELECT * FROM ({sql}\n) WHERE shard_id IN ({_listed(others)})"]
    if kept:
        parts.append(f"SELECT * FROM {quoted(name)} WHERE shard_id IN ({_listed(kept)})")
    ((rows,),) = connection.execute(
        f"SELECT coalesce(sum(rows), 0) FROM shards WHERE shard_id IN ({_listed(others)})"
    ).fetchall()
    return f"{' UNION ALL '.join(parts)} ORDER BY ALL", int(rows)


def record_counted(connection: duckdb.DuckDBPyConnection, name: str, code_version: str) -> None:
    """Keep which shards the table is now counted of, each as it was loaded, and how."""
    connection.execute(f"DELETE FROM {_COUNTED} WHERE name = ?", [name])
    connection.execute(
        f"INSERT INTO {_COUNTED} SELECT ?, ?, shard_id, loaded_at FROM shards",
        [name, _version(connection, code_version)],
    )


def _version(connection: duckdb.DuckDBPyConnection, code_version: str) -> str:
    """How a shard's rows are counted, which of them are valid, and what the views make of them."""
    views = connection.execute(
        "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal AND NOT temporary"
        " AND view_name NOT IN ('pairs', ?) ORDER BY view_name",  # which say where the rows are
        [NUMBERED],
    ).fetchall()
    return version_of(code_version, marking(connection), views)


def _shards(
    connection: duckdb.DuckDBPyConnection, name: str, version: str
) -> tuple[list[int], list[int]]:
    """The shards whose lines stand, and the others; none stand of a table found to be wrong."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {_COUNTED}"
        " (name VARCHAR, version VARCHAR, shard_id INTEGER, loaded_at TIMESTAMP)"
    )
    is_wrong = any(c.asset == name and c.status == "failed" for c in find_checks(connection))
    standing = connection.execute(
        f"SELECT shard_id, name IS NOT NULL FROM shards LEFT JOIN (FROM {_COUNTED} WHERE name = ?"
        " AND version = ? AND name IN (SELECT table_name FROM duckdb_tables()))"
        " USING (shard_id, loaded_at) ORDER BY shard_id",
        [name, version],
    ).fetchall()
    kept = [shard_id for shard_id, stands in standing if stands and not is_wrong]
    return kept, [shard_id for shard_id, _ in standing if shard_id not in set(kept)]


def _listed(shard_ids: Sequence[int]) -> str:
    return ", ".join(map(str, shard_ids)) or "NULL"
