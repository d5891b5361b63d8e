"""A subset described for machines: Croissant 1.1, with where each field comes from.

The form is that of https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from laion_pipeline import __version__
from laion_pipeline.releases.columns import COLUMNS_BY_NAME
from laion_pipeline.warehouse.provenance import Provenance

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
_TYPES = {"text": "sc:Text", "whole": "sc:Integer", "real": "sc:Float"}


def croissant(
    subset: str, provenance: Provenance, columns: Sequence[str], file: str, sha256: str
) -> str:
    """The description of a subset that is in one Parquet `file`, as JSON-LD.

    Each field names the column of the release, at its revision, that it was derived from.
    """
    origin = _origin(provenance)
    return json.dumps(
        {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "name": subset,
            "description": f"Pairs of an image's address and its caption, chosen from"
            f" {provenance.title} at revision {provenance.revision} by laion-pipeline"
            f" {__version__}.",
            "conformsTo": "http://mlcommons.org/croissant/1.1",
            "license": "https://creativecommons.org/licenses/by/4.0/",
            "url": origin,
            "version": "1.0.0",
            "prov:wasDerivedFrom": {"@id": origin},
            "distribution": [
                {
                    "@type": "cr:FileObject",
                    "@id": file,
                    "name": file,
                    "contentUrl": file,
                    "encodingFormat": "application/x-parquet",  # as Croissant and the Hub name it
                    "sha256": sha256,
                }
            ],
            "recordSet": [
                {
                    "@type": "cr:RecordSet",
                    "@id": "pairs",
                    "name": "pairs",
                    "prov:wasDerivedFrom": {"@id": origin},
                    "field": [_field(name, file, origin) for name in columns],
                }
            ],
        },
        indent=2,
        ensure_ascii=False,
    )


def _field(name: str, file: str, origin: str) -> Mapping[str, Any]:
    column = COLUMNS_BY_NAME["text" if name == "caption" else name]
    return {
        "@type": "cr:Field",
        "@id": f"pairs/{name}",
        "name": name,
        "description": column.description,
        "dataType": "sc:URL" if name == "url" else _TYPES[column.kind],
        "source": {"fileObject": {"@id": file}, "extract": {"column": name}},
        "prov:wasDerivedFrom": {"@id": f"{origin}#{column.name}"},
    }


def _origin(provenance: Provenance) -> str:
    """The address of the release's revision; a name where it is not on the Hub."""
    if provenance.repo:
        return f"https://huggingface.co/datasets/{provenance.repo}/tree/{provenance.revision}"
    return f"urn:laion-pipeline:{provenance.release}:{provenance.revision}"
