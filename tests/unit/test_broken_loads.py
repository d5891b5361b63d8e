"""Loads that fail or are cut off: the shard is named, and the warehouse stays sound."""

import struct
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laion_pipeline.errors import LaionError, LayoutError, ShardError, WarehouseError
from laion_pipeline.releases.release import Release, find_release
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.loading import load_pairs
from laion_pipeline.warehouse.supply import BATCH_SHARDS
from tests.builders import (
    SAMPLE,
    fetch,
    held,
    list_folder,
    load,
    pairs,
    provenance,
    reload,
    replaced,
    snapshot,
    store_of,
    table_of,
    warehouse_at,
    write_shard,
    write_table,
)

pytestmark = pytest.mark.usefixtures("either_store")

BAD = replaced(table_of(pairs(2)), "width", pa.array([640, 512.5]))


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "gone", "folder"])
@pytest.mark.parametrize("loaded_before", [True, False])
def test_a_file_that_is_no_shard_is_named_and_nothing_changes(
    damage: str, loaded_before: bool, shards: Path, tmp_path: Path
) -> None:
    warehouse = load(shards) if loaded_before else warehouse_at(tmp_path / "warehouse.duckdb")
    before = snapshot(warehouse) if loaded_before else None
    write_shard(shards, "part-1.parquet", pairs(5))
    damaged = shards / "part-1.parquet"
    whole = damaged.read_bytes()
    contents = {"truncated": whole[:-9], "empty": b"", "text": b"url,text\n" * 9}
    damaged.write_bytes(contents.get(damage, whole + b"changed"))
    listing = list_folder(shards)
    if damage in ("gone", "folder"):
        damaged.unlink()
    if damage == "folder":
        damaged.mkdir()
    with pytest.raises(ShardError, match=r"^part-1\.parquet: ") as caught:
        load_pairs(warehouse, SAMPLE, listing, store=store_of(warehouse))
    assert "\n" not in str(caught.value)
    if loaded_before:
        assert snapshot(warehouse) == before
        assert provenance(warehouse).revision != listing.revision


@pytest.mark.parametrize("damage", ["pages", "utf-8"])
def test_damage_behind_a_good_footer_is_named(
    damage: str, shards: Path, warehouse: Warehouse
) -> None:
    before = snapshot(warehouse)
    if damage == "utf-8":
        text = pa.array([b"\xff\xfe", b"a"]).view(pa.string())
        write_table(shards, "part-1.parquet", replaced(table_of(pairs(2)), "text", text))
    else:
        write_shard(shards, "part-1.parquet", pairs(2000))
        file = shards / "part-1.parquet"
        whole = file.read_bytes()
        footer = int.from_bytes(whole[-8:-4], "little") + 8
        file.write_bytes(whole[:4] + bytes(len(whole) - footer - 4) + whole[-footer:])
        assert pq.read_metadata(file).num_rows == 2000
    with pytest.raises(ShardError, match=r"^part-1\.parquet: cannot be loaded: ") as caught:
        reload(warehouse, shards)
    assert "\n" not in str(caught.value)
    assert snapshot(warehouse) == before


def patched_footer(file: Path, *changes: tuple[bytes, bytes]) -> None:
    """Overwrite what a file's footer says of its values."""
    whole = file.read_bytes()
    size = int.from_bytes(whole[-8:-4], "little") + 8
    footer = whole[-size:]
    for old, new in changes:
        assert old in footer
        footer = footer.replace(old, new)
    file.write_bytes(whole[:-size] + footer)


def test_rows_are_marked_by_their_values_whatever_the_footer_says_of_them(tmp_path: Path) -> None:
    rows = pairs(4)
    rows[1]["aesthetic"], rows[2]["similarity"], rows[3]["width"] = 3.25, 5.0, -7
    file = write_shard(tmp_path / "shards", "part-0.parquet", rows)
    patched_footer(
        file,
        (struct.pack("<d", 3.25), struct.pack("<d", 7.5)),
        (struct.pack("<d", 5.0), struct.pack("<d", 0.9)),
        (struct.pack("<q", -7), struct.pack("<q", 7)),
    )
    marked = fetch(load(tmp_path / "shards"), "SELECT reasons FROM quarantine ORDER BY hash")
    assert marked == [(["aesthetic_range"],), (["similarity_range"],), (["width_positive"],)]


def test_a_page_that_breaks_its_checksum_is_refused(shards: Path, warehouse: Warehouse) -> None:
    file = shards / "part-1.parquet"
    # Plain and uncompressed, so that a changed byte is another value and no other error.
    pq.write_table(
        table_of(pairs(100, first=500)), file, write_page_checksum=True, compression="none",
        use_dictionary=False,
    )  # fmt: skip
    reload(warehouse, shards)
    before = snapshot(warehouse)
    whole = file.read_bytes()
    at = whole.index(b"www.host.example/555")  # in a page, and not in its header
    file.write_bytes(whole[:at] + b"W" + whole[at + 1 :])
    with pytest.raises(ShardError, match=r"^part-1\.parquet: its pages are damaged .*: replace it"):
        reload(warehouse, shards)
    assert snapshot(warehouse) == before


