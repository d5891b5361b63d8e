"""A sample of rows for what is too slow to be asked of all, the same for the same rows."""

from collections.abc import Sequence

import duckdb
import mmh3
import pyarrow as pa

from laion_pipeline.contract.tables import HASH_MISMATCHES, ROW_SAMPLE, ROW_SAMPLE_ROWS
from laion_pipeline.releases.release import Release

# Cheap to read and different from row to row; captions and URLs would take seconds.
_KEY_COLUMNS = ("hash", "similarity", "width", "height")


def draw_row_sample(connection: duckdb.DuckDBPyConnection, release: Release) -> None:
    """Make the temporary table ROW_SAMPLE, and HASH_MISMATCHES from it, which is kept.

    The sample is of ROW_SAMPLE_ROWS rows, or of all where there are fewer, chosen by their values
    alone: neither the order of loading nor chance changes it.
    """
    keys = [name for name in _KEY_COLUMNS if name in release.columns]
    rows = connection.execute("SELECT count(*) FROM pairs").fetchall()[0][0]
    drawn = _draw(connection, release, keys, rows) if keys else 0
    if drawn < min(rows, ROW_SAMPLE_ROWS):  # those columns are much the same in all rows
        _draw(connection, release, ["url", "text"], ROW_SAMPLE_ROWS)
    if "hash" in release.columns:
        _find_mismatches(connection)


def _draw(
    connection: duckdb.DuckDBPyConnection, release: Release, keys: Sequence[str], rows: int
) -> int:
    """Draw of as many rows by a hash of some columns; return how many that gave."""
    columns = [
        name if name in release.columns else f"NULL AS {name}"
        for name in ("url", "text", "width", "height", "hash")
    ]
    key = f"hash({', '.join(keys)})"
    # A little more than needed passes, so that only a little has to be sorted.
    highest = min(2**64 - 1, 2**64 * ROW_SAMPLE_ROWS * 21 // (20 * max(rows, 1)))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {ROW_SAMPLE} AS"
        f" SELECT shard_id, {', '.join(columns)} FROM pairs WHERE {key} <= CAST(? AS UBIGINT)"
        f" ORDER BY {key}, url, text, hash, width, height LIMIT {ROW_SAMPLE_ROWS}",
        [highest],
    )
    return int(connection.execute(f"SELECT count(*) FROM {ROW_SAMPLE}").fetchall()[0][0])


def _find_mismatches(connection: duckdb.DuckDBPyConnection) -> None:
    sample = connection.execute(
        f"SELECT rowid AS row, url, text FROM {ROW_SAMPLE}"
    ).to_arrow_table()
    hashes = pa.array(
        [
            mmh3.hash64(f"{url or ''}{text or ''}".encode())[0]
            for url, text in zip(sample["url"].to_pylist(), sample["text"].to_pylist(), strict=True)
        ],
        pa.int64(),
    )
    connection.register("recomputed", sample.select(["row"]).append_column("recomputed", hashes))
    try:
        connection.execute(
            f"CREATE OR REPLACE TABLE {HASH_MISMATCHES} AS"
            " SELECT shard_id, url, text, hash, recomputed"
            f" FROM {ROW_SAMPLE} AS sample JOIN recomputed ON recomputed.row = sample.rowid"
            " WHERE hash IS DISTINCT FROM recomputed"
        )
    finally:
        connection.unregister("recomputed")
