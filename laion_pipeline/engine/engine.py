"""What computes what is made of the rows: DuckDB, in this process, unless another is asked for."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import duckdb

from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.stores import IN_WAREHOUSE, Store

if TYPE_CHECKING:
    import sqlalchemy as sa
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context import AbstractDataContext

    # What Great Expectations looks at under a name: what a query gives, or the table of that name
    # without one, of which it looks at the values in some columns only. To be run with the
    # parameters beside it.
    BatchOf = Callable[
        [str, str | None, frozenset[str]], tuple[BatchDefinition[Any], dict[str, Any]]
    ]


class Engine(Protocol):
    """Computes queries that are written in DuckDB's SQL, over the tables of an open warehouse.

    `store` is where it has the rows of `pairs`.
    """

    @property
    def store(self) -> Store:
        """Where the rows are kept."""

    def found(
        self, connection: duckdb.DuckDBPyConnection, query: str
    ) -> AbstractContextManager[str]:
        """A query of the warehouse that gives, while the block runs, what `query` does.

        In its order, and of DuckDB's types.
        """

    def judged(
        self, context: "AbstractDataContext", warehouse: Warehouse
    ) -> AbstractContextManager["BatchOf"]:
        """A warehouse as Great Expectations looks at it while the block runs.

        Raises what `Warehouse.opened` raises.
        """

    def close(self) -> None:
        """End what was begun to compute."""


class DuckDB:
    """The warehouse itself."""

    store: Store = IN_WAREHOUSE

    def found(
        self, _connection: duckdb.DuckDBPyConnection, query: str
    ) -> AbstractContextManager[str]:
        """Let it find what it is asked for."""
        return nullcontext(query)

    @contextmanager
    def judged(self, context: "AbstractDataContext", warehouse: Warehouse) -> Iterator["BatchOf"]:
        """Let it look at the file through a read-only connection of its own."""
        from sqlalchemy import create_engine

        # Quoted, or a % or $ of the path would be read as more than itself.
        address = f"duckdb:///{quote(str(warehouse.file))}?access_mode=READ_ONLY"
        options: dict[str, Any] = {
            # Great Expectations fetches after it has given the connection back, when DuckDB's
            # results would be gone with the roll-back.
            "isolation_level": "AUTOCOMMIT",
            "skip_autocommit_rollback": True,
            "connect_args": {"config": warehouse.config()},
        }
        # Great Expectations does not wait for a file that another process holds. This connection
        # does. While it is open, others of this process find the file open, and shut, already.
        engine = create_engine(address, **options)
        guard = warehouse.opened(lambda: _connect(engine))
        for statement in warehouse.shutting():
            guard.exec_driver_sql(statement)
        source = context.data_sources.add_sql(  # type: ignore[call-arg]  # `kwargs` is a field
            "warehouse", connection_string=address, kwargs=options
        )

        def batch_of(
            name: str, query: str | None, _looked_at: frozenset[str]
        ) -> "tuple[BatchDefinition[Any], dict[str, Any]]":
            data = (
                source.add_table_asset(name, table_name=name)
                if query is None
                else source.add_query_asset(name, query=query)
            )
            return data.add_batch_definition_whole_table("all"), {}

        try:
            yield batch_of
        finally:
            source.get_execution_engine().close()
            source.get_engine().dispose()
            guard.close()
            engine.dispose()

    def close(self) -> None:
        """Leave the warehouse to those who open it."""


DUCKDB = DuckDB()


def _connect(engine: "sa.Engine") -> "sa.Connection":
    from sqlalchemy.exc import DBAPIError

    try:
        return engine.connect()
    except DBAPIError as error:
        raise error.orig or error from error
