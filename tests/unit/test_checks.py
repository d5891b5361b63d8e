"""Check results: kept in the warehouse as they were, each in place of its earlier one."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from laion_pipeline.errors import WarehouseError
from laion_pipeline.quality.results import (
    CheckResult,
    RecordedCheck,
    Status,
    read_checks,
    record_checks,
)
from laion_pipeline.warehouse.connections import Warehouse
from tests.builders import change, load_rows, pair, provenance, warehouse_at

HOSTILE = '<b>"\n\u202e거실'


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return load_rows(tmp_path, [pair()])


def result(asset: str = "pairs", name: str = "a", **changes: Any) -> CheckResult:
    values: dict[str, Any] = {"status": "passed", "description": "all's well", "rows": 9}
    return CheckResult(asset=asset, name=name, **{**values, **changes})


def record(warehouse: Warehouse, *results: CheckResult) -> Sequence[RecordedCheck]:
    with warehouse.connect() as connection:
        return record_checks(connection, results)


def recorded(warehouse: Warehouse) -> Sequence[RecordedCheck]:
    with warehouse.connect(read_only=True) as connection:
        return read_checks(connection)


def without_time(check: RecordedCheck) -> CheckResult:
    names = CheckResult.__dataclass_fields__
    return CheckResult(**{name: getattr(check, name) for name in names})


def test_results_come_back_as_they_were(warehouse: Warehouse) -> None:
    examples = ({"url": "https://x", "text": HOSTILE, "width": None, "n": 2**63 - 1},
                {"similarity": -1.5, "is": True, "list": [1, "a"]})  # fmt: skip
    results = [
        result(name="b", status="warned", failing_rows=2, value=2 / 9, examples=examples,
               threshold="a warning above 0 %", unit="rows", sql=f"SELECT '{HOSTILE}'",
               shards=(("it's/part-0.parquet", 2**40), (HOSTILE, 1)), advice=HOSTILE),
        result(name="a", status="not in this release", rows=0),
        result(name="c", status="failed", value=0.25, value_of="population stability index"),
    ]  # fmt: skip
    told = record(warehouse, *results)
    assert [without_time(check) for check in told] == results
    assert recorded(warehouse) == told


def test_when_and_of_which_revision_is_kept(warehouse: Warehouse) -> None:
    before = datetime.now(UTC).replace(tzinfo=None)
    record(warehouse, result(), result(name="b", status="warned"))
    good, bad = recorded(warehouse)
    assert {good.revision, bad.revision} == {provenance(warehouse).revision}
    assert before <= good.checked_at <= before + timedelta(minutes=1)
    assert (good.since, good.since_revision) == (None, None)
    assert (bad.since, bad.since_revision) == (bad.checked_at, bad.revision)


def test_since_is_when_it_first_was_bad_without_having_been_good_in_between(
    warehouse: Warehouse,
) -> None:
    told: list[tuple[str | None, bool]] = []
    sequence: list[Status] = [
        "passed", "warned", "failed", "warned", "passed", "failed", "not in this release",
        "warned", "nothing to compare with", "failed", "failed",
    ]  # fmt: skip
    times: dict[str | None, datetime | None] = {None: None}
    for number, status in enumerate(sequence):
        change(warehouse, f"UPDATE provenance SET revision = 'r{number}'")
        record(warehouse, result(status=status), result(name="other", status="failed"))
        check, other = recorded(warehouse)
        times[check.revision] = check.checked_at
        told.append((check.since_revision, check.since == times[check.since_revision]))
        assert (other.since_revision, other.revision) == ("r0", f"r{number}")
    assert told == [
        (since, True)
        for since in (None, "r1", "r1", "r1", None, "r5", None, "r7", None, "r9", "r9")
    ]


def test_since_is_of_one_asset_s_check(warehouse: Warehouse) -> None:
    revision = provenance(warehouse).revision
    record(warehouse, result("pairs", "a", status="failed"), result("pairs", "b"))
    change(warehouse, "UPDATE provenance SET revision = 'later'")
    record(warehouse, result("table", "a", status="failed"))
    record(warehouse, result("pairs", "b", status="failed"))
    assert {(c.asset, c.name): c.since_revision for c in recorded(warehouse)} == {
        ("pairs", "a"): revision, ("pairs", "b"): "later", ("table", "a"): "later",
    }  # fmt: skip


def test_examples_may_hold_what_json_does_not(warehouse: Warehouse) -> None:
    examples = ({"a": math.nan, "b": math.inf, "c": Path("x"), "d": b"\xff"},)
    record(warehouse, result(examples=examples))
    (kept,) = recorded(warehouse)
    assert math.isnan(float(str(kept.examples[0]["a"])))
    assert float(str(kept.examples[0]["b"])) == math.inf
    assert kept.examples[0]["c"] == "x"


def test_pairs_come_first_then_assets_by_name_then_as_made(warehouse: Warehouse) -> None:
    for asset, names in (("z", "ba"), ("pairs", "cab"), ("b", "x")):
        record(warehouse, *(result(asset, name) for name in names))
    assert [(each.asset, each.name) for each in recorded(warehouse)] == [
        ("pairs", "c"), ("pairs", "a"), ("pairs", "b"), ("b", "x"), ("z", "b"), ("z", "a"),
    ]  # fmt: skip


def test_new_results_replace_those_of_the_same_checks_only(warehouse: Warehouse) -> None:
    record(warehouse, *(result("pairs", name) for name in "abc"))
    record(warehouse, result("table", "a"))
    replacement = [result("pairs", "c", status="failed", failing_rows=1), result("pairs", "a")]
    record(warehouse, *replacement)
    kept = [without_time(check) for check in recorded(warehouse)]
    assert kept == [result("pairs", "b"), *replacement, result("table", "a")]


def test_results_of_an_older_version_are_made_again(warehouse: Warehouse) -> None:
    change(
        warehouse,
        "CREATE TABLE check_results (asset VARCHAR, name VARCHAR, status VARCHAR)",
        "INSERT INTO check_results VALUES ('pairs', 'old', 'failed')",
    )
    record(warehouse, result("table", "a"))
    assert [check.name for check in recorded(warehouse)] == ["a"]


def test_nothing_checked_yet_is_told(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="nothing has been checked yet"):
        recorded(warehouse)


def test_nothing_is_recorded_of_no_revision(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="not completely loaded"):
        record(warehouse_at(tmp_path / "w.duckdb"), result())


@pytest.mark.parametrize(
    ("rows", "failing", "share"), [(0, 0, 0.0), (8, 2, 0.25), (1000, 1, 0.001), (3, 3, 1.0)]
)
def test_the_share_is_that_of_failing_rows(rows: int, failing: int, share: float) -> None:
    assert result(rows=rows, failing_rows=failing).share == share


def test_only_warnings_and_errors_are_bad() -> None:
    statuses = get_args(Status)
    assert [s for s in statuses if result(status=s).is_bad] == ["warned", "failed"]
    assert [s for s in statuses if not result(status=s).is_checked] == [
        "not in this release", "nothing to compare with",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"failing_rows": 1234, "rows": 56789}, "1,234 of 56,789 rows fail: all's well"),
        ({"unit": "shards", "rows": 2}, "0 of 2 shards fail: all's well"),
        ({"value": 0.12345, "value_of": "index"}, "index 0.123: all's well"),
        ({"status": "not in this release"}, "not checked: not in this release: all's well"),
        ({"status": "nothing to compare with"}, "not checked: nothing to compare with: all's well"),
    ],
)
def test_a_finding_is_one_line(changes: dict[str, Any], finding: str) -> None:
    assert result(**changes).finding == finding
