"""Statistics described for machines: of each column its lineage, and what its values are like."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from laion_pipeline import __version__
from laion_pipeline.common.croissant import dataset, field, record_set
from laion_pipeline.statistics.aggregates import Aggregate
from laion_pipeline.warehouse.provenance import Provenance


def croissant(
    name: str, provenance: Provenance, tables: Sequence[Aggregate], files: Mapping[str, str]
) -> str:
    """The description of the tables in Parquet, whose SHA-256 are in `files`, as JSON-LD.

    Each field names the columns of the release, at its revision, that it is made of.
    """
    description = (
        f"Exact statistics of {provenance.title} at revision {provenance.revision}, without any"
        f" address or caption of its pairs, by laion-pipeline {__version__}."
    )
    if provenance.made_up:
        description = f"Made-up data. {description}"
    sets = [
        record_set(
            table.name, provenance.address, _fields(table, provenance.address), table.description
        )
        for table in tables
    ]
    return dataset(name, description, provenance.address, files, sets)


def file_of(table: Aggregate) -> str:
    """Where a table lies below the folder."""
    return f"tables/{table.name}.parquet"


def _fields(table: Aggregate, origin: str) -> Iterator[Mapping[str, Any]]:
    for column in table.columns:
        made_of = sorted({name.rpartition(".")[2] for name in column.made_of})
        sources = [f"{origin}#{name}" for name in made_of] or [origin]
        values = table.rows.column(column.name)
        described = field(
            table.name, column.name, column.description, _type(values.type), file_of(table), sources
        )
        yield {**described, "additionalProperty": list(_facts(values))}


def _type(type_: pa.DataType) -> str:
    if pt.is_integer(type_):
        return "sc:Integer"
    if pt.is_floating(type_):
        return "sc:Float"
    if pt.is_boolean(type_):
        return "sc:Boolean"
    return "sc:DateTime" if pt.is_temporal(type_) else "sc:Text"


def _facts(values: pa.ChunkedArray) -> Iterator[Mapping[str, Any]]:
    """How many values there are, of how many kinds, and between which they lie."""
    facts: dict[str, Any] = {
        "rows": len(values),
        "nulls": values.null_count,
        "distinct": pc.count_distinct(values).as_py(),
    }
    if pt.is_integer(values.type) or pt.is_floating(values.type):
        ends = pc.min_max(values).as_py()
        facts |= {"minimum": ends["min"], "maximum": ends["max"], "mean": pc.mean(values).as_py()}
    for name, value in facts.items():
        if value is not None:
            shown = value if math.isfinite(value) else str(value)
            yield {"@type": "sc:PropertyValue", "name": name, "value": shown}
