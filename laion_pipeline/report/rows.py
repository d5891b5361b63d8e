"""Rows as the page gets them: what a query finds, by the names of its columns."""

from collections.abc import Mapping, Sequence

import duckdb

Row = Mapping[str, object]


def rows_of(connection: duckdb.DuckDBPyConnection, query: str) -> Sequence[Row]:
    """What a query of an open warehouse finds."""
    rows: Sequence[Row] = connection.execute(query).to_arrow_table().to_pylist()
    return rows
