"""A whole run on a Spark of several processes: it ends with what DuckDB ends with."""

import re
from pathlib import Path

import duckdb
import pytest

from tests.builders import tables
from tests.end_to_end.command import Outcome, interface_files, run_assets, run_within
from tests.oracles.rows import assert_close
from tests.spark.test_tables import WHEN

CLUSTER = "local-cluster[2,1,1024]"
# What tells when, and not what: times of loading, of checking, and of revisions.
TIMES = (*WHEN, "loaded_at", "checked_at", "since")


@pytest.fixture(scope="module")
def by_duckdb(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run_assets(tmp_path_factory.mktemp("duckdb"))


@pytest.fixture(scope="module")
def by_spark(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    place = tmp_path_factory.mktemp("spark")
    return run_within(600, place, engine="spark", spark_master=CLUSTER)


def test_both_say_the_same(by_duckdb: Outcome, by_spark: Outcome) -> None:
    assert (by_spark.status, by_spark.err.count("WARN")) == (0, 0), by_spark.err
    assert by_spark.out.replace(str(by_spark.place), str(by_duckdb.place)) == by_duckdb.out


@pytest.mark.parametrize("name", ["valid_pairs", "quarantine"])
def test_the_rows_are_the_same(name: str, by_duckdb: Outcome, by_spark: Outcome) -> None:
    # In words, since NaN is not equal to itself.
    assert list(map(repr, _rows(by_spark, name))) == list(map(repr, _rows(by_duckdb, name)))


@pytest.mark.parametrize("name", ["check_results", *tables()])
def test_a_table_is_the_same(name: str, by_duckdb: Outcome, by_spark: Outcome) -> None:
    ours, theirs = _rows(by_duckdb, name), _rows(by_spark, name)
    assert_close(theirs, ours)


def test_all_files_are_there(by_duckdb: Outcome, by_spark: Outcome) -> None:
    ours, theirs = by_duckdb.files(), by_spark.files()
    assert {f"data/{file}" for file in interface_files("sample")} <= theirs
    made = re.compile(r"data/sample/(tables|charts|report)")
    assert {f for f in theirs if made.match(f)} == {f for f in ours if made.match(f)}
    kept = [file for file in theirs if file.startswith("data/sample/pairs/")]
    assert len(kept) == 4, "a file a shard"
    assert not [file for file in theirs if "partial" in file]


def test_the_report_says_the_same(by_duckdb: Outcome, by_spark: Outcome) -> None:
    ours, theirs = (_report(outcome.data) for outcome in (by_duckdb, by_spark))
    assert theirs == ours


def _rows(outcome: Outcome, name: str) -> list[tuple[object, ...]]:
    with duckdb.connect(outcome.data / "sample" / "warehouse.duckdb", read_only=True) as found:
        left_out = [c for c in found.table(name).columns if c in TIMES]
        columns = f"* EXCLUDE ({', '.join(left_out)})" if left_out else "*"
        order = "" if name in tables() else " ORDER BY ALL"
        return found.execute(f"SELECT {columns} FROM {name}{order}").fetchall()


def _report(data: Path) -> list[str]:
    """Its text without times and without pictures, which have the same titles."""
    page = (data / "sample" / "report.html").read_text("utf-8")
    words = re.sub(
        r"<svg.*?</svg>|<script.*?</script>|<style.*?</style>|<[^>]*>", " ", page, flags=re.S
    )
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "when", words).split()
