"""Provenance: the release and the revision that everything in a warehouse is derived from.

There is none while `pairs` is being changed, so that nothing is derived from half of a change.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import duckdb

from laion_pipeline.errors import WarehouseError
from laion_pipeline.releases import Release
from laion_pipeline.shards import Listing

_DDL = """
CREATE TABLE IF NOT EXISTS provenance (
    release VARCHAR, title VARCHAR, repo VARCHAR, revision VARCHAR, origin VARCHAR,
    made_up BOOLEAN, score_model VARCHAR, loaded_at TIMESTAMP
)
"""


@dataclass(frozen=True)
class Provenance:
    """Where the rows of `pairs` come from; `made_up` when they are nobody's real data.

    `loaded_at` is in UTC.
    """

    release: str
    title: str
    repo: str
    revision: str
    origin: str
    made_up: bool
    score_model: str
    loaded_at: datetime

    @classmethod
    def read(cls, connection: duckdb.DuckDBPyConnection) -> Self:
        """The provenance of an open warehouse.

        Raises WarehouseError while there is none: before the first load and after a broken one.
        """
        try:
            row = connection.execute("SELECT * FROM provenance").fetchone()
        except duckdb.CatalogException:
            row = None
        if row is None:
            raise WarehouseError("pairs is not completely loaded: materialize the asset `pairs`")
        return cls(*row)


def withdraw_provenance(connection: duckdb.DuckDBPyConnection) -> None:
    """Say that `pairs` is about to change, and so is of no revision for now."""
    connection.execute(_DDL)
    connection.execute("DELETE FROM provenance")


def record_provenance(
    connection: duckdb.DuckDBPyConnection, release: Release, listing: Listing
) -> None:
    """Say that `pairs` holds just the shards of the listing; if it says so already, leave it."""
    fields = [
        release.name,
        release.title or release.name,
        release.repo,
        listing.revision,
        listing.origin,
        listing.made_up,
        release.score_model,
    ]
    connection.execute(_DDL)
    recorded = connection.execute("SELECT * EXCLUDE (loaded_at) FROM provenance").fetchone()
    if recorded != tuple(fields):
        withdraw_provenance(connection)
        connection.execute(
            "INSERT INTO provenance VALUES (?, ?, ?, ?, ?, ?, ?, now() AT TIME ZONE 'UTC')", fields
        )
