"""What keeps the rows of `pairs`: a table of the warehouse, or Parquet files beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from upath import UPath

from laion_pipeline.common.places import Place, place_at
from laion_pipeline.engine.engine import DuckDB
from laion_pipeline.errors import OutputError, WarehouseError
from laion_pipeline.ingestion import fetch_shards, load_listing
from laion_pipeline.paths import Paths
from laion_pipeline.session import Session
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.subset import Subset
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.loading import load_pairs
from laion_pipeline.warehouse.parquet_store import InParquet, Job, write_rows
from laion_pipeline.warehouse.stores import IN_WAREHOUSE, Store
from tests import builders
from tests.buckets import new_bucket, object_store
from tests.builders import (
    SAMPLE,
    change,
    check,
    fetch,
    held,
    list_folder,
    load,
    make_tables,
    pairs,
    reload,
    snapshot,
    tables,
    warehouse_at,
    write_shard,
)


def test_marks_by_the_rules_of_another_version_are_made_again(
    shards: Path, warehouse: Warehouse
) -> None:
    before = snapshot(warehouse)
    change(
        warehouse,
        "UPDATE pairs SET defects = 3",
        "COMMENT ON COLUMN pairs.defects IS 'rules of before'",
        "CREATE OR REPLACE VIEW valid_pairs AS FROM pairs",
    )
    result = reload(warehouse, shards)
    assert (result.rows_loaded, result.valid_rows) == (0, 6)
    assert snapshot(warehouse) == before
    assert "defects" not in [name for name, *_ in fetch(warehouse, "DESCRIBE valid_pairs")]


@pytest.mark.parametrize("name", ["shard_id", "defects"])
def test_a_warehouse_that_lets_through_nulls_is_rebuilt(
    name: str, shards: Path, warehouse: Warehouse
) -> None:
    # As versions before the contract said what may be null made it.
    change(
        warehouse,
        *(
            f"DROP VIEW {view}"
            for view in ("pair_scores", "valid_pairs", "quarantine", "pair_keys")
        ),
        f"ALTER TABLE pairs ALTER {name} DROP NOT NULL",
    )
    assert str(reload(warehouse, shards).plan) == "3 new, 0 changed, 0 unchanged, 0 removed"
    null = {name: null for name, _, null, *_ in fetch(warehouse, "DESCRIBE pairs")}
    assert null == dict.fromkeys(SAMPLE.columns, "YES") | {"shard_id": "NO", "defects": "NO"}
    assert fetch(warehouse, "SELECT count(*) FROM valid_pairs") == [(6,)]
    assert reload(warehouse, shards).rows_loaded == 0


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE pairs ALTER width TYPE INTEGER",
        "ALTER TABLE pairs ADD COLUMN more INTEGER",
        "ALTER TABLE pairs DROP COLUMN text",
        "ALTER TABLE pairs RENAME COLUMN width TO breadth",
        "ALTER TABLE pairs ALTER url SET NOT NULL",
    ],
)
def test_a_warehouse_with_other_columns_than_contracted_is_rebuilt(
    statement: str, shards: Path, warehouse: Warehouse
) -> None:
    described = fetch(warehouse, "DESCRIBE pairs")
    change(
        warehouse,
        *(
            f"DROP VIEW {view}"
            for view in ("pair_scores", "valid_pairs", "quarantine", "pair_keys")
        ),
        statement,
    )
    assert reload(warehouse, shards).rows_loaded == 6
    assert fetch(warehouse, "DESCRIBE pairs") == described


def test_a_ledger_without_pairs_is_not_believed(shards: Path, warehouse: Warehouse) -> None:
    change(warehouse, "DROP TABLE pairs CASCADE")
    assert reload(warehouse, shards).rows == 6


class Files(DuckDB):
    """DuckDB over rows in files."""

    def __init__(self, store: InParquet) -> None:
        self.store: Store = store


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    with object_store() as environment:
        yield environment


@pytest.fixture
def bucket(store: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Place:
    """An empty bucket of an object store."""
    for variable, value in store.items():
        monkeypatch.setenv(variable, value)
    return place_at(new_bucket(store))


@pytest.fixture(params=["on a disk", "in a bucket"])
def in_parquet(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = builders.beside
    if request.param == "in a bucket":
        bucket: Place = request.getfixturevalue("bucket")
        folder = lambda file: bucket / file.stem  # noqa: E731
    monkeypatch.setattr(builders, "rows_folder", folder)


@pytest.fixture
def beside(in_parquet: None, shards: Path) -> Warehouse:
    """A warehouse of three shards, whose rows are in Parquet beside it."""
    return load(shards)


def files(warehouse: Warehouse) -> dict[str, int]:
    """The files of a warehouse's rows, and when each was written."""
    assert warehouse.reads is not None
    return {file.name: file.stat().st_mtime_ns for file in warehouse.reads.iterdir()}


