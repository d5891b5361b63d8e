"""The revision before: which shards it had, and what is needed of the rows that were replaced.

Loading deletes a changed shard's rows, so it keeps their keys first, in the same transaction. The
revision before is the last one that was loaded completely; loads that were interrupted, or of the
first few shards only, leave it what it is, and so do those that lost many rows unconfirmed.
"""

from collections.abc import Mapping, Sequence

import duckdb

from laion_pipeline.contract.tables import LOST_ROWS, MOST_LOST, RETAINED
from laion_pipeline.warehouse.ledger import LEDGER_COLUMNS
from laion_pipeline.warehouse.provenance import Provenance
from laion_pipeline.warehouse.views import PAIR_KEYS_COLUMNS

PREVIOUS_TABLES: Mapping[str, Mapping[str, str]] = {
    "previous_shards": {
        name: LEDGER_COLUMNS[name] for name in ("shard_id", "path", "revision", "sha256", "rows")
    },
    "replaced_pairs": PAIR_KEYS_COLUMNS,
}


def forget_previous(connection: duckdb.DuckDBPyConnection) -> None:
    """There is no revision before."""
    for table in PREVIOUS_TABLES:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    _create(connection)


def begin_change(connection: duckdb.DuckDBPyConnection, *, made_up: bool) -> None:
    """What is loaded completely now is about to become the revision before.

    Made-up rows are no revision of real ones, nor the other way round.
    """
    _create(connection)
    now = Provenance.find(connection)
    if now is not None and now.made_up != made_up:
        forget_previous(connection)
    elif now is not None and now.complete and not _lost_too_much(connection, now):
        forget_previous(connection)
        columns = ", ".join(PREVIOUS_TABLES["previous_shards"])
        connection.execute(f"INSERT INTO previous_shards SELECT {columns} FROM shards")


def _lost_too_much(connection: duckdb.DuckDBPyConnection, now: Provenance) -> bool:
    """Whether what is loaded lost many rows, which nobody has confirmed.

    It is then no revision to compare with, or the next change would make up for the loss.
    """
    try:
        found = connection.execute(
            "SELECT status = 'failed' FROM check_results WHERE name = ? AND data_version = ?",
            [RETAINED, now.data_version],
        ).fetchone()
    except (duckdb.CatalogException, duckdb.BinderException):  # nothing checked, or of old
        found = None
    if found is not None:
        return bool(found[0])
    lost, all_rows = connection.execute(
        f"SELECT (SELECT coalesce(sum(before.rows - coalesce(now.rows, 0)), 0) {LOST_ROWS}),"
        " (SELECT coalesce(sum(rows), 0) FROM previous_shards)"
    ).fetchall()[0]
    return bool(lost > MOST_LOST * all_rows)


def _create(connection: duckdb.DuckDBPyConnection) -> None:
    for table, columns in PREVIOUS_TABLES.items():
        typed = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({typed})")


def keep_replaced(connection: duckdb.DuckDBPyConnection, shard_ids: Sequence[int]) -> None:
    """Keep the keys of rows that are about to be deleted, where the revision before had them."""
    connection.execute(
        "INSERT INTO replaced_pairs SELECT pair_keys.* FROM pair_keys"
        " WHERE list_contains(?, shard_id)"
        " AND shard_id IN (SELECT shards.shard_id FROM shards JOIN previous_shards"
        " ON shards.shard_id = previous_shards.shard_id AND shards.sha256 = previous_shards.sha256)"
        " AND shard_id NOT IN (SELECT DISTINCT shard_id FROM replaced_pairs)",
        [list(shard_ids)],
    )
