"""Shards that somebody made to do harm: one line or loaded rows, and no more memory than allowed.

Each is read in a process of its own, which a crash would end.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.builders import pairs, table_of
from tests.end_to_end.command import PROJECT, environment

LIMIT_BYTES = 300_000_000
ALLOWED_BESIDE = 1_500_000_000
READ = """
import json
from pathlib import Path
from laion_pipeline.errors import LaionError
from laion_pipeline.ingestion import fetch_shards, load_listing
from laion_pipeline.quality.validation import validate
from laion_pipeline.session import Session

said = rows = None
session = Session.open()
try:
    rows = load_listing(session, fetch_shards(session).listing).rows
    validate(session.warehouse, session.contract, "pairs", engine=session.engine)
except LaionError as error:
    said = str(error)
# not getrusage's: Linux counts the process in that which started this one
lines = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
print()  # after what DuckDB shows of how far it is
print(json.dumps({"rows": rows, "said": said, "peak": peak}))
"""


def read(shards: Path, place: Path) -> dict[str, Any]:
    settings = {"source": str(shards), "memory_limit": "300MB"}
    done = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=PROJECT,
        env=environment(place, **settings),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows_of(count: int) -> pa.Table:
    return table_of(pairs(count))


def same(value: str, count: int) -> pa.DictionaryArray:
    """A value many times over, which a file holds once."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), [value])


def with_column(rows: pa.Table, name: str, column: Any) -> pa.Table:
    if name in rows.column_names:
        return rows.set_column(rows.column_names.index(name), name, column)
    return rows.append_column(name, column)


def nested(levels: int) -> pa.Array:
    array = pa.array([1, 2, 3])
    for _ in range(levels):
        array = pa.StructArray.from_arrays([array], ["a"])
    return array


TEXTS: dict[str, Callable[[], pa.Table]] = {
    "a caption of a megabyte a thousand times": lambda: with_column(
        rows_of(1000), "text", same("x" * 1_000_000, 1000)
    ),
    "an address of 100 kilobytes 5,000 times": lambda: with_column(
        rows_of(5000), "url", same("https://a.example/" + "y" * 100_000, 5000)
    ),
    "twenty captions of 10 megabytes": lambda: with_column(
        rows_of(20), "text", pa.array([f"{n} " * 4_000_000 for n in range(20)])
    ),
    "digits by the megabyte": lambda: with_column(
        rows_of(3), "text", pa.array([f"{n}" * 5_000_000 for n in range(3)])
    ),
}
LAYOUTS: dict[str, Callable[[], pa.Table]] = {
    "a column nested a hundred times": lambda: with_column(rows_of(3), "more", nested(100)),
    "captions in lists": lambda: with_column(rows_of(3), "text", pa.array([["a"], ["b", "c"], []])),
    "addresses in structs": lambda: with_column(
        rows_of(3), "url", pa.array([{"a": "http://a.example"}] * 3)
    ),
    "ten thousand more columns": lambda: pa.table(
        {**{f"c{n}": pa.nulls(3) for n in range(10_000)}, **_columns(rows_of(3))}
    ),
    "a name that ends the terminal's line and SQL's": lambda: with_column(
        rows_of(3), "\x1b[2J\u202e\"'; DROP TABLE pairs; --\n", pa.array([1, 2, 3])
    ),
    "captions of what a terminal and a page would run": lambda: with_column(
        rows_of(3), "text", pa.array(["\x00\x1b[2J", "<script>1</script>", "\u202eabc"])
    ),
    "metadata of ten megabytes": lambda: rows_of(3).replace_schema_metadata(
        {"pandas": "{" * 10_000_000}
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_memory_stays_within_its_limit(name: str, tmp_path: Path) -> None:
    found = _found(TEXTS[name](), tmp_path)
    assert found["peak"] < LIMIT_BYTES + ALLOWED_BESIDE
    assert found["said"] is None or "LAION_MEMORY_LIMIT" in found["said"]


@pytest.mark.parametrize("name", LAYOUTS)
def test_it_is_one_line_or_it_is_loaded(name: str, tmp_path: Path) -> None:
    found = _found(LAYOUTS[name](), tmp_path)
    if found["said"] is None:
        assert found["rows"] == 3
    else:
        assert "part-0" in found["said"]
        assert found["said"].isprintable()
        assert len(found["said"]) < 2000


def _columns(rows: pa.Table) -> dict[str, Any]:
    return {name: rows.column(name) for name in rows.column_names}


def _found(rows: pa.Table, place: Path) -> dict[str, Any]:
    shards = place / "shards"
    shards.mkdir()
    pq.write_table(rows, shards / "part-0.parquet", dictionary_pagesize_limit=1 << 30)
    return read(shards, place)
