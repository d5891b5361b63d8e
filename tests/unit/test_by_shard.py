"""Tables by shard: after a change only shards that changed are counted, with the same result."""

from pathlib import Path

import pytest

from laion_pipeline.tables.by_shard import is_by_shard
from laion_pipeline.tables.table import check_table, materialize_table
from laion_pipeline.warehouse.connections import Warehouse
from tests.builders import change, fetch, load, make_tables, pairs, reload, tables, write_shard

BY_SHARD = [name for name in tables() if is_by_shard(name)]
# Lines that no counting would give: where they are still there, the shard was not counted again.
MARK = -1


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    for number, aesthetic in enumerate((7.1, 7.6, 8.3)):
        rows = pairs(20, first=100 * number, aesthetic=aesthetic)
        write_shard(tmp_path / "shards", f"part-{number}.parquet", rows)
    return tmp_path / "shards"


@pytest.fixture
def warehouse(shards: Path) -> Warehouse:
    warehouse = load(shards)
    make_tables(warehouse, shards.parent, *BY_SHARD)
    return warehouse


def marked(warehouse: Warehouse, name: str) -> set[int]:
    """Mark the lines of each shard; the shards that are in the table."""
    change(warehouse, f"UPDATE {name} SET pairs = {MARK}")
    return {shard_id for (shard_id,) in fetch(warehouse, f"SELECT shard_id FROM {name}")}


def still_marked(warehouse: Warehouse, name: str) -> set[int]:
    found = fetch(warehouse, f"SELECT shard_id FROM {name} WHERE pairs = {MARK}")
    return {shard_id for (shard_id,) in found}


def from_scratch(warehouse: Warehouse, shards: Path, name: str) -> list[tuple[object, ...]]:
    other = load(shards, file=shards.parent / "scratch.duckdb")
    ids = dict(fetch(other, "SELECT path, shard_id FROM shards"))
    assert ids == dict(fetch(warehouse, "SELECT path, shard_id FROM shards"))
    materialize_table(other, tables()[name], shards.parent / "scratch")
    return fetch(other, f"FROM {name}")


@pytest.mark.usefixtures("either_store")
@pytest.mark.parametrize("name", BY_SHARD)
def test_only_what_changed_is_counted(name: str, warehouse: Warehouse, shards: Path) -> None:
    assert marked(warehouse, name) == {0, 1, 2}
    write_shard(shards, "part-1.parquet", pairs(30, first=900, aesthetic=9.0))
    write_shard(shards, "part-3.parquet", pairs(5, first=700))
    (shards / "part-2.parquet").unlink()
    reload(warehouse, shards)
    made = materialize_table(warehouse, tables()[name], shards.parent)
    assert made.rows_read == 30 + 5
    assert still_marked(warehouse, name) == {0}
    assert marked(warehouse, name) == {0, 1, 3}


@pytest.mark.parametrize("name", BY_SHARD)
def test_it_is_what_counting_everything_gives(
    name: str, warehouse: Warehouse, shards: Path
) -> None:
    write_shard(shards, "part-1.parquet", [])
    write_shard(shards, "part-3.parquet", pairs(5, first=700, similarity=None))
    reload(warehouse, shards)
    materialize_table(warehouse, tables()[name], shards.parent)
    assert fetch(warehouse, f"FROM {name}") == from_scratch(warehouse, shards, name)


@pytest.mark.parametrize("name", BY_SHARD)
@pytest.mark.parametrize(
    "because",
    [
        "its SQL has changed",
        "a view has changed",
        "the rules have changed",
        "it was dropped",
        "its check has failed",
    ],
)
def test_everything_is_counted_again(
    because: str, name: str, warehouse: Warehouse, shards: Path
) -> None:
    expected = fetch(warehouse, f"FROM {name}")
    marked(warehouse, name)
    match because:
        case "its SQL has changed":
            change(warehouse, "UPDATE counted_shards SET version = 'another'")
        case "a view has changed":
            change(warehouse, "CREATE OR REPLACE VIEW values_present AS SELECT 1 AS another")
        case "the rules have changed":
            change(warehouse, "COMMENT ON COLUMN pairs.defects IS 'other rules'")
        case "it was dropped":
            change(warehouse, f"DROP TABLE {name}")
        case _:
            assert check_table(warehouse, tables()[name], 9).status == "failed"
    materialize_table(warehouse, tables()[name], shards.parent)
    assert fetch(warehouse, f"FROM {name}") == expected


@pytest.mark.parametrize("name", BY_SHARD)
def test_nothing_is_counted_where_nothing_changed(
    name: str, warehouse: Warehouse, shards: Path
) -> None:
    marked(warehouse, name)
    reload(warehouse, shards)
    materialize_table(warehouse, tables()[name], shards.parent)
    assert still_marked(warehouse, name) == {0, 1, 2}


@pytest.mark.parametrize("name", BY_SHARD)
def test_each_line_tells_of_one_shard(name: str) -> None:
    first = tables()[name].columns[0]
    assert (first.name, set(first.lineage.direct)) == ("shard_id", {"valid_pairs.shard_id"})
    assert not tables()[name].derived_sources
