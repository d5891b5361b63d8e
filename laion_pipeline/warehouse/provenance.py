"""Provenance: the release and the revision that everything in a warehouse is derived from.

There is none while `pairs` is being changed, so that nothing is derived from half of a change.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Self

import duckdb

from laion_pipeline.contract import defects_expression
from laion_pipeline.errors import WarehouseError
from laion_pipeline.releases.release import Release
from laion_pipeline.sources.shards import Listing
from laion_pipeline.warehouse.pairs import reading
from laion_pipeline.warehouse.suffixes import suffixes_version


@dataclass(frozen=True)
class Provenance:
    """Where the rows of `pairs` come from; `made_up` when they are nobody's real data.

    `complete` when all shards of the revision are loaded, not only the first few. `loaded_at` is
    in UTC. `data_version` is made from the content of the shards, from how they are read, and from
    the list of public suffixes: while it is the same, so is what is made of the rows.
    """

    release: str
    title: str
    repo: str
    revision: str
    origin: str
    made_up: bool
    score_model: str
    complete: bool
    loaded_at: datetime
    data_version: str

    @property
    def address(self) -> str:
        """Where the revision is on the Hub; a name of it where it is not there."""
        if self.repo:
            return f"https://huggingface.co/datasets/{self.repo}/tree/{self.revision}"
        return f"urn:laion-pipeline:{self.release}:{self.revision}"

    @classmethod
    def read(cls, connection: duckdb.DuckDBPyConnection) -> Self:
        """The provenance of an open warehouse.

        Raises WarehouseError while there is none: before the first load and after a broken one.
        """
        provenance = cls.find(connection)
        if provenance is None:
            raise WarehouseError("pairs is not completely loaded", needs=["pairs"])
        return provenance

    @classmethod
    def find(cls, connection: duckdb.DuckDBPyConnection) -> Self | None:
        """The provenance of an open warehouse, if it has one that this version can read."""
        names = ", ".join(field.name for field in fields(cls))
        try:
            row = connection.execute(f"SELECT {names} FROM provenance").fetchone()
        except (duckdb.CatalogException, duckdb.BinderException):
            return None
        return None if row is None else cls(*row)


def version_of(*parts: object) -> str:
    """A short text that is equal just for equal parts."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


_SQL_TYPES = {str: "VARCHAR", bool: "BOOLEAN", datetime: "TIMESTAMP"}
PROVENANCE_COLUMNS: Mapping[str, str] = {
    name: _SQL_TYPES[type_] for name, type_ in Provenance.__annotations__.items()
}


def withdraw_provenance(connection: duckdb.DuckDBPyConnection) -> None:
    """Say that `pairs` is about to change, and so is of no revision for now."""
    typed = ", ".join(f"{name} {type_}" for name, type_ in PROVENANCE_COLUMNS.items())
    connection.execute(f"CREATE OR REPLACE TABLE provenance ({typed})")


def record_provenance(
    connection: duckdb.DuckDBPyConnection, release: Release, listing: Listing
) -> None:
    """Say that `pairs` holds just the shards of the listing; if it says so already, leave it."""
    now = datetime.now(UTC).replace(tzinfo=None)
    shards = connection.execute("SELECT path, sha256 FROM shards ORDER BY path").fetchall()
    provenance = Provenance(
        release=release.name,
        title=release.title or release.name,
        repo=release.repo,
        revision=listing.revision,
        origin=listing.origin,
        made_up=listing.made_up,
        score_model=release.score_model,
        complete=listing.complete,
        loaded_at=now,
        data_version=version_of(
            shards, reading(release), defects_expression(release), suffixes_version()
        ),
    )
    recorded = Provenance.find(connection)
    if recorded is None or replace(recorded, loaded_at=now) != provenance:
        withdraw_provenance(connection)
        marks = ", ".join("?" * len(fields(Provenance)))
        connection.execute(f"INSERT INTO provenance VALUES ({marks})", astuple(provenance))
