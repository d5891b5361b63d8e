"""A whole run on a Spark of several processes: it ends with what DuckDB ends with."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from laion_pipeline.common.places import Place, place_at, sizes_in
from laion_pipeline.warehouse.connections import Warehouse
from tests.buckets import new_bucket
from tests.builders import tables
from tests.end_to_end.command import Outcome, interface_files, run_assets, run_within
from tests.oracles.rows import assert_close
from tests.spark.test_tables import WHEN

CLUSTER = "local-cluster[2,1,1024]"
# What tells when, and not what: times of loading, of checking, and of revisions.
TIMES = (*WHEN, "loaded_at", "checked_at", "since")


@dataclass(frozen=True)
class Run:
    """How a run ended, and where it keeps the rows, if in files."""

    outcome: Outcome
    pairs: Place | None = None

    def rows(self, name: str) -> list[tuple[object, ...]]:
        """Those of a table, without what tells when."""
        file = self.outcome.data / "sample" / "warehouse.duckdb"
        with Warehouse(file, "1GB", 2, reads=self.pairs).connect(read_only=True) as found:
            left_out = [c for c in found.table(name).columns if c in TIMES]
            columns = f"* EXCLUDE ({', '.join(left_out)})" if left_out else "*"
            order = "" if name in tables() else " ORDER BY ALL"
            return found.execute(f"SELECT {columns} FROM {name}{order}").fetchall()


@pytest.fixture(scope="module")
def by_duckdb(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(run_assets(tmp_path_factory.mktemp("duckdb")))


@pytest.fixture(scope="module", params=["on a disk", "in a bucket"])
def by_spark(
    request: pytest.FixtureRequest,
    store: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    place = tmp_path_factory.mktemp("spark")
    folder = new_bucket(store) if request.param == "in a bucket" else ""
    outcome = run_within(600, place, engine="spark", spark_master=CLUSTER, pairs_folder=folder)
    own = outcome.data / "sample" / "pairs"
    return Run(outcome, place_at(f"{folder}/sample") if folder else own)


def test_both_say_the_same(by_duckdb: Run, by_spark: Run) -> None:
    ours, theirs = by_duckdb.outcome, by_spark.outcome
    assert (theirs.status, theirs.err.count("WARN")) == (0, 0), theirs.err
    assert theirs.out.replace(str(theirs.place), str(ours.place)) == ours.out


@pytest.mark.parametrize("name", ["valid_pairs", "quarantine"])
def test_the_rows_are_the_same(name: str, by_duckdb: Run, by_spark: Run) -> None:
    # In words, since NaN is not equal to itself.
    assert list(map(repr, by_spark.rows(name))) == list(map(repr, by_duckdb.rows(name)))


@pytest.mark.parametrize("name", ["check_results", *tables()])
def test_a_table_is_the_same(name: str, by_duckdb: Run, by_spark: Run) -> None:
    assert_close(by_spark.rows(name), by_duckdb.rows(name))


def test_all_files_are_there(by_duckdb: Run, by_spark: Run) -> None:
    ours, theirs = by_duckdb.outcome.files(), by_spark.outcome.files()
    assert {f"data/{file}" for file in interface_files("sample")} <= theirs
    made = re.compile(r"data/sample/(tables|charts|report)")
    assert {f for f in theirs if made.match(f)} == {f for f in ours if made.match(f)}
    assert by_spark.pairs is not None
    assert len(sizes_in(by_spark.pairs)) == 4, "a file a shard"
    assert not [file for file in theirs if "partial" in file]
    if by_spark.pairs != by_spark.outcome.data / "sample" / "pairs":
        assert not [file for file in theirs if file.startswith("data/sample/pairs/")]


def test_the_report_says_the_same(by_duckdb: Run, by_spark: Run) -> None:
    ours, theirs = (_report(run.outcome.data) for run in (by_duckdb, by_spark))
    assert theirs == ours


def _report(data: Path) -> list[str]:
    """Its text without times and without pictures, which have the same titles."""
    page = (data / "sample" / "report.html").read_text("utf-8")
    words = re.sub(
        r"<svg.*?</svg>|<script.*?</script>|<style.*?</style>|<[^>]*>", " ", page, flags=re.S
    )
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "when", words).split()
