"""Loading: whatever happens to files and loads, each row is in `pairs` exactly once."""

from pathlib import Path

import pytest

from laion_pipeline.releases.intervals import Interval
from laion_pipeline.releases.release import Release
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.supply import BATCH_SHARDS
from tests.builders import (
    SAMPLE,
    column,
    fetch,
    held,
    list_folder,
    load,
    pair,
    pairs,
    provenance,
    reload,
    snapshot,
    warehouse_at,
    write_shard,
)

pytestmark = pytest.mark.usefixtures("either_store")


def test_a_first_load_holds_every_row(shards: Path, tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path / "warehouse.duckdb")
    result = reload(warehouse, shards)
    assert str(result.plan) == "3 new, 0 changed, 0 unchanged, 0 removed"
    assert (result.rows_loaded, result.rows, result.valid_rows) == (6, 6, 6)
    assert held(warehouse) == {f"part-{n}.parquet": (n, [10 * n, 10 * n + 1]) for n in range(3)}


def test_the_ledger_says_what_each_file_is(warehouse: Warehouse, shards: Path) -> None:
    listing = list_folder(shards)
    assert fetch(
        warehouse, "SELECT path, revision, sha256, bytes, rows FROM shards ORDER BY path"
    ) == [
        (shard.path, listing.revision, shard.sha256, (shards / shard.path).stat().st_size, 2)
        for shard in listing.shards
    ]


def test_provenance_says_where_the_rows_are_from(warehouse: Warehouse, shards: Path) -> None:
    listing, recorded = list_folder(shards), provenance(warehouse)
    assert (recorded.release, recorded.revision) == ("sample", listing.revision)
    assert recorded.origin == f"local folder {shards}"
    assert recorded.title == SAMPLE.title


def test_the_same_listing_loads_nothing(warehouse: Warehouse, shards: Path) -> None:
    before = snapshot(warehouse)
    result = reload(warehouse, shards)
    assert str(result.plan) == "0 new, 0 changed, 3 unchanged, 0 removed"
    assert (result.rows_loaded, result.rows) == (0, 6)
    assert snapshot(warehouse) == before


def test_a_changed_file_replaces_just_its_rows(warehouse: Warehouse, shards: Path) -> None:
    others = "SELECT pairs::VARCHAR FROM pairs WHERE shard_id <> 1 ORDER BY ALL"
    times = "SELECT loaded_at FROM shards WHERE shard_id <> 1 ORDER BY shard_id"
    before = fetch(warehouse, others), fetch(warehouse, times)
    write_shard(shards, "part-1.parquet", pairs(3, first=100))
    result = reload(warehouse, shards)
    assert str(result.plan) == "0 new, 1 changed, 2 unchanged, 0 removed"
    assert (result.rows_loaded, result.rows) == (3, 7)
    assert held(warehouse)["part-1.parquet"] == (1, [100, 101, 102])
    assert (fetch(warehouse, others), fetch(warehouse, times)) == before
    assert provenance(warehouse).revision == list_folder(shards).revision
    assert set(column(warehouse, "SELECT revision FROM shards")) == {list_folder(shards).revision}


def test_a_removed_file_takes_its_rows_along(warehouse: Warehouse, shards: Path) -> None:
    (shards / "part-1.parquet").unlink()
    result = reload(warehouse, shards)
    assert str(result.plan) == "0 new, 0 changed, 2 unchanged, 1 removed"
    assert held(warehouse) == {"part-0.parquet": (0, [0, 1]), "part-2.parquet": (2, [20, 21])}


def test_a_renamed_file_is_not_read_again(warehouse: Warehouse, shards: Path) -> None:
    (shards / "part-0.parquet").rename(shards / "zzz.parquet")
    result = reload(warehouse, shards)
    assert (str(result.plan), result.rows_loaded) == ("0 new, 0 changed, 3 unchanged, 0 removed", 0)
    assert held(warehouse)["zzz.parquet"] == (0, [0, 1])
    assert "part-0.parquet" not in held(warehouse)


def test_files_that_swap_names_swap_rows(warehouse: Warehouse, shards: Path) -> None:
    (shards / "part-0.parquet").rename(shards / "aside")
    (shards / "part-1.parquet").rename(shards / "part-0.parquet")
    (shards / "aside").rename(shards / "part-1.parquet")
    reload(warehouse, shards)
    assert held(warehouse) == {
        "part-0.parquet": (0, [10, 11]),
        "part-1.parquet": (1, [0, 1]),
        "part-2.parquet": (2, [20, 21]),
    }


