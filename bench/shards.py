"""Made-up shards in V1's layout at any size: the sample's rows, taken apart and put together anew.

Each shard has one row group and about 120 compressed bytes a row. The same number of rows and
shards gives the same rows.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import mmh3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from laion_pipeline.common.files import published
from laion_pipeline.sources.sample.shards import generate_sample

V1_ROWS, V1_SHARDS = 52_068_913, 128
_BASE_ROWS = 100_000
# The share of rows that are there again and again, and how often each of them is on average.
_REPEATED, _TIMES = 0.02, 4
_SCORES = ("similarity", "punsafe", "pwatermark", "aesthetic")


def generate(folder: Path, rows: int, processes: int = 2) -> None:
    """Write `rows` rows into as many shards as V1 would have of them, but for those that are there.

    Raises OutputError when the folder cannot be written.
    """
    base = folder / "base"
    generate_sample(base, rows=_BASE_ROWS, shards=1)
    shards = max(1, round(rows * V1_SHARDS / V1_ROWS))
    bounds = np.linspace(0, rows, shards + 1, dtype=np.int64)
    with ProcessPoolExecutor(processes) as pool:
        counts = (int(bounds[shard + 1] - bounds[shard]) for shard in range(shards))
        for _ in pool.map(partial(_write_shard, folder, base, rows), range(shards), counts):
            pass


def _write_shard(folder: Path, base: Path, all_rows: int, shard: int, rows: int) -> None:
    file = folder / f"part-{shard:05}.snappy.parquet"
    if file.exists():
        return
    drawn = np.random.default_rng(shard)
    # The sample's planted defects are few by its numbers; here they would be as few a shard.
    table = pq.read_table(next(base.glob("*.parquet")))
    whole = table.filter(~np.array(_has_defect(table)))
    # A pair is made from its number; some numbers are drawn from few, so that they come again.
    numbers = drawn.integers(2**62, size=rows)
    repeated = drawn.random(rows) < _REPEATED
    numbers[repeated] %= max(1, round(all_rows * _REPEATED / _TIMES))
    one, other = (whole.take(pa.array(numbers * factor % whole.num_rows)) for factor in (1, 7919))
    urls = [
        f"{url.partition('?')[0]}?id={number:x}"
        for url, number in zip(one["URL"].to_pylist(), numbers, strict=True)
    ]
    texts = [
        f"{first[: len(first) // 2]}{second[len(second) // 2 :]}"
        for first, second in zip(one["TEXT"].to_pylist(), other["TEXT"].to_pylist(), strict=True)
    ]
    hashes = [mmh3.hash64((url + text).encode())[0] for url, text in zip(urls, texts, strict=True)]
    made = {
        **{name: one[name] for name in one.column_names},
        "URL": pa.array(urls),
        "TEXT": pa.array(texts),
        "hash": pa.array(hashes, pa.int64()),
    }
    for name in _SCORES:
        # Between two scores that are there, so that few are alike.
        share = drawn.random(rows)
        mixed = share * one[name].to_numpy() + (1 - share) * other[name].to_numpy()
        made[name] = pa.array(mixed).cast(one.schema.field(name).type)
    with published(file) as beside:
        pq.write_table(pa.table(made), beside, compression="snappy", row_group_size=rows)


def _has_defect(table: pa.Table) -> list[bool]:
    columns = [table[name].to_pylist() for name in ("URL", "TEXT", "WIDTH", "HEIGHT", *_SCORES)]
    return [
        not url or not url.startswith("http") or not text or not text.strip()
        or width is None or height is None or width <= 0 or height <= 0
        or any(score is None or not 0 <= score <= 10 for score in scores)
        for url, text, width, height, *scores in zip(*columns, strict=True)
    ]  # fmt: skip
