"""The layout of a shard: which of its columns is which of the contract's, and whether it fits."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from pyarrow import types

from laion_pipeline.errors import LayoutError
from laion_pipeline.releases.columns import Column
from laion_pipeline.releases.release import Release, catalogue
from laion_pipeline.text import displayable, listed

# How a column's values are stored, as far as it matters for reading them.
Storage = Literal["text", "bytes", "whole", "real", "nothing"]
# What files of tables that went through a spreadsheet have around a column's name.
_PADDING = "\ufeff \t\r\n"


@dataclass(frozen=True)
class SourceColumn:
    """A canonical column, the column of a shard that it is loaded from, and the type it has there.

    Shards are read as one table only where all of this is equal: DuckDB would take the first one's
    types for all.
    """

    column: Column
    name: str
    stored_type: str
    storage: Storage

    @property
    def is_number_in_text(self) -> bool:
        """Whether numbers are written out as text, as in a table that was once a CSV file."""
        return self.column.kind != "text" and self.storage == "text"


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
            same = "all of one name" if len(set(names)) == 1 else "which differ only in case"
            raise LayoutError(
                f"{shard}: has {listed(names)}, {same}: which one is {column.name}? Rename one of"
                " them in the shard"
            )
        layout.append(_source_column(column, schema.field(names[0]), shard))
    return tuple(layout)


def _source_column(column: Column, field: pa.Field, shard: str) -> SourceColumn:
    storage = _storage(field.type)
    # A column of text that is typed as numbers is one of nothing but nulls, by pandas: loading sees
    # to that. Bytes are text that was written without saying so.
    wrong = storage == "whole" if column.kind == "text" else storage == "bytes"
    if storage is None or wrong:
        wanted = "text" if column.kind == "text" else "whole numbers or floats"
        raise LayoutError(
            f"{shard}: column {displayable(field.name, 200)} holds"
            f" {displayable(str(field.type), 200)}, but {column.name} needs {wanted}: is"
            " LAION_RELEASE the right release for these shards?"
        )
    return SourceColumn(column, field.name, str(field.type), storage)


def _storage(type_: pa.DataType) -> Storage | None:
    """How values of a type are stored; None where nothing of the contract is."""
    stored = type_.value_type if types.is_dictionary(type_) else type_
    if types.is_string(stored) or types.is_large_string(stored) or types.is_string_view(stored):
        return "text"
    if types.is_binary(stored) or types.is_large_binary(stored) or types.is_binary_view(stored):
        return "bytes"
    if types.is_integer(stored):
        return "whole"
    if types.is_floating(stored):
        return "real"
    return "nothing" if types.is_null(stored) else None


def _missing(release: Release, column: Column, schema: pa.Schema, shard: str) -> LayoutError:
    wanted = [" or ".join(wanted.spellings) for wanted in release.canonical_columns]
    return LayoutError(
        f"{shard}: lacks {column.name} ({' or '.join(column.spellings)}), which {release.name} has;"
        f" columns found: {listed(schema.names)}; columns wanted: {listed(wanted)};"
        f" {_advice(column, schema)}"
    )


def _advice(column: Column, schema: pa.Schema) -> str:
    spellings = {spelling.casefold() for spelling in column.spellings}
    for name in schema.names:
        if name.strip(_PADDING).casefold() in spellings:
            return (
                f'"{name}" would be {column.name}, but for the blanks or the byte-order mark about'
                " it: rename it in the shard"
            )
    fitting = [other for other in catalogue().values() if _names_fit(other, schema)]
    most = max((len(other.columns) for other in fitting), default=0)
    describe = "describe yours in a .toml file, and name that in LAION_RELEASE"
    if not fitting:
        return f"no release of the catalogue has these columns: {describe}"
    return (
        f"of the catalogue {listed(r.name for r in fitting if len(r.columns) == most)} would fit:"
        " if the shards are of one of these, name it in LAION_RELEASE; if they are of another"
        f" release that has the same columns, {describe}"
    )


def _names_fit(release: Release, schema: pa.Schema) -> bool:
    present = {name.casefold() for name in schema.names}
    return all(
        any(spelling.casefold() in present for spelling in column.spellings)
        for column in release.canonical_columns
    )
