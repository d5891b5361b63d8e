"""Checks on `pairs` as a whole: what each finds, where, from which share on, and how to find it."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from laion_pipeline.quality.results import CheckResult, Status
from laion_pipeline.quality.row_sample import draw_row_sample
from laion_pipeline.releases.release import Release
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.loading import load_pairs
from laion_pipeline.warehouse.supply import Kept
from tests.builders import (
    RAW,
    SAMPLE,
    Row,
    change,
    check,
    column,
    fetch,
    hashed,
    list_folder,
    load,
    load_rows,
    pair,
    pairs,
    warehouse_at,
    write_shard,
    write_table,
)

VIEWS = ("pair_scores", "valid_pairs", "quarantine", "pair_keys")
SAMPLED = 200_000


def published(rows: int | None) -> Release:
    return SAMPLE.model_copy(update={"published_rows": rows})


def stated(number: int, size: str = "640x480", **changes: object) -> dict[str, Any]:
    """A row whose URL states a size, with the hash that it should have."""
    url = f"https://www.host.example/{number}-{size}.jpg"
    return hashed([{**pair(number), "url": url, **changes}])[0]


def load_shards(folder: Path, *shards: Sequence[Row]) -> Warehouse:
    for number, rows in enumerate(shards):
        write_shard(folder / "shards", f"part-{number}.parquet", rows)
    return load(folder / "shards")


def statuses(results: Mapping[str, CheckResult]) -> dict[str, Status]:
    return {name: result.status for name, result in results.items()}


def not_passed(results: Mapping[str, CheckResult]) -> dict[str, Status]:
    """The checks that did not pass, but for those that SAMPLE, or a first load, is not held to."""
    found: dict[str, Status] = {n: s for n, s in statuses(results).items() if s != "passed"}
    assert found.pop("rows_retained") == "nothing to compare with"
    assert found.pop("aesthetic_filter") == "not in this release"
    return found


def alter(warehouse: Warehouse, *alterations: str, views: bool = True) -> None:
    """Alter `pairs`, which DuckDB lets nobody do under its views."""
    made = column(
        warehouse,
        "SELECT sql FROM duckdb_views() WHERE list_contains(?, view_name)"
        " ORDER BY view_name = 'pair_scores'",  # which reads another
        list(VIEWS),
    )
    change(
        warehouse,
        *(f"DROP VIEW {view}" for view in VIEWS),
        *(f"ALTER TABLE pairs {alteration}" for alteration in alterations),
        *(map(str, made) if views else ()),
    )


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Two shards of five rows; the first of each has no caption."""
    rows = [stated(number, text="" if number in (0, 5) else "a") for number in range(10)]
    return load_shards(tmp_path_factory.mktemp("loaded"), rows[:5], rows[5:])


@pytest.fixture
def clean(loaded: Warehouse, tmp_path: Path) -> Warehouse:
    """A copy to tamper with."""
    file = tmp_path / "warehouse.duckdb"
    file.write_bytes(loaded.file.read_bytes())
    return warehouse_at(file)


TEN = published(10)
# The two captions that are missing.
BROKEN: dict[str, Status] = {"text_present": "failed"}
LOADED, ACCOUNT = "every_source_row_loaded", "every_row_accounted_for"
ROW_1 = "url LIKE '%/1-640x480.jpg'"


@pytest.mark.parametrize(
    ("tampering", "loaded_failing", "account_failing"),
    [
        (f"DELETE FROM pairs WHERE {ROW_1}", 1, 1),
        (f"INSERT INTO pairs SELECT * FROM pairs WHERE {ROW_1}", 1, 1),
        (f"INSERT INTO pairs SELECT * REPLACE (9 AS shard_id) FROM pairs WHERE {ROW_1}", 1, 1),
        (f"UPDATE pairs SET shard_id = 1 WHERE {ROW_1}", 2, 0),
        (f"UPDATE pairs SET shard_id = 9 WHERE {ROW_1}", 2, 0),
        ("DELETE FROM pairs WHERE shard_id = 1", 1, 5),
        ("DELETE FROM shards WHERE shard_id = 1", 1, 5),
        ("UPDATE shards SET rows = 5 + (CASE shard_id WHEN 0 THEN 1 ELSE -1 END)", 2, 0),
        ("UPDATE pairs SET defects = 0", 0, 2),
        ("UPDATE pairs SET defects = 3 WHERE text = ''", 0, 2),
        ("UPDATE pairs SET text = ''", 0, 8),
        # A mark of no rule, which keeps good rows from being counted for no reason.
        (f"UPDATE pairs SET defects = 1024 WHERE {ROW_1}", 0, 1),
    ],
)
def test_rows_and_marks_that_do_not_add_up_fail_reconciliation(
    tampering: str, loaded_failing: int, account_failing: int, clean: Warehouse
) -> None:
    change(clean, tampering)
    results = check(clean, published(None))
    assert (results[LOADED].failing_rows, results[ACCOUNT].failing_rows) == (
        loaded_failing, account_failing,
    )  # fmt: skip
    for name in (LOADED, ACCOUNT):
        failing = results[name].failing_rows
        assert results[name].status == ("failed" if failing else "passed")
        assert bool(results[name].examples) == bool(failing)
    assert results["schema_as_contracted"].status == "passed"
    assert results["published_rows"].status == "not in this release"
    assert len(fetch(clean, results[LOADED].sql)) == loaded_failing


