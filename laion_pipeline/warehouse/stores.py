"""Where the rows of `pairs` are kept: by default in the warehouse's own file, as a table."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import duckdb

from laion_pipeline.releases.release import Release
from laion_pipeline.sources.shards import Shard
from laion_pipeline.warehouse.connections import literal
from laion_pipeline.warehouse.ledger import Entry
from laion_pipeline.warehouse.pairs import columns_there, pairs_columns, reading
from laion_pipeline.warehouse.shard_rows import ShardFile, select_rows
from laion_pipeline.warehouse.views import valid_pairs_query

# The view that has the pairs with a number `row` for each, where they are not rows of a table.
NUMBERED = "numbered_pairs"


class Store(Protocol):
    """Keeps the rows that all else reads as `pairs`.

    What changes them is called within a transaction, and does all that it says or nothing.
    """

    def holds(self, connection: duckdb.DuckDBPyConnection, release: Release) -> bool:
        """Whether `pairs` is kept here, with the release's columns, read as they are read now."""

    def lost(self, connection: duckdb.DuckDBPyConnection) -> Sequence[int]:
        """The ids of shards whose rows are not there any more, for no doing of ours."""

    def create(self, connection: duckdb.DuckDBPyConnection, release: Release) -> None:
        """Make an empty `pairs`, in place of one that is there."""

    def insert(
        self, connection: duckdb.DuckDBPyConnection, release: Release, shards: Sequence[ShardFile]
    ) -> None:
        """Add the rows of shards. Raises duckdb.Error where one cannot be read."""

    def delete(
        self, connection: duckdb.DuckDBPyConnection, release: Release, shard_ids: Sequence[int]
    ) -> None:
        """Take out the rows of shards."""

    def mark(self, connection: duckdb.DuckDBPyConnection, release: Release, defects: str) -> None:
        """Mark all rows again; `defects` is the SQL for a row's mask."""

    def tidy(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Remove what is of no use after the transaction, whether it came to its end or not."""


class InWarehouse:
    """Rows in a table of the warehouse."""

    def holds(self, connection: duckdb.DuckDBPyConnection, release: Release) -> bool:
        """Whether there is such a table, just as `create` makes it."""
        comment = connection.execute(
            "SELECT comment FROM duckdb_tables() WHERE table_name = 'pairs'"
        ).fetchall()
        wanted = [(c.name, c.sql_type, c.nullable) for c in pairs_columns(release)]
        return columns_there(connection) == wanted and comment == [(reading(release),)]

    def lost(self, _connection: duckdb.DuckDBPyConnection) -> Sequence[int]:
        """None: who changes the table changes what the ledger is compared with, too."""
        return ()

    def create(self, connection: duckdb.DuckDBPyConnection, release: Release) -> None:
        """Make an empty table."""
        drop_pairs(connection)
        columns = ", ".join(
            f"{c.name} {c.sql_type}{'' if c.nullable else ' NOT NULL'}"
            for c in pairs_columns(release)
        )
        connection.execute(f"CREATE TABLE pairs ({columns})")
        connection.execute(f"COMMENT ON TABLE pairs IS {literal(reading(release))}")
        describe_columns(connection, release)

    def insert(
        self, connection: duckdb.DuckDBPyConnection, release: Release, shards: Sequence[ShardFile]
    ) -> None:
        """Add rows, with a statement for all shards that are laid out alike."""
        # Shards of one statement are read as one table, so they must be laid out alike.
        for layout in dict.fromkeys(shard.layout for shard in shards):
            alike = [shard for shard in shards if shard.layout == layout]
            select, parameters = select_rows(release, layout, alike)
            connection.execute(f"INSERT INTO pairs BY NAME {select}", parameters)

    def delete(
        self, connection: duckdb.DuckDBPyConnection, _release: Release, shard_ids: Sequence[int]
    ) -> None:
        """Delete rows."""
        connection.execute("DELETE FROM pairs WHERE list_contains(?, shard_id)", [list(shard_ids)])

    def mark(self, connection: duckdb.DuckDBPyConnection, _release: Release, defects: str) -> None:
        """Update all rows."""
        connection.execute(f"UPDATE pairs SET defects = {defects}")

    def tidy(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Leave all to DuckDB."""


IN_WAREHOUSE = InWarehouse()


def drop_pairs(connection: duckdb.DuckDBPyConnection) -> None:
    """Remove `pairs`, whatever keeps its rows."""
    (views,) = connection.execute(
        "SELECT count(*) FROM duckdb_views() WHERE view_name = 'pairs'"
    ).fetchall()[0]
    connection.execute(f"DROP VIEW IF EXISTS {NUMBERED}")
    connection.execute(f"DROP {'VIEW' if views else 'TABLE'} IF EXISTS pairs CASCADE")


def numbered_valid_pairs(connection: duckdb.DuckDBPyConnection, release: Release) -> str:
    """The query of the view `valid_pairs`, with a number `row` by which a pair is found again.

    Numbers are in the order in which pairs are kept, and the same until something is loaded.
    """
    numbered = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE view_name = ?", [NUMBERED]
    ).fetchall()
    if numbered:
        return valid_pairs_query(release, "row", source=NUMBERED)
    return valid_pairs_query(release, "rowid AS row")


def describe_columns(connection: duckdb.DuckDBPyConnection, release: Release) -> None:
    """Say of each column what it is, but of `defects`, which says by which rules it was marked."""
    for column in pairs_columns(release):
        if column.name != "defects":
            connection.execute(
                f"COMMENT ON COLUMN pairs.{column.name} IS {literal(column.description)}"
            )


def read_ledger(
    connection: duckdb.DuckDBPyConnection, release: Release, store: Store
) -> Mapping[str, Entry]:
    """What the warehouse holds, by path: nothing where its rows were read or kept in another way.

    A shard whose rows the store has lost is there with a content that none has.
    """
    if not store.holds(connection, release):
        return {}
    rows = connection.execute("SELECT shard_id, path, sha256, bytes FROM shards").fetchall()
    lost = set(store.lost(connection))
    return {
        path: Entry(id_, Shard(path, "" if id_ in lost else sha256, size))
        for id_, path, sha256, size in rows
    }
