"""Shards as files: many at once, of types that differ, under any name in any folder."""

from pathlib import Path

import pyarrow as pa
import pytest

from laion_pipeline.warehouse.supply import BATCH_SHARDS
from tests.builders import CORE, column, fetch, load, pairs, replaced, table_of, write_table

SELECT_CORE = f"SELECT {', '.join(CORE)} FROM pairs ORDER BY hash"


@pytest.mark.parametrize("first", ["narrow", "wide"])
@pytest.mark.parametrize(
    ("name", "narrow", "wide", "value"),
    [
        ("aesthetic", pa.float32(), pa.float64(), 7.3),
        ("similarity", pa.float16(), pa.float64(), 0.3001),
        ("width", pa.int32(), pa.int64(), 3_000_000_000),
        ("width", pa.float32(), pa.float64(), 16_777_217.0),
        ("hash", pa.int64(), pa.uint32(), 4_000_000_000),
        ("hash", pa.int32(), pa.int64(), -(2**63)),
        ("text", pa.null(), pa.string(), "a caption"),
        ("width", pa.null(), pa.int64(), 3_000_000_000),
        ("aesthetic", pa.null(), pa.float64(), 7.3),
        ("aesthetic", pa.int32(), pa.float64(), 7.3),
    ],
    ids=str,
)
def test_types_that_differ_between_shards_cost_no_value(
    first: str, name: str, narrow: pa.DataType, wide: pa.DataType, value: object, tmp_path: Path
) -> None:
    rare = pa.array([None, None], pa.null()) if narrow == pa.null() else pa.array([9, 9], narrow)
    names = ("part-0.parquet", "part-1.parquet")[:: 1 if first == "narrow" else -1]
    if narrow == pa.float16():
        rare = pa.array([0.5, 0.5], pa.float32()).cast(pa.float16())
    write_table(tmp_path / "shards", names[0], replaced(table_of(pairs(2)), name, rare))
    full = replaced(table_of(pairs(2, 10)), name, pa.array([value, value], wide))
    write_table(tmp_path / "shards", names[1], full)
    warehouse = load(tmp_path / "shards")
    where = "url IN ('https://www.host.example/10.jpg', 'https://www.host.example/11.jpg')"
    assert column(warehouse, f"SELECT {name} FROM pairs WHERE {where}") == [value, value]


def test_files_may_have_any_name(tmp_path: Path) -> None:
    names = [
        *("part [0].parquet", "part*.parquet", "part?.parquet", "it's {a,b}.parquet"),
        *('a"b.PARQUET', "거실.parquet", "a$b;c.parquet", "-- x.parquet", "100%25.parquet"),
        *(" .parquet", "a\nb.parquet", "a\\b.parquet", "[!a].parquet", "width=7.parquet"),
        *("~.parquet", "part-0.parquet", "part00.parquet", "part 0.parquet"),
    ]
    for number, name in enumerate(names):
        write_table(tmp_path / "shards", name, table_of(pairs(2, first=10 * number)))
    warehouse = load(tmp_path / "shards")
    found = fetch(
        warehouse,
        "SELECT path, list_sort(list(hash)) FROM pairs JOIN shards USING (shard_id) GROUP BY path",
    )
    assert dict(found) == {name: [10 * n, 10 * n + 1] for n, name in enumerate(names)}


@pytest.mark.parametrize("folder", ["text=hive", "width=7", "shard_id=9", "a [b]*", "year=2024"])
def test_folders_may_have_any_name(folder: str, tmp_path: Path) -> None:
    table = table_of(pairs(2))
    write_table(tmp_path / folder / "shards", "part-0.parquet", table)
    warehouse = load(tmp_path / folder / "shards")
    assert fetch(warehouse, SELECT_CORE) == [tuple(row.values()) for row in pairs(2)]


def test_more_shards_than_a_batch_get_in(tmp_path: Path) -> None:
    count = 2 * BATCH_SHARDS + 1
    for number in range(count):
        table = table_of(pairs(number % 3, first=10 * number))
        write_table(tmp_path / "shards", f"part-{number:05}.parquet", table)
    warehouse = load(tmp_path / "shards")
    found = fetch(
        warehouse,
        "SELECT path, shards.shard_id, rows, list_sort(list(hash) FILTER (hash IS NOT NULL))"
        " FROM shards LEFT JOIN pairs USING (shard_id) GROUP BY ALL ORDER BY path",
    )
    assert found == [
        (f"part-{n:05}.parquet", n, n % 3, [10 * n + row for row in range(n % 3)] or None)
        for n in range(count)
    ]
