"""The layout of a shard: which of its columns is which of the contract's, and whether it fits."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from laion_pipeline.errors import LayoutError
from laion_pipeline.releases.columns import Column
from laion_pipeline.releases.release import Release, catalogue


@dataclass(frozen=True)
class SourceColumn:
    """A canonical column, the column of a shard that it is loaded from, and the type it has there.

    Shards are read as one table only where all of this is equal: DuckDB would take the first one's
    types for all.
    """

    column: Column
    name: str
    stored_type: str
    is_float: bool


Layout = tuple[SourceColumn, ...]


def match_layout(release: Release, schema: pa.Schema, shard: str) -> Layout:
    """Find each of the release's columns in a shard's schema, by name, whatever the case.

    Raises LayoutError naming `shard` when a column is missing, is there twice, or holds another
    kind of value.
    """
    found: dict[str, list[str]] = {}
    for name in schema.names:
        found.setdefault(name.casefold(), []).append(name)
    layout = []
    for column in release.canonical_columns:
        names = next((found[s.casefold()] for s in column.spellings if s.casefold() in found), None)
        if names is None:
            raise _missing(release, column, schema, shard)
        if len(names) > 1:
            raise LayoutError(
                f"{shard}: has {_list(names)}, which differ only in case: which one is"
                f" {column.name}? Rename one of them in the shard"
            )
        layout.append(_source_column(column, schema.field(names[0]), shard))
    return tuple(layout)


def _source_column(column: Column, field: pa.Field, shard: str) -> SourceColumn:
    stored = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    is_text = (
        pa.types.is_string(stored)
        or pa.types.is_large_string(stored)
        or pa.types.is_string_view(stored)
    )
    is_float = pa.types.is_floating(stored)
    fits = is_text if column.kind == "text" else is_float or pa.types.is_integer(stored)
    # pandas writes a column of nothing but nulls with a type of its own.
    if not fits and not pa.types.is_null(stored):
        wanted = "text" if column.kind == "text" else "whole numbers or floats"
        raise LayoutError(
            f"{shard}: column {field.name} holds {field.type}, but {column.name} needs {wanted}:"
            " is LAION_RELEASE the right release for these shards?"
        )
    return SourceColumn(column, field.name, str(field.type), is_float)


def _missing(release: Release, column: Column, schema: pa.Schema, shard: str) -> LayoutError:
    known = catalogue()
    fitting = [other for other in known.values() if _names_fit(other, schema)]
    most = max((len(other.columns) for other in fitting), default=0)
    advice = (
        "use most of these columns: "
        + _list([other.name for other in fitting if len(other.columns) == most])
        if fitting
        else "have these columns: none; describe yours in a .toml file and name that in"
        " LAION_RELEASE"
    )
    wanted = [" or ".join(wanted.spellings) for wanted in release.canonical_columns]
    return LayoutError(
        f"{shard}: lacks {column.name} ({' or '.join(column.spellings)}), which {release.name} has;"
        f" columns found: {_list(schema.names)}; columns wanted: {_list(wanted)};"
        f" releases known: {_list(known)}; of those {advice}"
    )


def _names_fit(release: Release, schema: pa.Schema) -> bool:
    present = {name.casefold() for name in schema.names}
    return all(
        any(spelling.casefold() in present for spelling in column.spellings)
        for column in release.canonical_columns
    )


def _list(names: Mapping[str, object] | list[str] | tuple[str, ...]) -> str:
    return ", ".join(names)
