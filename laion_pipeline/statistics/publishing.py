"""Writing the statistics of a release into a folder, to be handed on as it is."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq

from laion_pipeline import __version__
from laion_pipeline.charts import CHARTS
from laion_pipeline.charts.chart import read_drawing
from laion_pipeline.common.files import workplace
from laion_pipeline.common.manifests import digests, put_in_place
from laion_pipeline.errors import WarehouseError
from laion_pipeline.paths import Paths
from laion_pipeline.quality.results import find_checks, tally
from laion_pipeline.statistics.aggregates import Aggregate, read_aggregates
from laion_pipeline.statistics.card import Picture, Told, card
from laion_pipeline.statistics.croissant import croissant, file_of
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.pairs import count_rows
from laion_pipeline.warehouse.provenance import Provenance

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Statistics:
    """What was written: of what, the SHA-256 of the files in `folder`, and why tables are not."""

    release: str
    revision: str
    folder: Path
    files: Mapping[str, str]
    left_out: Mapping[str, str]


def publish_statistics(warehouse: Warehouse, paths: Paths, folder: Path) -> Statistics:
    """Write tables, charts and what describes them into `folder`.

    What was published there before is replaced, and nothing else. The same tables give the same
    bytes, with the same versions of the libraries.

    Raises WarehouseError where something has not been made of the revision that is loaded, and
    OutputError when the folder cannot be written.
    """
    with warehouse.connect(read_only=True) as connection:
        provenance = Provenance.read(connection)
        rows, quarantined = count_rows(connection)
        checks = tally(find_checks(connection))
    tables, left_out = read_aggregates(paths, provenance)
    with workplace(folder) as made:
        for table in tables:
            _write(table, provenance, made / file_of(table))
        parquet = digests(made)
        pictures = _copy_charts(paths, made / "charts")
        name = f"{provenance.release}-statistics"
        (made / "croissant.json").write_text(croissant(name, provenance, tables, parquet), "utf-8")
        (made / "lineage.json").write_text(_lineage(paths, provenance), "utf-8")
        told = Told(provenance, rows, quarantined, checks, tables, left_out, pictures)
        (made / "README.md").write_text(card(name, told), "utf-8")
        files = digests(made)
        put_in_place(made, folder, _manifest(provenance, files))
    logger.info("%s: %s tables, %s charts in %s", name, len(tables), len(pictures), folder)
    return Statistics(provenance.release, provenance.revision, folder, files, left_out)


def _write(table: Aggregate, provenance: Provenance, file: Path) -> None:
    """As Parquet that says where it is from, but not from which folder of this machine."""
    facts = {
        "release": provenance.release,
        "revision": provenance.revision,
        "origin": provenance.address,
        "made_up": str(provenance.made_up).lower(),
        "sql": table.sql,
        "columns": json.dumps({column.name: column.description for column in table.columns}),
    }
    metadata = {f"laion_pipeline.{name}": fact for name, fact in facts.items()}
    file.parent.mkdir(exist_ok=True)
    pq.write_table(table.rows.replace_schema_metadata(metadata), file, compression="zstd")


def _copy_charts(paths: Paths, folder: Path) -> Sequence[Picture]:
    folder.mkdir()
    pictures = []
    for chart in CHARTS:
        png = paths.charts / f"{chart.name}.png"
        for file in (png, png.with_suffix(".svg")):
            try:
                content = file.read_bytes()
            except OSError as error:
                raise WarehouseError(f"{file}: no such chart", needs=[chart.name]) from error
            (folder / file.name).write_bytes(content)
        pictures.append(Picture(f"charts/{png.name}", read_drawing(png).alt))
    return pictures


def _lineage(paths: Paths, provenance: Provenance) -> str:
    """What is known of what is made from what, with the release's address for where it was read."""
    told = json.loads(paths.lineage.read_text("utf-8"))
    for event in told:
        for source in event.get("inputs", []):
            if source["namespace"] == provenance.origin:
                source["namespace"] = provenance.address
    return json.dumps(told, indent=1, sort_keys=True) + "\n"


def _manifest(provenance: Provenance, files: Mapping[str, str]) -> Mapping[str, object]:
    return {
        "release": provenance.release,
        "revision": provenance.revision,
        "origin": provenance.address,
        "made_up": provenance.made_up,
        "complete": provenance.complete,
        "files": files,
        "versions": {
            "laion-pipeline": __version__,
            **{name: version(name) for name in ("duckdb", "pyarrow", "matplotlib")},
        },
    }
