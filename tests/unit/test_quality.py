"""Validation of `pairs` by Great Expectations: every check passes, warns and fails as it should."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from laion_pipeline.checks import CheckResult, Status, read_checks
from laion_pipeline.errors import WarehouseError
from laion_pipeline.quality import (
    PAIRS_CHECKS,
    RECONCILIATION_CHECK,
    SCHEMA_CHECK,
    STRUCTURAL_CHECKS,
    validate_pairs,
)
from laion_pipeline.sample import generate_sample, planted
from laion_pipeline.warehouse import Warehouse
from tests.builders import (
    RAW,
    RULES,
    SAMPLE,
    change,
    fetch,
    load,
    load_rows,
    pair,
    pairs,
    warehouse_at,
    write_shard,
)

BAD_VALUES = {
    "url_http": {"url": "http:///x"},
    "text_present": {"text": " "},
    "width_positive": {"width": 0},
    "height_positive": {"height": -1},
    "similarity_range": {"similarity": 1.5},
    "punsafe_range": {"punsafe": None},
    "pwatermark_range": {"pwatermark": float("nan")},
    "aesthetic_range": {"aesthetic": 7.0},
}


def by_name(results: Sequence[CheckResult]) -> dict[str, CheckResult]:
    return {result.name: result for result in results}


def statuses(results: Sequence[CheckResult]) -> dict[str, Status]:
    return {result.name: result.status for result in results}


def with_status(status: Status, *names: str) -> dict[str, Status]:
    return {name: status if name in names else "passed" for name in PAIRS_CHECKS}


@pytest.fixture
def clean(tmp_path: Path) -> Warehouse:
    """Two shards of five good rows."""
    for number in (0, 1):
        write_shard(tmp_path / "shards", f"part-{number}.parquet", pairs(5, first=5 * number))
    return load(tmp_path / "shards")


def test_good_rows_pass_every_check(clean: Warehouse) -> None:
    results = validate_pairs(clean, SAMPLE)
    assert tuple(result.name for result in results) == tuple(PAIRS_CHECKS)
    assert statuses(results) == with_status("passed")
    assert {result.failing_rows for result in results} == {0}
    assert {name: result.rows for name, result in by_name(results).items()} == {
        name: 2 if name == RECONCILIATION_CHECK else 10 for name in PAIRS_CHECKS
    }


def test_great_expectations_and_the_mask_count_the_same(tmp_path: Path) -> None:
    generate_sample(tmp_path / "shards", rows=2000, shards=3)
    warehouse = load(tmp_path / "shards")
    results = by_name(validate_pairs(warehouse, SAMPLE))
    masked = Counter(
        reason
        for (reasons,) in fetch(warehouse, "SELECT reasons FROM quarantine")
        for reason in reasons  # type: ignore[attr-defined]
    )
    assert {name: results[name].failing_rows for name in RULES} == masked == planted(2000)
    assert {results[name].rows for name in RULES} == {2000}
    assert all(results[name].status == "failed" for name in RULES)


def test_a_rule_warns_up_to_one_in_a_thousand_and_fails_above(tmp_path: Path) -> None:
    bad = [pair(-1 - number, **BAD_VALUES[rule]) for number, rule in enumerate(RULES)]
    warehouse = load_rows(tmp_path, [*bad, *pairs(992)])
    results = validate_pairs(warehouse, SAMPLE)
    assert statuses(results) == with_status("warned", *RULES), "exactly 0.1 %"
    assert {by_name(results)[rule].share for rule in RULES} == {0.001}
    change(warehouse, "DELETE FROM pairs WHERE hash = 0", "UPDATE shards SET rows = 999")
    results = validate_pairs(warehouse, SAMPLE)
    assert statuses(results) == with_status("failed", *RULES), "1 of 999"
    assert {by_name(results)[rule].failing_rows for rule in RULES} == {1}


@pytest.mark.parametrize("rule", ["url_http", "aesthetic_range"])
def test_only_the_rule_that_is_broken_is_told(rule: str, tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, [pair(0, **BAD_VALUES[rule]), pair(1)])
    assert statuses(validate_pairs(warehouse, SAMPLE)) == with_status("failed", rule)


def test_a_count_is_not_cut_off(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, pairs(1500, text=""))
    result = by_name(validate_pairs(warehouse, SAMPLE))["text_present"]
    assert (result.failing_rows, result.rows, result.share) == (1500, 1500, 1.0)


def test_examples_are_the_first_bad_rows_made_displayable(tmp_path: Path) -> None:
    rows = [pair(number, similarity=float(number)) for number in reversed(range(2, 32))]
    odd = pair(1, similarity=1.5, text="a\u202eb" + "c" * 100)
    warehouse = load_rows(tmp_path, [*rows, odd, *pairs(10, first=100)])
    result = by_name(validate_pairs(warehouse, SAMPLE))["similarity_range"]
    expected = sorted((row["url"], row["similarity"]) for row in [*rows, odd])[:10]
    assert [(row["url"], row["similarity"]) for row in result.examples] == expected
    assert {row["shard"] for row in result.examples} == {"part-0.parquet"}
    (text,) = (row["text"] for row in result.examples if row["similarity"] == 1.5)
    assert str(text).startswith("a\\u202eb")
    assert str(text).endswith("c…")


def test_a_vanished_row_fails_the_reconciliation(clean: Warehouse) -> None:
    change(clean, "DELETE FROM pairs WHERE hash = 7")
    results = validate_pairs(clean, SAMPLE)
    assert statuses(results) == with_status("failed", RECONCILIATION_CHECK)
    result = by_name(results)[RECONCILIATION_CHECK]
    assert (result.failing_rows, result.rows) == (1, 2)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO pairs SELECT * FROM pairs WHERE hash = 7",
        "INSERT INTO pairs SELECT * REPLACE (9 AS shard_id) FROM pairs WHERE hash = 7",
        "INSERT INTO pairs SELECT * REPLACE (NULL AS shard_id) FROM pairs WHERE hash = 7",
        "DELETE FROM pairs WHERE shard_id = 1",
        "DELETE FROM shards WHERE shard_id = 1",
        "UPDATE shards SET rows = rows + 1 WHERE shard_id = 0",
    ],
    ids=["doubled", "unknown shard", "no shard", "shard emptied", "not in ledger", "ledger wrong"],
)
def test_rows_and_ledger_that_disagree_fail_the_reconciliation(
    statement: str, clean: Warehouse
) -> None:
    change(clean, statement)
    results = validate_pairs(clean, SAMPLE)
    assert statuses(results) == with_status("failed", RECONCILIATION_CHECK)
    assert by_name(results)[RECONCILIATION_CHECK].failing_rows == 1


def test_a_row_moved_to_another_shard_is_missed_in_both(clean: Warehouse) -> None:
    change(clean, "UPDATE pairs SET shard_id = 1 WHERE hash = 0")
    assert by_name(validate_pairs(clean, SAMPLE))[RECONCILIATION_CHECK].failing_rows == 2


@pytest.mark.parametrize(
    "alteration",
    [
        "ADD COLUMN extra INTEGER",
        "ALTER width TYPE INTEGER",
        "ALTER url TYPE BLOB USING encode(url)",
        "ALTER aesthetic TYPE FLOAT",
        "ALTER hash TYPE DOUBLE",
        "ALTER defects TYPE BIGINT",
        "ALTER similarity TYPE VARCHAR",
    ],
)
def test_another_column_or_type_fails_the_schema_check(alteration: str, clean: Warehouse) -> None:
    change(
        clean, "DROP VIEW valid_pairs", "DROP VIEW quarantine", f"ALTER TABLE pairs {alteration}"
    )
    results = statuses(validate_pairs(clean, SAMPLE))
    assert results[SCHEMA_CHECK] == "failed"
    assert results[RECONCILIATION_CHECK] == "passed"


@pytest.mark.parametrize("name", ["hash", "similarity", "url"])
def test_a_dropped_column_fails_the_schema_check(name: str, clean: Warehouse) -> None:
    change(clean, "DROP VIEW valid_pairs", "DROP VIEW quarantine", f"ALTER TABLE pairs DROP {name}")
    assert statuses(validate_pairs(clean, SAMPLE))[SCHEMA_CHECK] == "failed"


def test_rules_on_absent_columns_say_so(tmp_path: Path) -> None:
    row = {**pair(), "license": "?", "nsfw": "UNLIKELY"}
    results = validate_pairs(load_rows(tmp_path, [row], RAW), RAW)
    absent = {name for name, status in statuses(results).items() if status != "passed"}
    assert absent == {"punsafe_range", "pwatermark_range", "aesthetic_range"}
    for result in results:
        if result.name in absent:
            assert result.status == "not in this release"
            assert result.description == f"{result.name}: the column is not in this release"
            assert (result.rows, result.failing_rows) == (0, 0)


def test_a_shard_without_rows_passes(tmp_path: Path) -> None:
    results = validate_pairs(load_rows(tmp_path, []), SAMPLE)
    assert statuses(results) == with_status("passed")
    assert {result.rows for result in results if result.name != RECONCILIATION_CHECK} == {0}


def test_results_are_kept_and_replaced(clean: Warehouse) -> None:
    for statement in ("UPDATE pairs SET text = '' WHERE hash = 1", "UPDATE pairs SET text = 'a'"):
        change(clean, statement)
        results = validate_pairs(clean, SAMPLE)
        with clean.connect(read_only=True) as connection:
            assert read_checks(connection) == results


def test_structural_checks_are_described() -> None:
    assert tuple(STRUCTURAL_CHECKS) == (SCHEMA_CHECK, RECONCILIATION_CHECK)
    assert all(STRUCTURAL_CHECKS.values())


def test_there_must_be_a_warehouse(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path / "none.duckdb")
    with pytest.raises(WarehouseError, match="no warehouse yet"):
        validate_pairs(warehouse, SAMPLE)
    assert not warehouse.file.exists()


@pytest.mark.parametrize("folder", ["50%41 c#", "$HOME", "a;b&c=d", "x:y@z"])
def test_the_warehouse_may_lie_in_any_folder(folder: str, tmp_path: Path) -> None:
    write_shard(tmp_path / "shards", "part-0.parquet", [pair(0, text="")])
    (tmp_path / folder).mkdir()
    warehouse = load(tmp_path / "shards", file=tmp_path / folder / "warehouse.duckdb")
    assert by_name(validate_pairs(warehouse, SAMPLE))["text_present"].failing_rows == 1
