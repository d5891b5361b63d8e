"""A subset described for machines, with where each field comes from."""

from collections.abc import Mapping, Sequence
from typing import Any

from laion_pipeline import __version__
from laion_pipeline.common.croissant import dataset, field, record_set
from laion_pipeline.releases.columns import COLUMNS_BY_NAME
from laion_pipeline.warehouse.provenance import Provenance

_TYPES = {"text": "sc:Text", "whole": "sc:Integer", "real": "sc:Float"}


def croissant(
    subset: str, provenance: Provenance, columns: Sequence[str], file: str, sha256: str
) -> str:
    """The description of a subset that is in one Parquet `file`, as JSON-LD.

    Each field names the column of the release, at its revision, that it was derived from.
    """
    origin = provenance.address
    description = (
        "Pairs of an image's address and its caption, chosen from"
        f" {provenance.title} at revision {provenance.revision} by laion-pipeline {__version__}."
    )
    pairs = record_set("pairs", origin, (_field(name, file, origin) for name in columns))
    return dataset(subset, description, origin, {file: sha256}, [pairs])


def _field(name: str, file: str, origin: str) -> Mapping[str, Any]:
    column = COLUMNS_BY_NAME["text" if name == "caption" else name]
    data_type = "sc:URL" if name == "url" else _TYPES[column.kind]
    described_at = [f"{origin}#{column.name}"]
    return field("pairs", name, column.description, data_type, file, described_at)
