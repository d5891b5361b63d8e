"""What files hold, described for machines: Croissant 1.1, as JSON-LD.

The form is that of https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_TERMS = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject"),
    *("fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField"),
    *("path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
    *("separator", "source", "subField", "transform"),
)
_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}
_DERIVED = "prov:wasDerivedFrom"


def dataset(
    name: str,
    description: str,
    origin: str,
    parquet: Mapping[str, str],
    record_sets: Sequence[Mapping[str, Any]],
) -> str:
    """The description of Parquet files, given their SHA-256 by name, that were made from `origin`.

    `origin` is an address or a name of what they are derived from.
    """
    files = [
        {
            "@type": "cr:FileObject",
            "@id": file,
            "name": file,
            "contentUrl": file,
            "encodingFormat": "application/x-parquet",  # as Croissant and the Hub name it
            "sha256": sha256,
        }
        for file, sha256 in parquet.items()
    ]
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": description,
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "url": origin,
        "version": "1.0.0",
        _DERIVED: {"@id": origin},
        "distribution": files,
        "recordSet": record_sets,
    }
    return json.dumps(described, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def record_set(
    name: str, origin: str, fields: Iterable[Mapping[str, Any]], description: str = ""
) -> Mapping[str, Any]:
    """A table of the fields that `field` gives."""
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        **({"description": description} if description else {}),
        _DERIVED: {"@id": origin},
        "field": list(fields),
    }


def field(
    of: str, name: str, description: str, data_type: str, file: str, derived_from: Sequence[str]
) -> dict[str, Any]:
    """A column of a Parquet file in the record set `of`, and the addresses it is derived from."""
    sources = [{"@id": address} for address in derived_from]
    return {
        "@type": "cr:Field",
        "@id": f"{of}/{name}",
        "name": name,
        "description": description,
        "dataType": data_type,
        "source": {"fileObject": {"@id": file}, "extract": {"column": name}},
        _DERIVED: sources[0] if len(sources) == 1 else sources,
    }