def test_reconciliation_says_what_differs_where(clean: Warehouse) -> None:
    change(
        clean,
        f"UPDATE pairs SET shard_id = 1 WHERE {ROW_1}",
        "INSERT INTO pairs SELECT * REPLACE (7 AS shard_id) FROM pairs WHERE text = ''",
        "UPDATE pairs SET defects = 0 WHERE shard_id = 1",
    )
    results = check(clean, TEN)
    found = results[LOADED]
    assert found.shards == (("part-0.parquet", 1), ("part-1.parquet", 1))
    assert found.examples == (
        {"shard": "part-0.parquet", "source_rows": 5, "rows_in_pairs": 4},
        {"shard": "part-1.parquet", "source_rows": 5, "rows_in_pairs": 6},
        {"shard": None, "source_rows": None, "rows_in_pairs": 2},
    )
    assert (found.failing_rows, found.rows, found.value) == (3, 3, 1.0)
    account = results[ACCOUNT]
    assert account.failing_rows == 2 + 1
    assert account.shards == (("part-1.parquet", 1),)
    first, counts, wrong = account.examples
    assert first == {"source_rows": 10, "valid_and_quarantined": 12}
    # Two rows of that shard are there twice, and one of the others lost its mark.
    assert counts == {"rule": "text_present", "rows_marked": 3, "rows_counted": 4}
    assert (wrong["shard"], wrong["defects"], wrong["should_be"]) == ("part-1.parquet", 0, 2)
    assert len(fetch(clean, account.sql)) == 1


@pytest.mark.parametrize("name", ["shard_id", "defects"])
def test_nulls_that_loading_never_writes_are_told(name: str, clean: Warehouse) -> None:
    """One in a good row, one in a broken one, and one in a row that is there twice."""
    alter(clean, f"ALTER {name} DROP NOT NULL")
    change(
        clean,
        f"UPDATE pairs SET {name} = NULL WHERE text = ''",
        f"INSERT INTO pairs SELECT * REPLACE (NULL AS {name}) FROM pairs WHERE {ROW_1}",
    )
    results = check(clean, TEN)
    assert not_passed(results) == {
        "schema_as_contracted": "failed",
        LOADED: "failed",
        ACCOUNT: "failed",
        "published_rows": "warned",
        "urls_unique": "warned",
        "hashes_unique": "warned",
        **BROKEN,
    }
    schema = results["schema_as_contracted"]
    assert (schema.failing_rows, schema.rows) == (1, 11)
    assert results["text_present"].failing_rows == 2
    assert results["urls_unique"].failing_rows == results["hashes_unique"].failing_rows == 1


@pytest.mark.parametrize(
    "alterations",
    [
        ["ADD COLUMN extra INTEGER"],
        ["ALTER width TYPE INTEGER", "ALTER aesthetic TYPE FLOAT", "ALTER defects TYPE BIGINT"],
    ],
)
def test_columns_that_can_be_read_all_the_same_fail_the_schema_alone(
    alterations: Sequence[str], clean: Warehouse
) -> None:
    alter(clean, *alterations)
    results = check(clean, TEN)
    assert not_passed(results) == {"schema_as_contracted": "failed", **BROKEN}
    schema = results["schema_as_contracted"]
    assert (schema.failing_rows, schema.unit) == (len(alterations), "columns")
    assert len(fetch(clean, schema.sql)) == (12 if len(alterations) == 1 else 11)


