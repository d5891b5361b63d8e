"""Reading what img2dataset leaves beside the images: a Parquet file and statistics a shard."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from laion_pipeline.downloads.causes import failure_of
from laion_pipeline.errors import SourceError

SCHEMA = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("cause", pa.string()),
        pa.field("http_code", pa.int16()),
        pa.field("sha256", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("date", pa.timestamp("us"), nullable=False),
    ]
)
_STATS = "_stats.json"
# By img2dataset's names; `width` and `height` of its own are those of the image after resizing.
_SIZES = {"width": "original_width", "height": "original_height"}


@dataclass(frozen=True)
class Results:
    """The results in a folder, one a row of `SCHEMA`, from so many finished shards.

    `unfinished` shards have no statistics yet, and `untold` pairs of finished ones no result.
    """

    rows: pa.Table
    shards: int
    unfinished: int
    untold: int


@dataclass(frozen=True)
class Image:
    """An image file below the folder of images: its caption, and its size in px where known."""

    file: str
    caption: str
    width: int | None
    height: int | None


def read_images(folder: Path) -> Iterator[Image]:
    """The image files that img2dataset has written, with `--output_format files`.

    Raises SourceError when what it says of them cannot be read.
    """
    for stats in _finished(folder).values():
        shard = stats.name.removesuffix(_STATS)
        wanted = ["key", "caption", "width", "height", "status"]
        told = _columns(folder / f"{shard}.parquet", wanted).sort_by("key")
        for row in told.to_pylist():
            file = f"{shard}/{row['key']}.jpg"
            if row["status"] == "success" and (folder / file).is_file():
                yield Image(file, row["caption"] or "", row["width"], row["height"])


def read_results(folder: Path) -> Results:
    """What img2dataset says of each address, in its output folder.

    Raises SourceError when it has no finished shard, or one that cannot be read.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: there is no such folder")
    stats = _finished(folder)
    parquet = {file.stem: file for file in sorted(folder.glob("*.parquet")) if file.stem.isdigit()}
    if not stats:
        raise SourceError(
            f"{folder}: has no results of img2dataset: there is no NNNNN{_STATS} in it; name the"
            " folder that was its --output_folder, after it has finished"
        )
    tables = []
    counted = 0
    for name, file in stats.items():
        count, date = _statistics(file)
        counted += count
        tables.append(_shard(parquet.get(name, folder / f"{name}.parquet"), date))
    rows = pa.concat_tables(tables)
    if not rows.num_rows:
        raise SourceError(f"{folder}: its results are of no pair at all")
    unfinished = len(parquet.keys() - stats.keys())
    return Results(rows, len(stats), unfinished, max(0, counted - rows.num_rows))


def _finished(folder: Path) -> Mapping[str, Path]:
    """The statistics of finished shards, by the shard's name."""
    files = {file.name.removesuffix(_STATS): file for file in sorted(folder.glob(f"*{_STATS}"))}
    return {name: file for name, file in files.items() if name.isdigit()}


def _columns(file: Path, needed: Sequence[str], more: Sequence[str] = ()) -> pa.Table:
    """Columns of a shard, and of the `more` those that it has."""
    if not file.is_file():
        raise SourceError(
            f"{file}: is not there, though its statistics are; img2dataset writes it with"
            " --output_format webdataset, files or parquet"
        )
    try:
        names = pq.read_schema(file).names
        if lacking := [name for name in needed if name not in names]:
            raise SourceError(f"{file}: no result of img2dataset: it has no column {lacking[0]}")
        return pq.read_table(file, columns=[*needed, *(name for name in more if name in names)])
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or "it is no whole Parquet file"
        raise SourceError(f"{file}: cannot be read: {reason}") from error


def _statistics(file: Path) -> tuple[int, datetime]:
    """How many pairs a shard has, and when it was finished."""
    try:
        told = json.loads(file.read_text("utf-8"))
        ended = datetime.fromtimestamp(float(told["end_time"]), UTC)
        return int(told["count"]), ended.replace(tzinfo=None)
    except OSError as error:
        raise SourceError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise SourceError(f"{file}: these are no statistics of img2dataset") from error


def _shard(file: Path, date: datetime) -> pa.Table:
    read = _columns(file, ["url", "status", "error_message"], ["sha256", *_SIZES.values()])
    found = {name: read[name].to_pylist() for name in read.column_names}
    rows = []
    for place, (url, status) in enumerate(zip(found["url"], found["status"], strict=True)):
        if not isinstance(url, str) or not isinstance(status, str):
            raise SourceError(f"{file}: row {place} has no url or no status")
        row = {"url": url, "status": status, "date": date}
        if status == "success":
            row |= {name: found[kept][place] for name, kept in _SIZES.items() if kept in found}
            row["sha256"] = found["sha256"][place] if "sha256" in found else None
        else:
            failure = _failure(status, found["error_message"][place])
            row |= {"cause": failure.cause, "http_code": failure.http_code}
        rows.append(row)
    try:
        return pa.Table.from_pylist(rows, SCHEMA)
    except (pa.ArrowException, TypeError) as error:
        raise SourceError(f"{file}: no result of img2dataset: {error}") from error


_failure = cache(failure_of)