def test_two_files_of_the_same_content_are_both_loaded(shards: Path, tmp_path: Path) -> None:
    (shards / "copy.parquet").write_bytes((shards / "part-0.parquet").read_bytes())
    warehouse = load(shards)
    assert held(warehouse)["copy.parquet"] == (0, [0, 1])
    assert held(warehouse)["part-0.parquet"] == (1, [0, 1])
    (shards / "copy.parquet").unlink()
    reload(warehouse, shards)
    assert len(column(warehouse, "SELECT hash FROM pairs")) == 6


def test_many_changes_at_once_are_as_a_fresh_load(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    for number in range(BATCH_SHARDS + 3):
        write_shard(folder, f"part-{number:03}.parquet", pairs(2, first=10 * number))
    warehouse = load(folder)
    for number in range(0, BATCH_SHARDS + 3, 2):
        write_shard(folder, f"part-{number:03}.parquet", pairs(3, first=1000 * number))
    for number in range(1, 8, 2):
        (folder / f"part-{number:03}.parquet").unlink()
    for number in range(100, 100 + BATCH_SHARDS):
        write_shard(folder, f"part-{number}.parquet", pairs(1, first=10_000 * number))
    reload(warehouse, folder)
    fresh = load(folder, file=tmp_path / "fresh.duckdb")
    rows = {path: hashes for path, (_, hashes) in held(warehouse).items()}
    assert rows == {path: hashes for path, (_, hashes) in held(fresh).items()}
    assert len({shard_id for shard_id, _ in held(warehouse).values()}) == len(rows)


def test_changed_ranges_mark_all_rows_again(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    write_shard(folder, "part-0.parquet", [pair(n, aesthetic=7.5 + n) for n in range(3)])
    warehouse = load(folder)
    rows = snapshot(warehouse)[1]
    stricter = SAMPLE.model_copy(update={"ranges": {"aesthetic": Interval(above=8, below=9.5)}})
    result = reload(warehouse, folder, stricter)
    assert (result.rows_loaded, result.rows, result.valid_rows) == (0, 3, 1)
    assert column(warehouse, "SELECT hash FROM quarantine ORDER BY hash") == [0, 2]
    assert snapshot(warehouse)[1] == rows
    assert reload(warehouse, folder).valid_rows == 3


def test_filters_and_a_cut_off_mark_no_row(shards: Path, warehouse: Warehouse) -> None:
    before = snapshot(warehouse)
    nothing = Interval(below=0)
    filtered = SAMPLE.model_copy(
        update={
            "filters": {"punsafe": nothing, "aesthetic": nothing},
            "similarity_cutoff": 0.99,
            "published_rows": 1,
        }
    )
    result = reload(warehouse, shards, filtered)
    assert (result.rows_loaded, result.valid_rows) == (0, 6)
    assert snapshot(warehouse) == before


def test_other_columns_rebuild_the_warehouse(shards: Path, warehouse: Warehouse) -> None:
    columns = ("url", "text", "similarity")
    release = Release(name="narrow", columns=columns)
    result = reload(warehouse, shards, release)
    assert str(result.plan) == "3 new, 0 changed, 0 unchanged, 0 removed"
    assert result.rows == 6
    described = [name for name, *_ in fetch(warehouse, "DESCRIBE pairs")]
    assert described == [*columns, "shard_id", "defects"]
    assert reload(warehouse, shards, release).rows_loaded == 0
    assert reload(warehouse, shards).rows_loaded == 6


def test_a_shard_without_rows_is_in_the_ledger(tmp_path: Path) -> None:
    write_shard(tmp_path / "shards", "part-0.parquet", [])
    warehouse = load(tmp_path / "shards")
    assert held(warehouse) == {"part-0.parquet": (0, [None])}
    assert fetch(warehouse, "SELECT rows FROM shards") == [(0,)]
    assert fetch(warehouse, "SELECT * FROM pairs") == []


def test_equal_rows_are_all_kept(tmp_path: Path) -> None:
    write_shard(tmp_path / "shards", "part-0.parquet", [pair(1)] * 5)
    assert column(load(tmp_path / "shards"), "SELECT hash FROM pairs") == [1] * 5


def test_rows_are_read_anew_when_the_description_of_the_release_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    again = "or as the release was described before: all shards are loaded again"
    write_shard(tmp_path / "shards", "part-0.parquet", [pair(width=300, height=200)])
    warehouse = load(tmp_path / "shards")
    assert again not in caplog.text
    swapped = SAMPLE.model_copy(update={"sizes_swapped": True})
    assert reload(warehouse, tmp_path / "shards", swapped).rows_loaded == 1
    assert caplog.text.count(again) == 1
    assert fetch(warehouse, "SELECT width, height FROM pairs") == [(200, 300)]
    assert reload(warehouse, tmp_path / "shards", swapped).rows_loaded == 0
    assert caplog.text.count(again) == 1