@pytest.mark.parametrize(
    ("alteration", "unchecked"),
    [
        ("DROP hash", "hashes_unique"),
        ("DROP shard_id", LOADED),
        ("DROP defects", ACCOUNT),
        ("RENAME text TO caption", "text_present"),
        ("ALTER similarity TYPE VARCHAR", "similarity_range"),
        ("ALTER url TYPE BLOB USING encode(url)", "url_http"),
    ],
)
def test_what_cannot_be_checked_for_want_of_columns_says_so(
    alteration: str, unchecked: str, clean: Warehouse
) -> None:
    alter(clean, alteration, views=False)
    results = check(clean, TEN)
    assert results["schema_as_contracted"].failing_rows > 0
    why = "could not be checked, since schema_as_contracted failed"
    not_checked = {name for name, result in results.items() if result.description == why}
    assert unchecked in not_checked
    assert {results[name].status for name in not_checked} == {"failed"}
    assert all(results[name].advice for name in not_checked)
    checked = results.keys() - not_checked - {"schema_as_contracted", "aesthetic_filter"}
    assert {name for name in checked if results[name].is_bad} <= BROKEN.keys()


def test_no_rows_are_an_error_and_each_check_is_defined(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, [])
    results = check(warehouse, TEN)
    nothing = ("size_orientation", "urls_unique", "hashes_unique", "hash_matches")
    assert not_passed(results) == {
        "rows_present": "failed",
        "published_rows": "warned",
        **dict.fromkeys(nothing, "nothing to compare with"),
    }
    assert results["published_rows"].failing_rows == 10
    assert fetch(warehouse, results["rows_present"].sql) == [("part-0.parquet", 0)]
    change(warehouse, "DELETE FROM shards")
    assert check(warehouse, TEN)[LOADED].status == "nothing to compare with"


def test_rows_are_held_against_what_was_published(clean: Warehouse) -> None:
    """Ten rows are within 2 % of a published number or they are not."""
    change(clean, "INSERT INTO pairs SELECT pairs.* FROM pairs, range(9)")  # one hundred
    for number, status, failing in (
        (100, "passed", 0), (102, "passed", 2),
        (103, "warned", 3), (97, "warned", 3),
    ):  # fmt: skip
        result = check(clean, published(number))["published_rows"]
        assert (result.status, result.failing_rows) == (status, failing)
        assert (result.rows, result.value) == (number, failing / number)
    assert result.examples == ({"shard": None, "rows": 100, "published": 97},)
    assert column(clean, result.sql) == [100]


def test_part_of_a_release_is_not_held_against_what_was_published(tmp_path: Path) -> None:
    for number in (0, 1):
        write_shard(tmp_path / "shards", f"part-{number}.parquet", pairs(5, first=5 * number))
    whole = list_folder(tmp_path / "shards")
    part = replace(whole, shards=whole.shards[:1], complete=False)
    warehouse = warehouse_at(tmp_path / "warehouse.duckdb")
    load_pairs(warehouse, SAMPLE, part)
    result = check(warehouse)["published_rows"]
    assert (
        result.finding == "not checked: nothing to compare with: only some of the shards are loaded"
    )


def test_exactly_two_and_one_and_a_tenth_percent_pass_and_one_more_does_not(tmp_path: Path) -> None:
    """980 rows: each check on rows together is right at its threshold, then a row beyond."""
    for more in (0, 1):
        rows = [stated(n) for n in range(1000 - 10 - more)]
        rows += rows[:10] + rows[:more]
        odd = [{**row, "hash": -1 - n} for n, row in enumerate(rows[500 : 501 + more])]
        rows[500 : 501 + more] = odd
        for n in range(0, 400, 2):
            rows[20 + n] = stated(20 + n, "2x1" if n % 4 else "48x64", width=640, height=480)
        results = check(load_shards(tmp_path / str(more), rows[:300], rows[300:]), published(1000))
        repeated = 10 + more
        for name in ("urls_unique", "hashes_unique"):
            result = results[name]
            assert (result.failing_rows, result.rows, result.value) == (
                repeated, 1000, repeated / 1000,
            )  # fmt: skip
            assert result.status == ("warned" if more else "passed")
            assert result.shards == (("part-1.parquet", repeated),)
        result = results["hash_matches"]
        assert (result.failing_rows, result.rows) == (1 + more, 1000)
        assert result.status == ("failed" if more else "passed")
        assert len(fetch(tmp_warehouse(tmp_path / str(more)), result.sql)) == 1 + more


def tmp_warehouse(folder: Path) -> Warehouse:
    return warehouse_at(folder / "warehouse.duckdb")


