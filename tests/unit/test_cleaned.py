"""What a cleaned release no longer has: counted, listed nowhere, and left out of what is made."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laion_pipeline.errors import SourceError
from laion_pipeline.explore import make_index
from laion_pipeline.explore.asked import Asked
from laion_pipeline.explore.search import Explorer
from laion_pipeline.subsets.conditions import CHOSEN
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.selecting import select
from laion_pipeline.tables.table import check_table
from laion_pipeline.warehouse.cleaned import CLEANED_HASHES, Cleaned, has_cleaned, hold_cleaned
from laion_pipeline.warehouse.connections import Warehouse
from tests.builders import (
    SAMPLE,
    column,
    fetch,
    hashed,
    load,
    make_tables,
    pair,
    pairs,
    tables,
    write_shard,
)

GONE = {3, 40, 41}


def given(folder: Path, name: str, hashes: Sequence[int | None], column: str = "hash") -> Path:
    """A file of a cleaned release."""
    folder.mkdir(parents=True, exist_ok=True)
    other = pa.array(["https://elsewhere.example"] * len(hashes))
    pq.write_table(pa.table({"url": other, column: pa.array(hashes, pa.int64())}), folder / name)
    return folder


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """Two shards: 50 pairs with a hash, one without, one that is quarantined."""
    rows = hashed(pairs(50))
    write_shard(tmp_path / "shards", "part-0.parquet", [*rows[:30], pair(90, hash=None)])
    write_shard(tmp_path / "shards", "part-1.parquet", [*rows[30:], pair(91, width=0)])
    return load(tmp_path / "shards")


@pytest.fixture
def cleaned(tmp_path: Path) -> Path:
    """Two files of a release that has all but three of these, and others."""
    held = [row["hash"] for n, row in enumerate(hashed(pairs(50))) if n not in GONE]
    given(tmp_path / "cleaned", "a.parquet", [*held[:20], None, 7, held[0]])
    return given(tmp_path / "cleaned" / "below", "b.parquet", [*held[20:], 8], "HASH")


def hold(warehouse: Warehouse, folder: Path | None) -> Cleaned:
    with warehouse.connect() as connection:
        return hold_cleaned(connection, folder)


def test_what_is_no_longer_there_is_counted_by_shard(
    warehouse: Warehouse, cleaned: Path, tmp_path: Path
) -> None:
    found = hold(warehouse, cleaned.parent)
    assert (found.files, found.pairs, found.found, found.is_usable) == (2, 50, 47, True)
    assert found.told == (
        "47 of 50 hashes are in the cleaned release, so that both hash alike; it removed 3 pairs"
    )
    make_tables(warehouse, tmp_path / "tables", "safety_overlay")
    assert fetch(warehouse, "FROM safety_overlay") == [
        ("part-0.parquet", 31, 1, 1, 1 / 31),
        ("part-1.parquet", 20, 0, 2, 2 / 20),
    ]
    assert check_table(warehouse, tables()["safety_overlay"], 2).status == "passed"


def test_nothing_lists_what_was_removed(
    warehouse: Warehouse, cleaned: Path, tmp_path: Path
) -> None:
    hold(warehouse, cleaned.parent)
    make_tables(warehouse, tmp_path / "tables", "safety_overlay")
    rows = hashed(pairs(50))
    gone = {str(rows[n][name]) for n in GONE for name in ("hash", "url", "text")}
    with warehouse.connect(read_only=True) as connection:
        kept = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        for (name,) in kept:
            if name != "pairs":
                said = repr(connection.execute(f'FROM "{name}"').fetchall())
                assert not [each for each in gone if each in said], name


def test_subsets_leave_it_out_unless_they_say_otherwise(
    warehouse: Warehouse, cleaned: Path
) -> None:
    hold(warehouse, cleaned.parent)
    with warehouse.connect(read_only=True) as connection:
        for without, expected in ((True, 47), (False, 51)):
            chosen = SubsetFilter(caption_all=("caption",), without_removed=without)
            selected = select(connection, chosen, SAMPLE)
            assert selected.pairs == expected
            words = [step.words for step in selected.steps]
            assert ("the cleaned release still has it" in words) is without
            ((left,),) = connection.execute(f"SELECT count(*) FROM {CHOSEN}").fetchall()
            assert left == expected


def test_so_does_the_search_index(warehouse: Warehouse, cleaned: Path, tmp_path: Path) -> None:
    place = tmp_path / "index"
    assert make_index(warehouse, SAMPLE, place).pairs == 51
    hold(warehouse, cleaned.parent)
    assert make_index(warehouse, SAMPLE, place).pairs == 47
    look = Explorer(place).look()
    assert look is not None
    asked = Asked.read({"words": "caption"}, look.facts)
    assert look.find(asked).pairs == 47
    assert look.facts.without_removed
    hold(warehouse, None)
    assert make_index(warehouse, SAMPLE, place).pairs == 51


@pytest.mark.parametrize(
    ("hashes", "found"),
    [
        ([n + 10**6 for n in range(1000)], 0),  # hashed otherwise
        ([row["hash"] for row in hashed(pairs(50))][:40], 40),  # not all of its files
    ],
)
def test_where_it_cannot_be_used_nothing_is_held(
    hashes: list[int], found: int, warehouse: Warehouse, tmp_path: Path
) -> None:
    cleaned = hold(warehouse, given(tmp_path / "cleaned", "a.parquet", hashes))
    assert (cleaned.found, cleaned.is_usable) == (found, False)
    assert cleaned.told.endswith("; it cannot be used")
    with warehouse.connect(read_only=True) as connection:
        assert not has_cleaned(connection)
    make_tables(warehouse, tmp_path / "tables", "safety_overlay")
    assert fetch(warehouse, "FROM safety_overlay") == []
    assert check_table(warehouse, tables()["safety_overlay"], 0).status == "passed"


def test_it_is_compared_again_only_if_anything_changed(
    warehouse: Warehouse, cleaned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hold(warehouse, cleaned.parent)
    with monkeypatch.context() as patch:
        patch.setattr(
            "laion_pipeline.warehouse.cleaned._read", lambda *_: pytest.fail("read again")
        )
        assert hold(warehouse, cleaned.parent) == first
    given(cleaned, "c.parquet", [hashed(pairs(50))[3]["hash"]])
    assert hold(warehouse, cleaned.parent).found == 48
    write_shard(tmp_path / "shards", "part-2.parquet", hashed(pairs(1, first=99)))
    load(tmp_path / "shards")
    again = hold(warehouse, cleaned.parent)
    assert (again.pairs, again.found) == (51, 48)
    assert hold(warehouse, None).files == 0
    assert column(warehouse, f"FROM {CLEANED_HASHES}") == []


def test_files_that_cannot_be_read_are_named_and_change_nothing(
    warehouse: Warehouse, cleaned: Path, tmp_path: Path
) -> None:
    hold(warehouse, cleaned.parent)
    held = sorted(column(warehouse, f"FROM {CLEANED_HASHES}"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"empty: has no \*.parquet files"):
        hold(warehouse, tmp_path / "empty")
    given(cleaned, "z.parquet", [1], "key\u202e")
    with pytest.raises(SourceError, match=r"z\.parquet: has no column hash .*has url, key\\u202e"):
        hold(warehouse, cleaned.parent)
    (cleaned / "z.parquet").write_bytes(b"PAR1 is no more than this")
    with pytest.raises(SourceError, match=r"z\.parquet: cannot be read: "):
        hold(warehouse, cleaned.parent)
    assert sorted(column(warehouse, f"FROM {CLEANED_HASHES}")) == held


def test_without_pairs_that_have_a_hash_it_says_nothing(tmp_path: Path, cleaned: Path) -> None:
    write_shard(tmp_path / "other", "part-0.parquet", [pair(1, hash=None)])
    warehouse = load(tmp_path / "other", file=tmp_path / "other.duckdb")
    assert not hold(warehouse, cleaned.parent).is_usable
    with duckdb.connect(warehouse.file, read_only=True) as connection:
        assert not has_cleaned(connection)