BYTES_FOR_A_NUMBER = replaced(table_of(pairs(2)), "width", pa.array([b"640", b"480"]))
SHIFTED = replaced(table_of(pairs(2)), "width", pa.array(["640", "a caption, shifted"]))


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (pa.table({"url": ["https://a.example"]}), "lacks text"),
        (table_of(pairs(2)).drop_columns(["width"]), "lacks width"),
        (table_of(pairs(2)).drop_columns(["aesthetic"]), "lacks aesthetic"),
        (BYTES_FOR_A_NUMBER, "column width holds binary"),
        (replaced(table_of(pairs(2)), "text", pa.array([1, 2])), "column text holds int64"),
    ],
    ids=["all but one", "a size", "a score", "bytes for a number", "a number for text"],
)
def test_a_layout_that_does_not_fit_changes_nothing(
    table: pa.Table, complaint: str, shards: Path, warehouse: Warehouse
) -> None:
    before, recorded = snapshot(warehouse), provenance(warehouse)
    write_shard(shards, "part-1.parquet", pairs(9))
    write_table(shards, "part-9.parquet", table)
    with pytest.raises(LayoutError, match=rf"^part-9\.parquet: {complaint}"):
        reload(warehouse, shards)
    assert snapshot(warehouse) == before
    assert provenance(warehouse) == recorded
    assert fetch(warehouse, "SELECT count(*) FROM valid_pairs") == [(6,)]
    assert fetch(warehouse, "SELECT count(*) FROM quarantine") == [(0,)]
    (shards / "part-9.parquet").unlink()
    assert reload(warehouse, shards).rows == 13


@pytest.mark.parametrize(("bad", "told"), [(BAD, r"512\.5"), (SHIFTED, "a caption, shifted")])
def test_a_first_batch_that_fails_leaves_everything_as_it_was(
    bad: pa.Table, told: str, shards: Path, warehouse: Warehouse
) -> None:
    before, revision = snapshot(warehouse), provenance(warehouse).revision
    write_shard(shards, "part-0.parquet", pairs(9, first=900))
    write_table(shards, "part-1.parquet", bad)
    with pytest.raises(ShardError, match=rf"^part-1\.parquet: .*{told}"):
        reload(warehouse, shards)
    assert snapshot(warehouse) == before
    assert provenance(warehouse).revision == revision
    write_shard(shards, "part-1.parquet", pairs(2, first=10))
    result = reload(warehouse, shards)
    assert str(result.plan) == "0 new, 1 changed, 2 unchanged, 0 removed"
    assert held(warehouse)["part-0.parquet"] == (0, list(range(900, 909)))
    assert provenance(warehouse).revision == list_folder(shards).revision


def test_batches_before_the_failing_one_are_kept(tmp_path: Path) -> None:
    folder, bad = tmp_path / "shards", f"part-{BATCH_SHARDS:03}.parquet"
    for number in range(BATCH_SHARDS + 2):
        write_shard(folder, f"part-{number:03}.parquet", pairs(2, first=10 * number))
    good = (folder / bad).read_bytes()
    write_table(folder, bad, BAD)
    warehouse = warehouse_at(tmp_path / "warehouse.duckdb")
    with pytest.raises(ShardError, match=bad):
        reload(warehouse, folder)
    assert sorted(held(warehouse)) == [
        f"part-{number:03}.parquet" for number in range(BATCH_SHARDS)
    ]
    (folder / bad).write_bytes(good)
    result = reload(warehouse, folder)
    assert str(result.plan) == f"2 new, 0 changed, {BATCH_SHARDS} unchanged, 0 removed"
    assert held(warehouse) == held(load(folder, file=tmp_path / "fresh.duckdb"))


def test_a_rebuild_that_fails_vouches_for_nothing(shards: Path, warehouse: Warehouse) -> None:
    write_table(shards, "part-1.parquet", BAD)
    with pytest.raises(ShardError):
        reload(warehouse, shards, Release(name="sizes", columns=("url", "text", "width")))
    with pytest.raises(WarehouseError, match="not completely loaded"):
        provenance(warehouse)


def test_a_load_cut_off_after_any_batch_ends_with_the_same_ids(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    for number in range(7):
        write_shard(folder, f"part-{number}.parquet", pairs(2, first=10 * number))
    good = {file.name: file.read_bytes() for file in folder.iterdir()}
    whole = held(load(folder, file=tmp_path / "whole.duckdb"))
    interrupted = warehouse_at(tmp_path / "interrupted.duckdb")
    for bad in sorted(good)[1::2]:
        write_table(folder, bad, BAD)
        with suppress(ShardError):
            reload(interrupted, folder, batch_shards=2)
        (folder / bad).write_bytes(good[bad])
    reload(interrupted, folder)
    assert held(interrupted) == whole


def test_rows_of_other_releases_are_of_no_use(shards: Path, warehouse: Warehouse) -> None:
    with pytest.raises(LaionError, match="lacks language"):
        reload(warehouse, shards, find_release("laion-art"))
    assert provenance(warehouse).release == "sample"