def test_repeats_are_all_but_the_first_within_and_across_shards(tmp_path: Path) -> None:
    choose = random.Random(5)
    urls = [None, *(f"https://www.host.example/{n}.jpg" for n in range(60))]
    shards = [
        hashed(pair(0, url=choose.choice(urls), text=choose.choice(["a", "b", None]))
               for _ in range(size))
        for size in (7, 0, 40, 3, 30, 25, 20)
    ]  # fmt: skip
    for row in shards[3]:
        row["hash"] = None
    warehouse = load_shards(tmp_path, *shards)
    results = check(warehouse)
    for name, key in (("urls_unique", "url"), ("hashes_unique", "hash")):
        seen: set[object] = set()
        failing: Counter[str] = Counter()
        values: list[Any] = []
        for number, shard in enumerate(shards):
            for value in (row[key] for row in shard if row[key] is not None):
                if value in seen:
                    failing[f"part-{number}.parquet"] += 1
                seen.add(value)
                values.append(value)
        result = results[name]
        assert (result.failing_rows, result.rows) == (failing.total(), len(values))
        assert result.shards == tuple(sorted(failing.items(), key=lambda x: (-x[1], x[0]))[:5])
        times = Counter(values)
        assert len(result.examples) == 20
        assert all(example["times"] == times[example[key]] for example in result.examples)
        found = fetch(warehouse, result.sql)
        assert len(found) == sum(n for n in times.values() if n > 1)
        assert len(found) - sum(n > 1 for n in times.values()) == result.failing_rows


def test_a_release_of_one_url_is_all_repeats(tmp_path: Path) -> None:
    url = "https://host.example/" + "a" * 200
    rows = [pair(0, url=url, text="same")] * 3000
    results = check(load_shards(tmp_path, hashed(rows[:1000]), hashed(rows[1000:])))
    for name in ("urls_unique", "hashes_unique"):
        assert (results[name].failing_rows, results[name].rows) == (2999, 3000)
        assert results[name].shards == (("part-1.parquet", 2000), ("part-0.parquet", 999))
        assert results[name].status == "warned"
    (first, second) = results["urls_unique"].examples
    assert first == {"shard": "part-0.parquet", "url": url[:79] + "…", "times": 3000}
    assert second["shard"] == "part-1.parquet"


def test_no_url_or_hash_at_all_is_nothing_to_compare(tmp_path: Path) -> None:
    results = check(load_rows(tmp_path, pairs(3, url=None, hash=None)))
    for name in ("urls_unique", "hashes_unique"):
        assert results[name].status == "nothing to compare with"
        assert results[name].description.startswith("no row has a ")
    assert results["hash_matches"].failing_rows == 3


def test_hash_is_of_url_and_text_nulls_as_nothing(tmp_path: Path) -> None:
    texts = [
        ("https://a", None),
        (None, "거실 🙂"),
        (None, None),
        ("", "\x00"),
        ("https://ü", "e\u0301"),
    ]
    rows = hashed(pair(0, url=url, text=text) for url, text in texts)
    wrong = [pair(0, hash=None), pair(1, text="x\n" * 60)]
    warehouse = load_rows(tmp_path, [*rows, *wrong])
    result = check(warehouse)["hash_matches"]
    assert (result.failing_rows, result.rows, result.status) == (2, 7, "failed")
    assert result.shards == (("part-0.parquet", 2),)
    assert [row["hash"] for row in result.examples] == [None, 1]
    assert result.examples[1]["text"] == "x\\n" * 39 + "x…"
    assert {row["recomputed"] for row in result.examples} == {row["hash"] for row in hashed(wrong)}
    assert len(fetch(warehouse, result.sql)) == 2
    assert check(load_rows(tmp_path / "right", rows))["hash_matches"].status == "passed"


def many(count: int, order: np.ndarray) -> pa.Table:
    """Rows none of which has the right hash, so that the mismatches are the sample itself."""
    numbers = pa.array(order)
    names = pa.array([f"https://h/{n}" for n in order.tolist()])
    constant = {"width": 640, "height": 480, "similarity": 0.3, "punsafe": 0.1, "pwatermark": 0.1,
                "aesthetic": 8.0}  # fmt: skip
    columns = {name: pa.array(np.full(count, value)) for name, value in constant.items()}
    return pa.table({"url": names, "text": names, "hash": numbers, **columns})