def test_either_store_gives_the_same_tables_and_checks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    generate_sample(tmp_path / "shards", rows=2000, shards=3)
    found = []
    for in_parquet in (False, True):
        if in_parquet:
            monkeypatch.setattr(builders, "rows_folder", builders.beside)
        place = tmp_path / str(in_parquet)
        place.mkdir()
        warehouse = load(tmp_path / "shards", file=place / "warehouse.duckdb")
        checks = {n: repr((c.status, c.value, c.examples)) for n, c in check(warehouse).items()}
        make_tables(warehouse, place / "tables")
        found.append((warehouse, snapshot(warehouse)[0], checks))
    (ours, *others_of_ours), (theirs, *others_of_theirs) = found
    assert others_of_theirs == others_of_ours
    for name in tables():
        query = f"SELECT COLUMNS(c -> c NOT IN ('loaded_at', 'profiled_at')) FROM {name}"
        assert fetch(theirs, query) == fetch(ours, query), name


def test_either_store_gives_the_same_subset(tmp_path: Path) -> None:
    generate_sample(tmp_path / "some", rows=2000, shards=3)
    chosen = SubsetFilter.of({"name": "mine", "order": "random", "dedupe": ["url"]}, "mine")
    exported: list[dict[str, bytes]] = []
    for store in (IN_WAREHOUSE, InParquet(tmp_path / "in files" / "pairs", "1GB")):
        paths = Paths(tmp_path / ("in files" if exported else "in the warehouse"))
        paths.root.mkdir()
        warehouse = Warehouse(paths.warehouse, "1GB", 2, reads=paths.pairs)
        load_pairs(warehouse, SAMPLE, list_folder(tmp_path / "some"), store=store)
        export = Subset(chosen, SAMPLE, paths, warehouse).export()
        exported.append({f.name: f.read_bytes() for f in export.folder.glob("*.parquet")})
    ours, theirs = exported
    assert ours
    assert theirs == ours


def test_only_files_of_changed_shards_are_written(beside: Warehouse, shards: Path) -> None:
    before = files(beside)
    assert len(before) == 3
    write_shard(shards, "part-1.parquet", pairs(5))
    assert reload(beside, shards).rows == 9
    after = files(beside)
    assert len(after) == 3
    assert len(before.items() & after.items()) == 2
    (shards / "part-0.parquet").unlink()
    assert reload(beside, shards).rows == 7
    assert len(files(beside)) == 2


@pytest.mark.parametrize("damage", ["gone", "cut off"])
def test_a_file_that_is_damaged_is_told_of_and_written_again(
    damage: str, beside: Warehouse, shards: Path
) -> None:
    before, rows = files(beside), snapshot(beside)[0]
    assert beside.reads is not None
    file = beside.reads / min(before)
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(WarehouseError, match=rf"{file.name}.*; run again: ") as told:
        fetch(beside, "SELECT * FROM pairs")
    assert "\n" not in str(told.value)
    assert str(reload(beside, shards).plan) == "0 new, 1 changed, 2 unchanged, 0 removed"
    assert snapshot(beside)[0] == rows
    assert files(beside).keys() == before.keys()


