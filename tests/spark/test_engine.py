"""Spark as the engine: what it makes in the warehouse is what DuckDB makes there."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import great_expectations as gx
import pytest

from laion_pipeline.common.places import place_at
from laion_pipeline.contract import Contract
from laion_pipeline.engine.cluster import Cluster
from laion_pipeline.engine.spark import Spark
from laion_pipeline.quality.data_docs import docs_config
from laion_pipeline.quality.expectations import suites_of
from laion_pipeline.quality.measuring import measure_all
from laion_pipeline.quality.results import RecordedCheck
from laion_pipeline.quality.validation import validate
from laion_pipeline.releases.release import Release, find_release
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.tables.table import check_table, materialize_table
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.loading import load_pairs
from laion_pipeline.warehouse.pairs import pairs_columns
from tests.buckets import new_bucket
from tests.builders import SAMPLE, fetch, list_folder, load, make_tables, tables, write_shard
from tests.end_to_end.command import NEEDS_REAL_ROWS, REAL_ROWS
from tests.oracles.rows import assert_close
from tests.spark.test_tables import WHEN, odd_rows


def _with_defects(folder: Path) -> Path:
    generate_sample(folder, rows=2000, shards=3)
    write_shard(folder, "part-9.parquet", odd_rows(), SAMPLE.columns)
    return folder


# What is loaded, and by which release: made-up rows with every kind of defect, and real ones.
WORLDS = {
    "defects": (SAMPLE.name, _with_defects),
    "defects in a bucket": (SAMPLE.name, _with_defects),
    "real": ("laion2B-en-aesthetic", lambda _: REAL_ROWS / "laion2B-en-aesthetic-real-text"),
    "raw": ("laion2B-multi", lambda _: REAL_ROWS / "laion2B-multi-real"),
}


@pytest.fixture(
    scope="module",
    params=[
        "defects",
        "defects in a bucket",
        *(pytest.param(name, marks=NEEDS_REAL_ROWS) for name in ("real", "raw")),
    ],
)
def world(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def release(world: str) -> Release:
    return find_release(WORLDS[world][0])


@pytest.fixture(scope="module")
def place(world: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(world)


@pytest.fixture(scope="module")
def shards(world: str, place: Path) -> Path:
    return WORLDS[world][1](place / "shards")


@pytest.fixture(scope="module")
def engine(
    world: str, place: Path, release: Release, store: Mapping[str, str], cluster: Cluster
) -> Spark:
    folder = place_at(new_bucket(store)) if world.endswith("bucket") else place
    return Spark.over(release, folder / "pairs", cluster)


@pytest.fixture(scope="module")
def ours(place: Path, release: Release, shards: Path) -> Warehouse:
    warehouse = load(shards, release, file=place / "duckdb.duckdb")
    make_tables(warehouse, place / "tables")
    return warehouse


@pytest.fixture(scope="module")
def theirs(
    place: Path, release: Release, shards: Path, ours: Warehouse, engine: Spark
) -> Warehouse:
    """Loaded by Spark, and with every table made by it; those that read what they were, twice."""
    warehouse = Warehouse(place / "spark.duckdb", "1GB", 2, reads=engine.store.folder)
    load_pairs(warehouse, release, list_folder(shards, release), store=engine.store)
    every = tables().values()
    for table in (*every, *(table for table in every if table.history)):
        materialize_table(warehouse, table, place / "tables-spark", engine=engine)
    return warehouse


@pytest.mark.parametrize("name", tables())
def test_a_table_is_the_same_to_the_type(name: str, ours: Warehouse, theirs: Warehouse) -> None:
    assert fetch(theirs, f"DESCRIBE {name}") == fetch(ours, f"DESCRIBE {name}")
    kept = [c.name for c in tables()[name].columns if c.name not in (*WHEN, "loaded_at")]
    query = f"SELECT {', '.join(kept)} FROM {name}"
    assert_close(fetch(theirs, query), fetch(ours, query))


def test_checks_pass(theirs: Warehouse, engine: Spark) -> None:
    for table in tables().values():
        assert check_table(theirs, table, 1, engine).status == "passed", table.name


@pytest.mark.parametrize("asset", ["pairs", "revision_drift"])
def test_the_contract_finds_the_same(
    asset: str, release: Release, ours: Warehouse, theirs: Warehouse, engine: Spark
) -> None:
    contract = Contract.of(release)
    expected = validate(ours, contract, asset)
    found = validate(theirs, contract, asset, engine=engine)
    assert [_lasting(check) for check in found] == [_lasting(check) for check in expected]
    assert len(found) == len(contract.on(asset))


def _lasting(check: RecordedCheck) -> str:
    """What a check found, but for when; NaN is equal to itself in words."""
    return repr(replace(check, since=None, checked_at=datetime.min))  # noqa: DTZ901 - no time at all


def test_a_check_finds_what_is_wrong(place: Path, theirs: Warehouse, engine: Spark) -> None:
    table = tables()["resolution_counts"]
    with theirs.connect() as connection:
        connection.execute("UPDATE resolution_counts SET pairs = pairs + 1")
    found = check_table(theirs, table, 1, engine)
    assert found.status == "failed"
    assert found.examples
    materialize_table(theirs, table, place / "tables-spark", engine=engine)
    assert check_table(theirs, table, 1, engine).status == "passed"


def test_of_a_bucket_only_what_is_looked_at_is_read(
    world: str, place: Path, release: Release, theirs: Warehouse, engine: Spark
) -> None:
    if not world.endswith("bucket"):
        pytest.skip("Spark reads files on a disk by itself, and no more of them than it needs")
    contract = Contract.of(release)
    with theirs.connect() as connection:
        suite = next(iter(suites_of(contract, measure_all(connection, contract, "pairs", engine))))
    assert suite.looked_at == {c.name for c in pairs_columns(release) if not c.nullable}
    context = gx.get_context(mode="ephemeral", project_config=docs_config(place))
    with engine.judged(context, theirs) as batch_of:
        _, parameters = batch_of(suite.name, suite.query, suite.looked_at)
        frame = parameters["dataframe"]
        assert frame.select("shard_id").distinct().count() == 4
        assert frame.select("text").distinct().collect() == [(None,)]
        assert frame.columns == [column.name for column in pairs_columns(release)]


def test_no_rows_are_no_error(place: Path, cluster: Cluster) -> None:
    (place / "none").mkdir()
    write_shard(place / "none", "part-0.parquet", [], SAMPLE.columns)
    warehouse = Warehouse(place / "none.duckdb", "1GB", 2, reads=place / "no-pairs")
    nothing = Spark.over(SAMPLE, place / "no-pairs", cluster)
    load_pairs(warehouse, SAMPLE, list_folder(place / "none"), store=nothing.store)
    with warehouse.connect() as connection:
        counted = "SELECT count(*) AS n, sum(width) AS s FROM valid_pairs"
        with nothing.found(connection, counted) as query:
            found = connection.execute(query).to_arrow_table()
        assert found.to_pylist() == [{"n": 0, "s": None}]
        wrong = "SELECT breadth FROM valid_pairs"
        with pytest.raises(duckdb.Error), nothing.found(connection, wrong):
            pass
