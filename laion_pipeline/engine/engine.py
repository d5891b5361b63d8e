"""What computes what is made of the rows: DuckDB, in this process, unless another is asked for."""

from typing import Protocol

import duckdb
import pyarrow as pa

from laion_pipeline.warehouse.connections import quoted


class Engine(Protocol):
    """Computes queries that are written in DuckDB's SQL, over the tables of an open warehouse."""

    def find(self, connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
        """What a query gives, in its order and of DuckDB's types."""

    def create_table(self, connection: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
        """Make what a query gives a table of the warehouse, in its order and of DuckDB's types.

        It takes the place of one that is there, which the query may read.
        """


class DuckDB:
    """The warehouse itself."""

    def find(self, connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
        """Execute a query."""
        return connection.execute(query).to_arrow_table()

    def create_table(self, connection: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
        """Make a table."""
        connection.execute(f"CREATE OR REPLACE TABLE {quoted(name)} AS {query}")


DUCKDB = DuckDB()