def test_a_load_that_is_cut_off_changes_nothing(beside: Warehouse, shards: Path) -> None:
    before, of_before = snapshot(beside), files(beside)
    write_shard(shards, "part-1.parquet", pairs(5))

    def write(jobs: Sequence[Job]) -> None:
        for job in jobs:
            write_rows(job)
        raise KeyboardInterrupt

    assert beside.reads is not None
    store = InParquet(beside.reads, "1GB", write)
    with pytest.raises(KeyboardInterrupt):
        load_pairs(beside, SAMPLE, list_folder(shards), store=store)
    assert snapshot(beside) == before
    assert len(files(beside)) == 4, "the new one is there, and nobody reads it"
    mine = beside.reads / "mine.parquet"
    mine.touch()
    if isinstance(beside.reads, Path):
        (beside.reads / "00001-0.parquet.tmp").mkdir()
    assert reload(beside, shards).rows == 9
    mine.unlink()  # which is nobody else's
    assert len(files(beside)) == 3
    assert len(files(beside).items() & of_before.items()) == 2


@pytest.mark.parametrize("first", [False, True])
def test_a_store_does_not_believe_what_another_has_kept(
    first: bool, shards: Path, tmp_path: Path
) -> None:
    warehouse = Warehouse(tmp_path / "w.duckdb", "1GB", 2, reads=tmp_path / "w.pairs")
    stores: list[Store] = [IN_WAREHOUSE, InParquet(tmp_path / "w.pairs", "1GB")]
    for store in (stores[first], stores[not first]):
        result = load_pairs(warehouse, SAMPLE, list_folder(shards), store=store)
        assert str(result.plan) == "3 new, 0 changed, 0 unchanged, 0 removed"
        assert held(warehouse) == {f"part-{n}.parquet": (n, [10 * n, 10 * n + 1]) for n in range(3)}


def test_leaving_the_files_removes_them_and_no_others(tmp_path: Path, shards: Path) -> None:
    settings = {"source": str(shards), "data_dir": str(tmp_path / "data")}
    session = Session.open(**settings)
    in_files = replace(session, engine=Files(InParquet(session.paths.pairs, "1GB")))
    assert load_listing(in_files, fetch_shards(in_files).listing).rows_loaded == 6
    assert len(list(session.paths.pairs.iterdir())) == 3
    (session.paths.pairs / "mine.parquet").touch()
    assert load_listing(session, fetch_shards(session).listing).rows_loaded == 6
    assert [file.name for file in session.paths.pairs.iterdir()] == ["mine.parquet"]
    (session.paths.pairs / "mine.parquet").unlink()
    assert load_listing(session, fetch_shards(session).listing).rows_loaded == 0
    assert not session.paths.pairs.exists()


def test_sql_reads_its_files_and_no_others(beside: Warehouse, shards: Path) -> None:
    assert beside.reads is not None
    others: list[Place] = [shards, beside.reads.parent]
    if isinstance(beside.reads, Path):  # in a bucket that is a name as any other
        others.append(beside.reads / ".." / "shards")
    for place in others:
        with pytest.raises(duckdb.PermissionException, match="disabled"):
            fetch(beside, f"SELECT * FROM read_parquet('{place}/*.parquet')")
    with beside.kept_open(), beside.connect() as connection:  # as often as it is opened
        assert connection.execute("SELECT count(*) FROM valid_pairs").fetchall() == [(6,)]


def test_a_folder_may_have_any_name(in_parquet: None, tmp_path: Path) -> None:
    place = tmp_path / "it's [a] *"
    place.mkdir()
    write_shard(tmp_path / "shards", "part-0.parquet", pairs(3))
    warehouse = load(tmp_path / "shards", file=place / "warehouse.duckdb")
    assert fetch(warehouse, "SELECT count(*) FROM pairs") == [(3,)]
    assert warehouse_at(place / "warehouse.duckdb").reads == warehouse.reads


def test_a_bucket_that_is_not_there_is_told(bucket: Place, shards: Path, tmp_path: Path) -> None:
    for folder, said in {
        UPath("s3://no-such-bucket/pairs", use_listings_cache=False): "bucket",
        UPath("s3://bucket/pairs", endpoint_url="http://127.0.0.1:1"): "connect",
    }.items():
        warehouse = Warehouse(tmp_path / "warehouse.duckdb", "1GB", 2, reads=folder)
        with pytest.raises(OutputError, match=f"^{folder}/.*: cannot be written: .*{said}") as told:
            load_pairs(warehouse, SAMPLE, list_folder(shards), store=InParquet(folder, "1GB"))
        assert "\n" not in str(told.value)
    assert fetch(load(shards), "SELECT count(*) FROM pairs") == [(6,)]