def test_the_sample_is_of_200_000_rows_the_same_whatever_the_order(tmp_path: Path) -> None:
    count = 210_101
    order = np.arange(count)
    drawn = []
    for name, shards, batch in (("one", 1, 16), ("several", 5, 2)):
        if shards > 1:
            order = np.random.default_rng(7).permutation(order)
        for number, part in enumerate(np.array_split(order, shards)):
            write_table(tmp_path / name, f"part-{number}.parquet", many(len(part), part))
        warehouse = warehouse_at(tmp_path / f"{name}.duckdb")
        load_pairs(warehouse, SAMPLE, list_folder(tmp_path / name), Kept(SAMPLE, batch))
        result = check(warehouse)["hash_matches"]
        assert (result.rows, result.failing_rows) == (SAMPLED, SAMPLED)
        assert sum(n for _, n in result.shards) == SAMPLED
        drawn.append(column(warehouse, "SELECT list_sort(list(hash)) FROM hash_mismatches")[0])
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == SAMPLED


@pytest.mark.parametrize(
    ("url", "hash_", "count"),
    [
        ("'https://h/' || i", "i", SAMPLED),
        ("'https://h/' || i", "i", SAMPLED + 1),
        ("'https://h/' || i", "if(i < 250_000, 0, i)", 300_000),
        ("'https://h/' || i % 7", "i % 3", 600_000),
        ("'https://h/3'", "3", 600_000),
        ("NULL", "NULL", 600_000),
    ],
)
def test_the_sample_is_full_however_alike_the_rows_are(
    url: str, hash_: str, count: int, clean: Warehouse
) -> None:
    change(
        clean,
        "DELETE FROM pairs",
        f"INSERT INTO pairs SELECT {url}, 'a', 640, 480, 0.3, {hash_}, 0.1, 0.1, 8.0, 0, 0"
        f" FROM range({count}) AS t (i)",
    )
    with clean.connect() as connection:
        draw_row_sample(connection, SAMPLE)
        assert connection.execute("SELECT count(*) FROM row_sample").fetchall() == [(SAMPLED,)]


@pytest.mark.parametrize(
    ("straight", "swapped", "status"),
    [(1, 0, "passed"), (7, 7, "passed"), (7, 8, "failed"), (0, 1, "failed"),
     (0, 0, "nothing to compare with")],
)  # fmt: skip
def test_sizes_in_most_urls_the_other_way_round_are_caught(
    straight: int, swapped: int, status: str, tmp_path: Path
) -> None:
    undecided = [
        stated(900, "480x480"), stated(901, "640x480", width=500, height=500),
        stated(902, "480x640", width=0), stated(903, "480x640", height=-640),
        stated(904, "480x640", width=None), stated(905, "480x640", height=None),
        stated(906, "4x6"), stated(907, "480x640", url="https://h/480x640.jpg"),
        stated(908, url="https://h/a-480x640/b.jpg"), stated(909, url=None),
        stated(910, url="https://h/a-480x123456.jpg"), stated(911, url="https://h/a-480X640.jpg"),
    ]  # fmt: skip
    rows = [stated(n) for n in range(straight)]
    rows += [stated(100 + n, "480x640") if n % 2 else
             stated(100 + n, url=f"https://h/{n}_1024x99.png", width=99, height=1024)
             for n in range(swapped)]  # fmt: skip
    warehouse = load_shards(tmp_path, [*undecided, *rows])
    result = check(warehouse)["size_orientation"]
    of = straight + swapped
    assert (result.status, result.failing_rows, result.rows) == (status, swapped, of)
    assert result.value == (swapped / of if of else 0)
    assert len(result.examples) == swapped
    if of:
        assert len(fetch(warehouse, result.sql)) == swapped
    for example in result.examples:
        assert (example["width"] > example["height"]) != (  # type: ignore[operator]
            example["url_width"] > example["url_height"]  # type: ignore[operator]
        )


def test_a_release_marked_the_wrong_way_round_is_caught(tmp_path: Path) -> None:
    """A raw release's shard names its columns the other way round; only then do URLs agree."""
    raw = [{**stated(n), "width": 480, "height": 640, "license": "?", "nsfw": "UNLIKELY"}
           for n in range(5)]  # fmt: skip
    straight = RAW.model_copy(update={"sizes_swapped": False})
    for release, status in ((RAW, "passed"), (straight, "failed")):
        folder = tmp_path / status
        result = check(load_rows(folder, raw, release), release)["size_orientation"]
        assert (result.status, result.rows) == (status, 5)
        assert "sizes_swapped" in result.advice
