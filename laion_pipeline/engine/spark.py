"""Apache Spark as the engine: it reads `pairs` from files, and gives back tables that are small.

What else such a query reads, Spark is handed by the warehouse; the views it has by their own SQL. A
query that does not read `pairs` is the warehouse's own.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import duckdb
from sqlglot import exp, parse_one

from laion_pipeline.common.places import Place, store_of
from laion_pipeline.engine.cluster import Cluster
from laion_pipeline.engine.spark_sql import parts_of, spark_sql
from laion_pipeline.engine.workers import frame_of, written_by
from laion_pipeline.releases.release import Release
from laion_pipeline.warehouse.connections import Warehouse, quoted
from laion_pipeline.warehouse.lineage import column_lineage
from laion_pipeline.warehouse.parquet_store import InParquet
from laion_pipeline.warehouse.views import view_queries

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context import AbstractDataContext
    from pyspark.sql import DataFrame, SparkSession

    from laion_pipeline.engine.engine import BatchOf

# Its numbers are DuckDB's, and kept from one revision to the next: another engine's are others.
_OF_DUCKDB = "pair_keys"
_PAIRS = "pairs"
_FOUND = "found_by_spark"


@dataclass(frozen=True)
class Spark:
    """Spark, over the rows of a release that are kept in files."""

    cluster: Cluster
    release: Release
    store: InParquet

    @classmethod
    def over(cls, release: Release, folder: Place, cluster: Cluster) -> Self:
        """Spark over rows that its workers keep in `folder`."""
        return cls(cluster, release, InParquet(folder, cluster.task_memory, written_by(cluster)))

    @contextmanager
    def found(self, connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[str]:
        """Have Spark find it. Raises EngineError where it fails."""
        reads = self._reads(connection, query)
        if _OF_DUCKDB in reads or _PAIRS not in reads:
            yield query
            return
        own = connection.sql(query)  # which is not computed, only seen to be a query
        with self._seen(connection, query) as frame:
            found = frame.toArrow()
        columns = ", ".join(
            f"CAST({quoted(theirs)} AS {type_}) AS {quoted(ours)}"
            for theirs, ours, type_ in zip(found.column_names, own.columns, own.types, strict=True)
        )
        connection.register(_FOUND, found)
        try:
            yield f"SELECT {columns} FROM {_FOUND}"
        finally:
            connection.unregister(_FOUND)

    @contextmanager
    def judged(self, context: "AbstractDataContext", warehouse: Warehouse) -> Iterator["BatchOf"]:
        """Let it look at frames of Spark's."""
        source = context.data_sources.add_spark("spark", persist=False)
        with warehouse.connect(read_only=True) as connection, ExitStack() as held:

            def batch_of(
                name: str, query: str | None, looked_at: frozenset[str]
            ) -> "tuple[BatchDefinition[Any], dict[str, Any]]":
                data = source.add_dataframe_asset(name)
                seen = (query, None) if query else (f"SELECT * FROM {name}", looked_at)
                frame = held.enter_context(self._seen(connection, *seen))
                return data.add_batch_definition_whole_dataframe("all"), {"dataframe": frame}

            yield batch_of

    def close(self) -> None:
        """End Spark."""
        self.cluster.stop()

    @contextmanager
    def _seen(
        self,
        connection: duckdb.DuckDBPyConnection,
        query: str,
        looked_at: frozenset[str] | None = None,
    ) -> Iterator["DataFrame"]:
        """What Spark finds by a query while the block runs, as its own frame.

        With `looked_at`, the values in its other columns may be missing.
        """
        parts, rest = parts_of(query)
        with self.cluster.computing() as session, ExitStack() as held:
            for name in self._reads(connection, query):
                frame = self._frame(session, connection, name, query, looked_at)
                frame.createOrReplaceTempView(name)
            for part in parts:
                frame = session.sql(part.sql)
                if part.kept:
                    held.callback(frame.persist().unpersist)
                    frame.count()  # now, so that Spark knows how few they are where it joins them
                frame.createOrReplaceTempView(part.name)
            yield session.sql(rest)

    @cached_property
    def _views(self) -> Mapping[str, str]:
        return view_queries(self.release)

    def _reads(self, connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, None]:
        """All tables and views that a query reads, through others too, each after what it reads."""
        kept = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        there = {_PAIRS, *self._views, *(name for (name,) in kept)}
        reads: dict[str, None] = {}
        # Some may be names that the query gives to parts of itself, which does no harm.
        named = {table.name for table in parse_one(query, dialect="duckdb").find_all(exp.Table)}
        for name in sorted(named & there):
            if name in self._views:
                reads |= self._reads(connection, self._views[name])
            reads[name] = None
        return reads

    def _frame(
        self,
        session: "SparkSession",
        connection: duckdb.DuckDBPyConnection,
        name: str,
        query: str,
        looked_at: frozenset[str] | None,
    ) -> "DataFrame":
        """A table or view of the warehouse as Spark sees it, of which `query` reads something."""
        if name in self._views:
            return session.sql(spark_sql(self._views[name]))
        if name == _PAIRS and (files := self.store.files(connection)):
            if store_of(self.store.folder):
                columns = self._columns(connection, query, looked_at)
                return frame_of(session, files, self.release, columns)
            return session.read.parquet(*map(str, files))
        return session.createDataFrame(connection.table(name).to_arrow_table())

    def _columns(
        self, connection: duckdb.DuckDBPyConnection, query: str, looked_at: frozenset[str] | None
    ) -> frozenset[str]:
        """The columns of `pairs` that have any influence on what is looked at of a query."""
        columns = connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns()"
        ).fetchall()
        schema: dict[str, dict[str, str]] = {}
        for table, column, type_ in columns:
            if table not in self._views:
                schema.setdefault(table, {})[column] = type_
        views: dict[str, exp.Query | Callable[[], exp.Query]] = {
            name: _parsed(view) for name, view in self._views.items()
        }
        expanded = _parsed(exp.expand(_parsed(query), views, dialect="duckdb").sql("duckdb"))
        read = (
            lineage.all
            for name, lineage in column_lineage(expanded, schema).items()
            if looked_at is None or name in looked_at
        )
        tables = (column.split(".", 1) for column in frozenset().union(*read))
        return frozenset(column for table, column in tables if table == _PAIRS)


def _parsed(query: str) -> exp.Query:
    parsed = parse_one(query, dialect="duckdb")
    assert isinstance(parsed, exp.Query)
    return parsed
