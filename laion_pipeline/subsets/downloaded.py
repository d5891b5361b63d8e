"""After a download: a second attempt at what failed, and the files of trainers for what came."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from laion_pipeline.common.files import cannot_write, sha256_of, workplace
from laion_pipeline.common.manifests import MANIFEST
from laion_pipeline.contract.captions import CAPTION_FACTS
from laion_pipeline.downloads.recorded import LATEST, has_downloads
from laion_pipeline.downloads.results import read_images
from laion_pipeline.errors import SourceError, WarehouseError
from laion_pipeline.releases.columns import COLUMNS
from laion_pipeline.releases.release import Release
from laion_pipeline.subsets.conditions import CHOSEN, OF_CAPTIONS
from laion_pipeline.subsets.export import PAIRS, Export, write
from laion_pipeline.subsets.keeping import Step
from laion_pipeline.subsets.selecting import Selected
from laion_pipeline.subsets.trainers import TRAINERS, Places
from laion_pipeline.warehouse.provenance import Provenance

_SUFFIX = "-retry"
_FAILED = f"url IN (SELECT url FROM ({LATEST}) WHERE passing)"
_WORDS = "its download failed for a reason that may pass: DNS, a timeout, HTTP 429 or 5xx"
_THEN = ("release", "revision", "origin", "made_up", "complete")
_NEEDED = {*_THEN, "filter", "lists", "steps"}
_FORMS = {"formats", "train_size"}


def retry(connection: duckdb.DuckDBPyConnection, exported: Path, release: Release) -> Export:
    """Write the pairs of an export whose last download failed for a reason that may pass.

    They come into a folder beside it, of the same name with `-retry`. They are those of the export,
    in its order, whatever the warehouse holds now.

    Raises SourceError when there is no such export or it is not as it was written, WarehouseError
    where nothing of it is to be tried again, and OutputError when the folder cannot be written.
    """
    manifest = _manifest(exported)
    if not has_downloads(connection):
        raise WarehouseError(
            f"{exported.name}: no results of a download are known yet; read them with"
            " laion-pipeline subset results"
        )
    connection.register("exported", _pairs(exported))
    facts = ", ".join(f"{CAPTION_FACTS[fact]} AS {fact}" for fact in OF_CAPTIONS)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {CHOSEN} AS SELECT {facts}, * FROM exported WHERE {_FAILED}"
    )
    ((left,),) = connection.execute(f"SELECT count(*) FROM {CHOSEN}").fetchall()
    if not left:
        raise WarehouseError(
            f"{exported.name}: nothing failed for a reason that may pass, by the results that were"
            " read"
        )
    name = exported.name.removesuffix(_SUFFIX) + _SUFFIX
    steps = [
        Step(step["condition"], step["pairs"], sql=step["sql"], values=step["values"])
        for step in manifest["steps"]
    ]
    selected = Selected(
        name,
        f"of {exported.name}",
        {"retry_of": exported.name, **{of: manifest[of] for of in ("filter", "lists")}},
        [*steps, Step(_WORDS, left, sql=_FAILED)],
        manifest["filter"]["formats"],
        manifest["filter"]["train_size"],
    )
    # Of the revision that the export was of, which may be another by now.
    provenance = replace(Provenance.read(connection), **{fact: manifest[fact] for fact in _THEN})
    return write(connection, selected, release, provenance, exported.with_name(name))


def write_for_trainers(folder: Path) -> None:
    """Write an export's files of trainers once more, into its folder of images.

    They name the images that are there, by their whole paths, with their own sizes.

    Raises SourceError when what img2dataset says of them cannot be read, OutputError when they
    cannot be written.
    """
    folder = folder.resolve()
    try:
        asked = json.loads((folder.parent / MANIFEST).read_text("utf-8"))["filter"]
        trainers = [name for name in asked["formats"] if name in TRAINERS]
        side = int(asked["train_size"])
    except (OSError, ValueError, KeyError, TypeError):  # it is in no export
        return
    images = list(read_images(folder)) if trainers else []
    if not images:
        return
    try:
        with workplace(folder / "trainers") as made:
            for name in trainers:
                TRAINERS[name].write(images, Places(str(folder), str(folder)), side, made)
            for file in sorted(made.iterdir()):
                file.replace(folder / file.name)
    except OSError as error:
        raise cannot_write(folder, error) from error


def _manifest(exported: Path) -> Mapping[str, Any]:
    try:
        manifest: Mapping[str, Any] = json.loads((exported / MANIFEST).read_text("utf-8"))
        if sha256_of(exported / PAIRS) != manifest["files"][PAIRS]:
            raise SourceError(f"{exported / PAIRS}: not as its manifest says; export it again")
    except OSError as error:
        there = sorted(file.parent.name for file in exported.parent.glob(f"*/{MANIFEST}"))
        raise SourceError(
            f"{exported}: there is no such export; there are {', '.join(there) or 'none'}"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{exported / MANIFEST}: this is no manifest of an export") from error
    if _NEEDED - manifest.keys() or _FORMS - manifest["filter"].keys():
        raise SourceError(f"{exported / MANIFEST}: of another version; export it again")
    return manifest


def _pairs(exported: Path) -> pa.Table:
    """The pairs of an export under the names that the warehouse has for them, with their places."""
    read = pq.read_table(exported / PAIRS)
    pairs = read.rename_columns(["text" if n == "caption" else n for n in read.column_names])
    for column in COLUMNS:
        if column.name not in pairs.column_names:
            pairs = pairs.append_column(column.name, pa.nulls(pairs.num_rows))
    return pairs.append_column("place", pa.array(range(pairs.num_rows)))
