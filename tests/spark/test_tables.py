"""Every derived table, its check and every view: what Spark finds is what DuckDB finds."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from laion_pipeline.releases.release import Release
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.views import PAIR_KEYS_COLUMNS, view_queries
from tests.builders import (
    RAW,
    SAMPLE,
    Row,
    change,
    load,
    load_rows,
    make_tables,
    pair,
    tables,
    write_shard,
)
from tests.oracles.rows import assert_close
from tests.spark.engines import found_by_duckdb, found_by_spark, hand_over
from tests.unit.test_table_checks import TAMPERINGS, with_all_tables

# What the web has and the sample has not.
ODD_CAPTIONS = [
    *("", " ", "a", "  two  words ", "\u3000거실\u3000", "१२३", " 12 ", "STRASSE", "STRAßE", "ÉTÉ"),
    *("été", "Ǆ", "ΣΊΣΥΦΟΣ", "İstanbul", "fish &amp; chips", "a\ufffdb", "a\tb\nc", "\x00a"),
    *("$1 \\Q \\E", "100%", "'quoted'", '"quoted"', "-- comment", "😀 😀", "e\u0301", "ſ", "Ⅷ"),
    "a\x85b",
]  # fmt: skip
ODD_URLS = [
    *("https://www.host.example", "HTTPS://User@Host.Example:8080/a?b#c", "http://[::1]/a"),
    *("http://127.0.0.1/a", "https://a.b.co.uk/x", "https://bücher.example./ü", "http://co.uk/"),
]  # fmt: skip
WHEN = ("profiled_at",)  # when the query ran


def odd_rows() -> list[Row]:
    """Valid rows and others, with ties, repetitions and ends of ranges among them."""
    return [
        *(pair(n, text=text) for n, text in enumerate(ODD_CAPTIONS)),
        *(pair(100 + n, url=url) for n, url in enumerate(ODD_URLS)),
        *(pair(7) for _ in range(3)),
        *(pair(200 + n, url="https://www.host.example/7.jpg") for n in range(2)),
        *(pair(300 + n, width=w, height=h) for n, (w, h) in enumerate(
            [(None, 9), (9, None), (1, 1), (256, 256), (2**31 - 1, 2), (0, 5), (1024, 512)]
        )),
        *(pair(400 + n, similarity=s) for n, s in enumerate([-1.0, 1.0, 0.0, -0.0, 0.285, 0.29])),
        *(pair(500 + n, punsafe=s, pwatermark=s) for n, s in enumerate(
            [0.0, -0.0, 5e-324, 0.05, 0.5, 1.0, float("nan"), float("inf"), None]
        )),
        *(pair(600 + n, aesthetic=s) for n, s in enumerate([7.25, 7.2500000001, 10.0, 11.0, 7.0])),
        pair(700, hash=None), pair(701, hash=-(2**63)), pair(702, hash=2**63 - 1),
    ]  # fmt: skip


def two_revisions(folder: Path) -> Warehouse:
    *_, last = generate_sample(folder / "shards", rows=2000, shards=3)
    last.rename(folder / "aside")
    warehouse = load(folder / "shards")
    make_tables(warehouse, folder / "tables")
    (folder / "aside").rename(last)
    write_shard(folder / "shards", "part-9.parquet", odd_rows(), SAMPLE.columns)
    load(folder / "shards")
    return warehouse


WORLDS = {
    "two revisions with defects": (SAMPLE, two_revisions),
    "a raw release": (RAW, lambda folder: load_rows(folder, odd_rows(), RAW)),
    "one row": (SAMPLE, lambda folder: load_rows(folder, [pair()])),
    "no rows": (SAMPLE, lambda folder: load_rows(folder, [])),
}
World = tuple[Warehouse, Release]


@pytest.fixture(scope="module", params=WORLDS)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, spark: SparkSession
) -> World:
    folder = tmp_path_factory.mktemp("world")
    release, make = WORLDS[request.param]
    warehouse = make(folder)
    make_tables(warehouse, folder / "tables")
    hand_over(spark, warehouse, release, folder / "spark")
    return warehouse, release


@pytest.mark.parametrize("name", view_queries(SAMPLE))
def test_a_view(name: str, world: World, spark: SparkSession) -> None:
    warehouse, _ = world
    ours, theirs = found_by_duckdb(warehouse, f"FROM {name}"), found_by_spark(spark, f"FROM {name}")
    if name == "pair_keys":  # which are numbers of each engine's own, alike where the rows are
        for place in range(1, len(PAIR_KEYS_COLUMNS)):
            assert _repeated(ours, place) == _repeated(theirs, place)
    else:
        assert Counter(map(repr, theirs)) == Counter(map(repr, ours))


def _repeated(rows: Sequence[tuple[Any, ...]], place: int) -> Counter[int]:
    return Counter(Counter(row[place] for row in rows).values())


@pytest.mark.parametrize("name", tables())
def test_a_table(name: str, world: World, spark: SparkSession) -> None:
    warehouse, _ = world
    kept = ", ".join(column.name for column in tables()[name].columns if column.name not in WHEN)
    query = f"SELECT {kept} FROM ({tables()[name].sql}\n)"
    assert_close(found_by_spark(spark, query), found_by_duckdb(warehouse, query))


@pytest.mark.parametrize("name", tables())
def test_a_check(name: str, world: World, spark: SparkSession) -> None:
    warehouse, _ = world
    query = tables()[name].check_sql
    assert _in_any_order(found_by_spark(spark, query)) == _in_any_order(
        found_by_duckdb(warehouse, query)
    )


def _in_any_order(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    return sorted(map(repr, rows))


@pytest.fixture(scope="module")
def tampered(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Warehouse:
    """Every table says something that its check has to find."""
    folder = tmp_path_factory.mktemp("tampered")
    warehouse = with_all_tables(folder)
    change(warehouse, *(first for first, *_ in TAMPERINGS.values()))
    hand_over(spark, warehouse, SAMPLE, folder / "spark")
    return warehouse


@pytest.mark.parametrize("name", tables())
def test_a_check_finds_the_same(name: str, tampered: Warehouse, spark: SparkSession) -> None:
    query = tables()[name].check_sql
    found = found_by_spark(spark, query)
    assert found
    assert len(found) == len(found_by_duckdb(tampered, query))
