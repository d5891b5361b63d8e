"""The derived tables that can be handed on: those from which no caption and no address is read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from laion_pipeline.errors import WarehouseError
from laion_pipeline.paths import Paths
from laion_pipeline.report.story import STORY
from laion_pipeline.warehouse.provenance import Provenance

# The columns of a pair by which it, or who made it, can be found.
_HASH = "hash"
_TELLING = {"url", "text", _HASH}
# What is made of them and handed on all the same: words, hosts and counts of many pairs.
_OF_MANY = {
    *("caption_words.word", "host_counts.host", "domain_summary.domain"),
    *("duplicate_summary.place", "duplicate_summary.copies", "duplicate_summary.groups"),
    *("duplicate_summary.pairs", "duplicate_summary.removed", "duplicate_summary.removed_share"),
}
_RUN_AGAIN = "run again, and then publish"


@dataclass(frozen=True)
class Column:
    """A column of a table: what it means, and the release's columns that its values are made of."""

    name: str
    description: str
    made_of: Sequence[str]


@dataclass(frozen=True)
class Aggregate:
    """A derived table, as it was made of a revision."""

    name: str
    description: str
    sql: str
    columns: Sequence[Column]
    rows: pa.Table


def read_aggregates(
    paths: Paths, provenance: Provenance
) -> tuple[Sequence[Aggregate], Mapping[str, str]]:
    """The tables that can be handed on, and why each of the others is left out.

    Raises WarehouseError where a table, or what is known of its columns, is not there, or is of
    another revision.
    """
    lineage = _Lineage.read(paths)
    handed_on, left_out = [], {}
    for name in sorted(lineage.tables, key=_place):
        told, rows = lineage.tables[name], _read(paths, name, provenance)
        if tell := [column for column in rows.column_names if lineage.tells(name, column, rows)]:
            left_out[name] = f"its {', '.join(tell)} would tell of single pairs"
            continue
        columns = [
            Column(column, description, sorted(lineage.made_of(name, column)))
            for column, description in told.columns.items()
        ]
        handed_on.append(Aggregate(name, told.description, told.sql, columns, rows))
    return handed_on, left_out


def _place(name: str) -> tuple[int, str]:
    """Where the report tells of a table; those that it does not tell of come last, by name."""
    told = [table for section in STORY for table in section.tables]
    return (told.index(name) if name in told else len(told), name)


@dataclass(frozen=True)
class _Table:
    """What `lineage.json` says of a derived table.

    `direct` has for each column those that its values are computed from, each as table and column.
    """

    description: str
    sql: str
    columns: Mapping[str, str]
    direct: Mapping[str, frozenset[tuple[str, str]]]

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "_Table":
        facets = event["outputs"][0]["facets"]
        return cls(
            str(facets["documentation"]["description"]),
            str(event["job"]["facets"]["sql"]["query"]),
            {field["name"]: field["description"] for field in facets["schema"]["fields"]},
            {
                column: frozenset(
                    (source["name"], source["field"])
                    for source in lineage["inputFields"]
                    if any(how["type"] == "DIRECT" for how in source["transformations"])
                )
                for column, lineage in facets["columnLineage"]["fields"].items()
            },
        )


@dataclass(frozen=True)
class _Lineage:
    """The derived tables by their names."""

    tables: Mapping[str, _Table]

    @classmethod
    def read(cls, paths: Paths) -> "_Lineage":
        try:
            events = json.loads(paths.lineage.read_text("utf-8"))
            made_by_sql = (event for event in events if "sql" in event["job"]["facets"])
            return cls({event["job"]["name"]: _Table.of(event) for event in made_by_sql})
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise WarehouseError(f"{paths.lineage}: cannot be read; {_RUN_AGAIN}") from error

    def tells(self, table: str, column: str, rows: pa.Table) -> bool:
        """Whether single pairs could be found by the values of a column."""
        type_ = rows.schema.field(column).type
        is_text = not (
            pt.is_integer(type_) or pt.is_floating(type_) or pt.is_boolean(type_)
            or pt.is_temporal(type_)
        )  # fmt: skip
        made_of = {name.rpartition(".")[2] for name in self.made_of(table, column)}
        if f"{table}.{column}" in _OF_MANY:
            return False
        return bool(made_of & (_TELLING if is_text else {_HASH}))

    def made_of(self, table: str, column: str) -> frozenset[str]:
        """The columns of what is loaded that a column's values are computed from, as table.column.

        Through all tables between.
        """
        found: set[str] = set()
        seen = {(table, column)}
        ahead = [(table, column)]
        while ahead:
            of, name = ahead.pop()
            if of not in self.tables:
                found.add(f"{of}.{name}")
                continue
            for source in self.tables[of].direct.get(name, frozenset()) - seen:
                seen.add(source)
                ahead.append(source)
        return frozenset(found)


def _read(paths: Paths, name: str, provenance: Provenance) -> pa.Table:
    file = paths.tables / f"{name}.parquet"
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise WarehouseError(f"{file}: cannot be read; {_RUN_AGAIN}") from error
    revision = (table.schema.metadata or {}).get(b"laion_pipeline.revision", b"").decode()
    if revision != provenance.revision:
        raise WarehouseError(
            f"{file}: is of revision {revision or 'none'}, but {provenance.revision} is loaded;"
            f" {_RUN_AGAIN}"
        )
    return table
