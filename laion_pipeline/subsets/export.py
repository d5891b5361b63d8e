"""Writing a subset: its pairs as Parquet, and what is needed to use it and to make it again."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from laion_pipeline import __version__
from laion_pipeline.common.files import sha256_of, workplace
from laion_pipeline.common.manifests import digests, put_in_place
from laion_pipeline.errors import WarehouseError
from laion_pipeline.images.hosts import HostRules
from laion_pipeline.releases.release import Release
from laion_pipeline.subsets.card import card
from laion_pipeline.subsets.conditions import CHOSEN
from laion_pipeline.subsets.croissant import croissant
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.formats import BATCH_ROWS, FORMATS
from laion_pipeline.subsets.host_consent import HostConsent, leave_consenting
from laion_pipeline.subsets.preview import Preview, preview_of
from laion_pipeline.subsets.selecting import Selected, select
from laion_pipeline.warehouse.provenance import Provenance

logger = logging.getLogger(__name__)

PAIRS = "pairs.parquet"
# The columns of an export; those that a release lacks are left out.
_COLUMNS = ("url", "caption", "width", "height", "similarity", "punsafe", "pwatermark",
            "aesthetic", "hash", "language", "license")  # fmt: skip


@dataclass(frozen=True)
class Export:
    """What was written: the folder, its files with their SHA-256, and a look at the pairs.

    `consent` is what hosts said, where they were asked.
    """

    folder: Path
    files: Mapping[str, str]
    preview: Preview
    consent: HostConsent | None = None

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return self.preview.pairs


def export(
    connection: duckdb.DuckDBPyConnection,
    chosen: SubsetFilter,
    release: Release,
    folder: Path,
    said: Mapping[str, HostRules] | None = None,
) -> Export:
    """Write the subset that a filter makes of an open warehouse into `folder`.

    Beside Parquet in the filter's formats too. The same filter on the same rows gives the
    same bytes, with the same versions of the libraries, and where hosts were asked with the same
    that they `said`. What an export before left there is replaced, and nothing else; until it is
    whole there is no manifest.

    Raises SettingsError where the filter is not for this release, WarehouseError where no pair is
    left, and OutputError when the folder cannot be written.
    """
    provenance = Provenance.read(connection)
    selected = select(connection, chosen, release)
    if not selected.pairs:
        raise WarehouseError(
            f"{chosen.name}: no pair is left; see with preview after which condition there are none"
        )
    if said is not None:
        steps, consent = leave_consenting(connection, said)
        selected = replace(selected, steps=[*selected.steps, *steps], consent=consent)
        if not selected.pairs:
            raise WarehouseError(f"{chosen.name}: no pair is left by its hosts: {consent.told()}")
    return write(connection, selected, release, provenance, folder)


def write(
    connection: duckdb.DuckDBPyConnection,
    selected: Selected,
    release: Release,
    provenance: Provenance,
    folder: Path,
) -> Export:
    """Write the pairs that are in `CHOSEN` into `folder`, with what describes them.

    Raises OutputError when the folder cannot be written.
    """
    names = [name for name in _COLUMNS if name == "caption" or name in release.columns]
    columns = ", ".join("text AS caption" if name == "caption" else name for name in names)
    query = f"SELECT {columns} FROM {CHOSEN} ORDER BY place, rowid"
    with workplace(folder) as made:
        _write_parquet(connection, query, made / PAIRS)
        for name in selected.formats:
            FORMATS[name](connection, query, selected.train_size, made)
        (made / "README.md").write_text(
            card(connection, release, provenance, selected, names), "utf-8"
        )
        described = croissant(selected.name, provenance, names, PAIRS, sha256_of(made / PAIRS))
        (made / "croissant.json").write_text(described, "utf-8")
        files = digests(made)
        put_in_place(made, folder, _manifest(provenance, selected, files))
    logger.info("%s: %s pairs in %s", selected.name, f"{selected.pairs:,}", folder)
    shown = preview_of(connection, selected, release, provenance)
    return Export(folder, files, shown, selected.consent)


def _write_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    reader = connection.execute(query).to_arrow_reader(BATCH_ROWS)
    # Chunked by content, so that the Hub stores only what differs from one revision to the next,
    # and with an index of pages, so that it shows a part without reading all.
    with path.open("wb") as file:
        sink = _Patient(file)
        with pq.ParquetWriter(
            sink,
            reader.schema,
            compression="zstd",
            use_content_defined_chunking=True,
            write_page_index=True,
        ) as writer:
            for batch in reader:
                writer.write_table(pa.Table.from_batches([batch]))
                sink.require_written()
        sink.require_written()


class _Patient:
    """A file that says only when it is asked that it could not be written.

    Arrow, where it chunks by content, ends the whole process at the first error.
    """

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = 0
        self._error: OSError | None = None

    def tell(self) -> int:
        """How many bytes were given to be written."""
        return self._size

    def write(self, data: bytes) -> int:
        """Write them, if nothing went wrong before."""
        try:
            if self._error is None:
                self._file.write(data)
        except OSError as error:
            self._error = error
        self._size += len(data)
        return len(data)

    def flush(self) -> None:
        """See that all is written, if nothing went wrong before."""
        try:
            if self._error is None:
                self._file.flush()
        except OSError as error:
            self._error = error

    def require_written(self) -> None:
        """Raises OSError where something could not be written."""
        self.flush()
        if self._error is not None:
            raise self._error


def _manifest(
    provenance: Provenance, selected: Selected, files: Mapping[str, str]
) -> Mapping[str, Any]:
    return {
        "name": selected.name,
        "release": provenance.release,
        "revision": provenance.revision,
        "origin": provenance.origin,
        "made_up": provenance.made_up,
        "complete": provenance.complete,
        **selected.recorded,
        "steps": [
            {"condition": step.words, "pairs": step.pairs, "sql": step.sql, "values": step.values}
            for step in selected.steps
        ],
        **_consent(selected.consent),
        "pairs": selected.pairs,
        "files": files,
        "versions": {
            "laion-pipeline": __version__,
            **{name: version(name) for name in ("duckdb", "pyarrow")},
        },
    }


def _consent(consent: HostConsent | None) -> Mapping[str, Any]:
    if consent is None:
        return {}
    asked = [f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in consent.asked]
    return {"host_consent": {**asdict(consent), "asked": asked}}
