"""What a subset may be written as beside Parquet: other tables, and the files of trainers."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb

from laion_pipeline.subsets.trainers import TRAINERS, WITHIN_EXPORT, Trainer, expected_images
from laion_pipeline.warehouse.publishing import publish_csv

BATCH_ROWS = 100_000
# Takes the query for the pairs, the training size in px, and the folder to write to.
Writer = Callable[[duckdb.DuckDBPyConnection, str, int, Path], None]


def _csv(connection: duckdb.DuckDBPyConnection, query: str, _: int, folder: Path) -> None:
    publish_csv(connection, query, folder / "pairs.csv")


def _json_lines(connection: duckdb.DuckDBPyConnection, query: str, _: int, folder: Path) -> None:
    reader = connection.execute(query).to_arrow_reader(BATCH_ROWS)
    with (folder / "pairs.jsonl").open("w", encoding="utf-8", newline="\n") as stream:
        for batch in reader:
            for row in batch.to_pylist():
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def _for(trainer: Trainer) -> Writer:
    def write(connection: duckdb.DuckDBPyConnection, query: str, side: int, folder: Path) -> None:
        pairs = connection.execute(query).to_arrow_reader(BATCH_ROWS)
        trainer.write(expected_images(pairs, side), WITHIN_EXPORT, side, folder)

    return write


FORMATS: Mapping[str, Writer] = {
    "csv": _csv,
    "jsonl": _json_lines,
    **{name: _for(trainer) for name, trainer in TRAINERS.items()},
}
