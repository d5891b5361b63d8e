"""The sample release: made-up shards laid out exactly like laion/laion2B-en-aesthetic (V1).

Everything can be run on it offline. Here is how numbers are drawn, which defects are planted and
how shards reach the disk; captions and URLs come from `text`. No row is real. The shapes of
the distributions are LAION's published figures for V1, unless the comment beside one says else.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Final

import mmh3
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from laion_pipeline.common.files import published
from laion_pipeline.sources.sample.text import Words, captions, read_words, soiled, urls

SAMPLE_ROWS: Final = 100_000
SAMPLE_SHARDS: Final = 4
PLANTED_DUPLICATE_URLS: Final = 312
"""Rows of the full sample whose URL an earlier row has with another caption; breaks no rule."""

# Raise it with any change to the rows, or folders keep the shards of the old generator.
_VERSION: Final = 1
_FEWEST_ROWS: Final = 500
_SHARD_NAME: Final = "part-{:05d}-9230b837-b1e0-4254-8b88-ed2976e9cee9-c000.snappy.parquet"
_FINGERPRINT: Final = b"laion_pipeline.sample"
_NOTE: Final = "MADE UP: generated in the layout of laion/laion2B-en-aesthetic; no row is real."
_SCHEMA: Final = pa.schema(
    [
        ("URL", pa.string()),
        ("TEXT", pa.string()),
        ("WIDTH", pa.int32()),
        ("HEIGHT", pa.int32()),
        ("similarity", pa.float64()),
        ("hash", pa.int64()),
        ("punsafe", pa.float32()),
        ("pwatermark", pa.float32()),
        ("aesthetic", pa.float32()),
    ]
)

_Value = str | float | None
_Columns = dict[str, list[_Value]]
_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]
_Defects = tuple[tuple[_Value, int], ...]

# For each rule the column, and the values that break it with their numbers of rows in the full
# sample. {} keeps broken URLs apart, and "" is there once, so as to add no duplicate URL.
_DEFECTS: Final[Mapping[str, tuple[str, _Defects]]] = {
    "url_http": ("URL", (
        (None, 7), ("", 1), ("ftp://files.prints.example/scan-{}.jpg", 6),
        ("data:image/gif;base64,R0lGODlhAQABAIAA{}", 5),
        ("//cdn.shop.example/products/{}.jpg", 4), ("/images/{}.jpg", 3),
        ("www.goldframes.example/{}.jpg", 3), ("http:///{}.jpg", 2),
    )),
    "text_present": ("TEXT", ((None, 18), ("", 12), ("   ", 8), ("\t\n", 3))),
    "width_positive": ("WIDTH", ((0, 14), (-1, 7), (-340, 2))),
    "height_positive": ("HEIGHT", ((0, 11), (-1, 6), (-(2**31), 2))),
    "similarity_range": ("similarity", (  # 6016 is a similarity seen in LAION-400M
        (None, 9), (math.nan, 8), (6016.0, 4), (-1.5, 3), (math.inf, 3), (-math.inf, 2),
    )),
    "punsafe_range": ("punsafe", (
        (None, 5), (math.nan, 4), (1.25, 3), (-0.01, 2), (math.inf, 1),
    )),
    "pwatermark_range": ("pwatermark", (
        (None, 4), (math.nan, 3), (1.5, 2), (-1.0, 1), (-math.inf, 1),
    )),
    "aesthetic_range": ("aesthetic", (  # the release's filter is strict, so 7 itself is wrong
        (7.0, 13), (None, 11), (math.nan, 9), (6.5, 8), (10.5, 6), (math.inf, 4), (-2.0, 2),
    )),
}  # fmt: skip

# Width and height in px and a weight: sizes that web sites cut their images to.
_COMMON_SIZES: Final = np.array(
    [
        *([300, 300, 9], [236, 236, 4], [236, 314, 6], [236, 354, 6], [225, 225, 4]),
        *([450, 300, 6], [300, 450, 3], [340, 270, 4], [340, 255, 2], [150, 150, 4]),
        *([170, 170, 2], [100, 100, 1], [480, 360, 5], [500, 500, 5], [600, 600, 4]),
        *([600, 400, 3], [800, 800, 2], [640, 480, 3], [360, 240, 3], [768, 1024, 2]),
        *([1024, 768, 3], [1200, 630, 1], [1080, 1080, 1], [1000, 1500, 1], [728, 60, 0.2]),
    ]
)
# The cut-off and the share of rows below it, which leaked. Above it an exponential with the median
# of the 9,461 real laion2B-multi rows in Bing-su/img2dataset_test, moved by 0.02 to this cut-off.
_CUTOFF: Final = 0.28
_LEAKED: Final = 0.0003
_MEAN_ABOVE_CUTOFF: Final = 0.0245
# The share of rows above score 7 + t is exp(-(a t + b t^2)): 6.3 % above 8 and 0.0918 % above 9.
_AESTHETIC_DECAY: Final = (2.033, 0.732)


def _scaled(count: int, rows: int) -> int:
    return max(1, count * min(rows, SAMPLE_ROWS) // SAMPLE_ROWS)


def planted(rows: int) -> Mapping[str, int]:
    """How many rows of a sample of `rows` rows break each row rule; no row breaks two.

    A smaller sample has proportionally fewer, but each way to break a rule at least once; a larger
    one has no more than the full sample.
    """
    return MappingProxyType(
        {
            rule: sum(_scaled(count, rows) for _, count in defects)
            for rule, (_, defects) in _DEFECTS.items()
        }
    )


def planted_duplicate_urls(rows: int) -> int:
    """`PLANTED_DUPLICATE_URLS` for a sample of `rows` rows, scaled like `planted`."""
    return _scaled(PLANTED_DUPLICATE_URLS, rows)


PLANTED: Final[Mapping[str, int]] = planted(SAMPLE_ROWS)
"""Rows of the full sample that break each row rule; every other row keeps every rule."""


def generate_sample(
    folder: Path, *, rows: int = SAMPLE_ROWS, shards: int = SAMPLE_SHARDS
) -> tuple[Path, ...]:
    """Write the sample release into `folder` and return its shards, in order.

    The same arguments give the same bytes, with the same pyarrow and numpy. Shards already there
    whole, from this version and these arguments, are left untouched; any other file under a shard's
    name is replaced. Shards that a sample of more shards left are removed, since a release is all
    that its folder holds.

    `rows` counts all shards together, which differ in size by a few percent; each needs 100.

    Raises ValueError for fewer than 500 rows, or more shards than they can fill.
    """
    if rows < _FEWEST_ROWS or not 1 <= shards <= rows // 100:
        raise ValueError(
            f"no sample of {rows} rows in {shards} shards:"
            f" ask for at least {_FEWEST_ROWS} rows, and 1 to rows / 100 shards"
        )
    paths = tuple(folder / _SHARD_NAME.format(shard) for shard in range(shards))
    marks = [
        json.dumps({"version": _VERSION, "rows": rows, "shards": shards, "shard": shard}).encode()
        for shard in range(shards)
    ]
    for path in folder.glob(_SHARD_NAME.replace("{:05d}", "*")):
        if path not in paths and _mark(path) is not None:
            path.unlink()
    missing = [shard for shard in range(shards) if _mark(paths[shard]) != marks[shard]]
    if missing:
        rng = np.random.default_rng((_VERSION, rows, shards))
        sizes = np.cumsum(rng.uniform(0.97, 1.03, shards))
        starts = [0, *(round(end) for end in (sizes / sizes[-1] * rows).tolist())]
        table = _table(rng, starts)
        for shard in missing:
            part = table.slice(starts[shard], starts[shard + 1] - starts[shard])
            _write_shard(part, paths[shard], marks[shard])
    return paths


def _mark(path: Path) -> bytes | None:
    """Which sample and shard a file is; None when it is missing, truncated or foreign."""
    try:
        metadata: Mapping[bytes, bytes] = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowException):
        return None
    return metadata.get(_FINGERPRINT)


def _write_shard(part: pa.Table, path: Path, mark: bytes) -> None:
    with (
        published(path) as beside,
        # Like Spark's files, without an Arrow schema and with one row group.
        pq.ParquetWriter(beside, _SCHEMA, compression="snappy", store_schema=False) as writer,
    ):
        writer.write_table(part, row_group_size=part.num_rows)
        writer.add_key_value_metadata({_FINGERPRINT: mark, b"note": _NOTE.encode()})


def _table(rng: np.random.Generator, starts: Sequence[int]) -> pa.Table:
    """All rows; the shards begin at `starts`, whose last is the number of rows."""
    words = read_words()
    columns = _clean_columns(words, rng, starts[-1])
    _plant(columns, _rows_in_turn(rng, starts), words.oddities, rng)
    columns["hash"] = [
        mmh3.hash64(f"{url or ''}{text or ''}".encode())[0]
        for url, text in zip(columns["URL"], columns["TEXT"], strict=True)
    ]
    return pa.table([pa.array(columns[f.name], f.type) for f in _SCHEMA], schema=_SCHEMA)


def _clean_columns(words: Words, rng: np.random.Generator, rows: int) -> _Columns:
    """Every column but the hash, breaking no rule and with no URL twice."""
    width, height = _sizes(rng, rows)
    # Ranks and not draws, so that a small sample has the right shares as well.
    rank = _ranks(0.3 * np.log(width * height) + rng.standard_normal(rows))
    similarity = np.where(
        rank < _LEAKED,
        _CUTOFF - 0.04 * (1 - rank / _LEAKED),
        _CUTOFF - _MEAN_ABOVE_CUTOFF * np.log1p(-np.maximum(rank - _LEAKED, 0)),
    )
    linear, square = _AESTHETIC_DECAY
    decay = -np.log(_ranks(rng.random(rows)))
    aesthetic = 7 + (np.sqrt(linear**2 + 4 * square * decay) - linear) / (2 * square)
    # Multiplying by an odd number modulo a power of two maps no two rows to the same one.
    ids = [str(row * 2_654_435_761 % 2**32) for row in range(1, rows + 1)]
    clean = captions(words, rng, rows)
    texts = soiled(words, rng, clean)
    for row in np.flatnonzero(rng.random(rows) < 0.02 * (1 - rank) ** 3).tolist():
        texts[row] = ids[row]
    return {
        "URL": [*urls(words, rng, clean, ids, width.tolist(), height.tolist())],
        "TEXT": [*texts],
        "WIDTH": width.tolist(),
        "HEIGHT": height.tolist(),
        # The models score in single precision, whatever the column's type.
        "similarity": similarity.astype(np.float32).tolist(),
        "punsafe": (0.5 * rng.beta(0.3, 5, rows)).tolist(),
        "pwatermark": (0.8 * rng.beta(0.45, 3, rows)).tolist(),
        "aesthetic": np.maximum(aesthetic, np.nextafter(np.float32(7), np.float32(8))).tolist(),
    }


def _ranks(values: _Floats) -> _Floats:
    """The share of smaller values for each, strictly between 0 and 1."""
    return (np.argsort(np.argsort(values)) + 0.5) / len(values)


def _sizes(rng: np.random.Generator, rows: int) -> tuple[_Integers, _Integers]:
    """Widths and heights in px, with quantiles (5, 50, 95 %) near those of laion2B-en."""
    width = rng.lognormal(math.log(340), 0.7, rows)
    # The heavy tails of Student's t give some aspect ratios over 10:1.
    height = width / np.exp(np.clip(0.03 + 0.24 * rng.standard_t(3, rows), -3, 3))
    weights = _COMMON_SIZES[:, 2]
    common = _COMMON_SIZES[rng.choice(len(weights), size=rows, p=weights / weights.sum())]
    is_common = rng.random(rows) < 0.5
    width = np.where(is_common, common[:, 0], width)
    height = np.where(is_common, common[:, 1], height)
    return (
        np.clip(np.rint(width), 16, 8000).astype(np.int64),
        np.clip(np.rint(height), 16, 8000).astype(np.int64),
    )


def _rows_in_turn(rng: np.random.Generator, starts: Sequence[int]) -> Iterator[int]:
    """Rows to plant in, random but from each shard in turn, so that every kind gets everywhere."""
    shards = [rng.permutation(np.arange(*ends)).tolist() for ends in pairwise(starts)]
    # Row 0 stays clean: whatever row repeats a URL, there is an earlier one.
    return (row for turn in zip(*shards, strict=False) for row in turn if row != 0)


def _plant(
    columns: _Columns, free: Iterator[int], oddities: Iterable[str], rng: np.random.Generator
) -> None:
    """Plant defects, odd captions, unknown sizes and repeated URLs, each in rows of its own."""
    rows = len(columns["URL"])
    values = [*_planted_values(rows), *(("TEXT", caption) for caption in oddities)]
    planted_rows = list(islice(free, len(values)))
    for row, (column, value) in zip(planted_rows, values, strict=True):
        columns[column][row] = value
    sizeless = list(islice(free, rows * 3 // 1000))
    for row in sizeless:
        columns["WIDTH"][row] = columns["HEIGHT"][row] = None
    repeats = list(islice(free, planted_duplicate_urls(rows)))
    clean = np.setdiff1d(np.arange(rows), planted_rows + sizeless + repeats)
    for row in repeats:
        earlier = clean[rng.integers(np.searchsorted(clean, row))]
        # It is the same image, so only the caption and its similarity are the row's own.
        for name in ("URL", "WIDTH", "HEIGHT", "punsafe", "pwatermark", "aesthetic"):
            columns[name][row] = columns[name][earlier]
        columns["TEXT"][row] = f"{columns['TEXT'][row]} (view 2)"


def _planted_values(rows: int) -> Iterator[tuple[str, _Value]]:
    """The column and the value of every defect of a sample, rule by rule."""
    for column, defects in _DEFECTS.values():
        for value, count in defects:
            for number in range(_scaled(count, rows)):
                yield column, value.format(number) if isinstance(value, str) else value
