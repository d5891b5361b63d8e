"""The quarantine as a file and as counts: just the rows that break a rule, each with why."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laion_pipeline.errors import WarehouseError
from laion_pipeline.quality.quarantine import export_quarantine
from laion_pipeline.sources.sample.shards import generate_sample, planted
from laion_pipeline.tables.table import check_table, materialize_table
from laion_pipeline.warehouse.connections import Warehouse
from tests.builders import (
    CORE,
    RAW,
    RULES,
    SAMPLE,
    Row,
    change,
    fetch,
    load,
    load_rows,
    pair,
    pairs,
    provenance,
    reload,
    tables,
    warehouse_at,
    write_shard,
)

BREAKING: Mapping[str, Row] = {
    "url_http": {"url": "ftp://x"},
    "text_present": {"text": None},
    "width_positive": {"width": 0},
    "height_positive": {"height": -1},
    "similarity_range": {"similarity": 1.5},
    "punsafe_range": {"punsafe": None},
    "pwatermark_range": {"pwatermark": -0.1},
    "aesthetic_range": {"aesthetic": 11.0},
}
HOSTILE = ("'; DROP TABLE pairs; --", "=cmd|' /C calc'!A0", "<script>\x00\x1b[31m", "\u202e\ufffd",
           "거실 🙂\r\n\t", '"""', "%s {0} $HOME `id`", "a" * 70_000)  # fmt: skip


def exported(warehouse: Warehouse, path: Path) -> pa.Table:
    assert export_quarantine(warehouse, path).rows == pq.read_metadata(path).num_rows
    return pq.read_table(path)


@pytest.fixture(scope="module")
def random_shards() -> Sequence[Sequence[dict[str, Any]]]:
    """Shards of rows that break any rules, each row with those that it breaks."""
    choose = random.Random(11)
    rows = []
    for number in range(600):
        broken = [rule for rule in RULES if choose.random() < 0.1]
        changes = {name: value for rule in broken for name, value in BREAKING[rule].items()}
        rows.append({**pair(number), **changes, "reasons": broken})
    return [rows[:50], rows[50:300], rows[300:]]


def load_shards(folder: Path, shards: Sequence[Sequence[Row]]) -> Warehouse:
    for number, rows in enumerate(shards):
        write_shard(folder / "sha'rds", f"it's-part-{number}.parquet", rows)
    return load(folder / "sha'rds")


def test_the_file_holds_just_the_broken_rows_with_shard_and_reasons(
    random_shards: Sequence[Sequence[dict[str, Any]]], tmp_path: Path
) -> None:
    warehouse = load_shards(tmp_path, random_shards)
    table = exported(warehouse, tmp_path / "out" / "quarantine.parquet")
    assert table.column_names == ["shard", *CORE, "defects", "reasons"]
    assert table.schema.field("reasons").type == pa.list_(pa.string())
    expected = [
        {"shard": f"it's-part-{n}.parquet", **row}
        for n, rows in enumerate(random_shards)
        for row in rows
        if row["reasons"]
    ]
    found = table.drop_columns("defects").to_pylist()
    assert sorted(found, key=repr) == sorted(expected, key=lambda row: repr(in_order(row)))
    marks = {rule: 1 << bit for bit, rule in enumerate(RULES)}
    for row in table.select(["defects", "reasons"]).to_pylist():
        assert row["defects"] == sum(marks[rule] for rule in row["reasons"])
    places = [(row["shard"], row["url"], row["text"] is None, row["text"]) for row in found]
    assert places == sorted(places)


def in_order(row: Row) -> Row:
    return {name: row[name] for name in ("shard", *CORE, "reasons")}


def test_rows_per_reason_and_shard_are_counted(
    random_shards: Sequence[Sequence[dict[str, Any]]], tmp_path: Path
) -> None:
    warehouse = load_shards(tmp_path, random_shards)
    table = tables()["quarantine_counts"]
    result = materialize_table(warehouse, table, tmp_path / "tables")
    expected = Counter(
        (reason, f"it's-part-{n}.parquet")
        for n, rows in enumerate(random_shards)
        for row in rows
        for reason in row["reasons"]
    )
    lines = sorted((reason, -n, shard) for (reason, shard), n in expected.items())
    wanted = [(reason, shard, -n) for reason, n, shard in lines]
    published = pq.read_table(tmp_path / "tables" / "quarantine_counts.parquet")
    assert [tuple(row.values()) for row in published.to_pylist()] == wanted
    assert result.rows == len(wanted) == len(fetch(warehouse, "FROM quarantine_counts"))
    assert check_table(warehouse, table, result.rows).status == "passed"


@pytest.mark.parametrize("score", ["similarity", "punsafe", "pwatermark", "aesthetic"])
def test_a_score_that_is_no_number_is_quarantined_however_the_shard_is_loaded(
    score: str, tmp_path: Path
) -> None:
    """One shard, two, and one again: in each DuckDB reads and infers in another way."""
    folder = tmp_path / "shards"
    for bad, shards in ((float("nan"), 1), (float("nan"), 2), (float("inf"), 1), (None, 1)):
        for number in range(shards):
            rows = [pair(10 * number, **{score: bad}), *pairs(3, first=10 * number + 1)]
            write_shard(folder, f"part-{number}.parquet", rows)
        warehouse = load(folder, file=tmp_path / f"{bad}-{shards}.duckdb")
        reasons = fetch(warehouse, "SELECT reasons FROM quarantine")
        assert reasons == [([f"{score}_range"],)] * len(list(folder.iterdir())), (bad, shards)
        for file in folder.iterdir():
            file.unlink()


def test_a_changed_shard_s_broken_rows_take_the_place_of_its_old_ones(tmp_path: Path) -> None:
    for number in (0, 1):
        write_shard(tmp_path / "shards", f"part-{number}.parquet", [pair(number, text="")])
    warehouse = load(tmp_path / "shards")
    write_shard(tmp_path / "shards", "part-1.parquet", [pair(5, url=None), pair(6)])
    reload(warehouse, tmp_path / "shards")
    found = exported(warehouse, tmp_path / "q.parquet").select(["shard", "reasons"]).to_pylist()
    assert found == [
        {"shard": "part-0.parquet", "reasons": ["text_present"]},
        {"shard": "part-1.parquet", "reasons": ["url_http"]},
    ]


def test_the_same_rows_make_the_same_file(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, pairs(500, text=""))
    files = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for file in files:
        exported(warehouse, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert sorted(file.name for file in tmp_path.glob("*.parquet")) == [
        "one.parquet",
        "two.parquet",
    ]


def test_rows_of_one_url_and_caption_come_in_one_order_too(tmp_path: Path) -> None:
    rows = [pair(0, url=None, text=None, hash=n, aesthetic=n % 5) for n in range(3000)]
    hashes = []
    for seed in (1, 2):
        random.Random(seed).shuffle(rows)
        warehouse = load_rows(tmp_path / str(seed), rows)
        hashes.append(exported(warehouse, tmp_path / f"{seed}.parquet")["hash"].to_pylist())
    assert hashes[0] == hashes[1]


def test_more_rows_than_one_thread_takes_are_still_in_order(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, [pair(0)])
    change(
        warehouse,
        "INSERT INTO pairs SELECT lpad(CAST(999999 - i AS VARCHAR), 6, '0'),"
        " pairs.* EXCLUDE (url, defects), 1 FROM pairs, range(300000) AS t (i)",
    )
    urls = exported(warehouse, tmp_path / "q.parquet")["url"].to_pylist()
    assert len(urls) == 300_000
    assert urls == sorted(urls)


def test_captions_and_urls_of_strangers_come_back_as_they_are(tmp_path: Path) -> None:
    rows = [pair(0, url=text, text=text) for text in HOSTILE]
    table = exported(load_rows(tmp_path, rows), tmp_path / "q.parquet")
    assert sorted(table["text"].to_pylist()) == sorted(HOSTILE)
    assert sorted(table["url"].to_pylist()) == sorted(HOSTILE)


def test_no_broken_rows_make_a_file_without_rows(tmp_path: Path) -> None:
    for rows in ([], [pair()]):
        folder = tmp_path / str(len(rows))
        table = exported(load_rows(folder, rows), folder / "q.parquet")
        assert (table.num_rows, len(table.column_names)) == (0, 12)
        assert table.schema.field("reasons").type == pa.list_(pa.string())


def test_a_release_s_own_columns_are_there(tmp_path: Path) -> None:
    row = {**pair(url=None), "license": "?", "nsfw": "UNLIKELY"}
    table = exported(load_rows(tmp_path, [row], RAW), tmp_path / "q.parquet")
    assert table.column_names == ["shard", *RAW.columns, "defects", "reasons"]
    assert table["reasons"].to_pylist() == [["url_http"]]


def test_the_file_says_what_it_is_of(tmp_path: Path) -> None:
    folder = tmp_path / "it's"
    warehouse = load_rows(folder, [pair()])
    metadata = exported(warehouse, tmp_path / "q.parquet").schema.metadata
    said = provenance(warehouse)
    assert metadata[b"laion_pipeline.release"].decode() == SAMPLE.name
    assert metadata[b"laion_pipeline.revision"].decode() == said.revision
    assert metadata[b"laion_pipeline.origin"].decode() == said.origin
    assert "it's" in said.origin


@pytest.mark.parametrize("folder", ["50%41 c# $HOME", "it's \"a;b&c=d x:y@z {i} {uuid} [*] ~"])
def test_the_file_may_lie_in_any_folder(folder: str, tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path / folder, [pair(text="")])
    path = tmp_path / folder / "made" / "quarantine.parquet"
    assert exported(warehouse, path).num_rows == 1
    assert [file.name for file in path.parent.iterdir()] == ["quarantine.parquet"]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.parquet"
    warehouse = load_rows(tmp_path, [pair(text="")])
    exported(warehouse, path)
    before = path.read_bytes()
    change(warehouse, "DELETE FROM provenance")
    with pytest.raises(WarehouseError, match="not completely loaded"):
        export_quarantine(warehouse, path)
    with pytest.raises(WarehouseError, match="no warehouse yet"):
        export_quarantine(warehouse_at(tmp_path / "none.duckdb"), path)
    assert path.read_bytes() == before


def test_the_sample_s_planted_defects_are_there_with_their_reasons(tmp_path: Path) -> None:
    generate_sample(tmp_path / "shards", rows=2000, shards=3)
    warehouse = load(tmp_path / "shards")
    table = exported(warehouse, tmp_path / "q.parquet")
    reasons = Counter(reason for each in table["reasons"].to_pylist() for reason in each)
    assert reasons == {rule: n for rule, n in planted(2000).items() if rule in RULES}
