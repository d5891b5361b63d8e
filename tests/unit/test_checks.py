"""Check results: kept in the warehouse as they were, each asset's replacing its earlier ones."""

import math
from pathlib import Path

import pytest

from laion_pipeline.checks import CheckResult, read_checks, record_checks
from laion_pipeline.errors import WarehouseError
from tests.builders import warehouse_at


def result(asset: str, name: str, **changes: object) -> CheckResult:
    values = {"status": "passed", "description": "all's well", "rows": 9, "failing_rows": 0}
    return CheckResult(asset, name, **{**values, **changes})  # type: ignore[arg-type]


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    examples = ({"url": "https://x", "text": '<b>"\n\u202e거실', "width": None, "n": 2**63 - 1},
                {"similarity": -1.5, "is": True, "list": [1, "a"]})  # fmt: skip
    results = [
        result("pairs", "b", status="warned", failing_rows=2, examples=examples),
        result("pairs", "a", status="not in this release", rows=0),
    ]
    with warehouse_at(tmp_path / "w.duckdb").connect() as connection:
        record_checks(connection, results)
        assert read_checks(connection) == tuple(results)


def test_examples_may_hold_what_json_does_not(tmp_path: Path) -> None:
    examples = ({"a": math.nan, "b": math.inf, "c": Path("x"), "d": b"\xff"},)
    with warehouse_at(tmp_path / "w.duckdb").connect() as connection:
        record_checks(connection, [result("pairs", "a", examples=examples)])
        (kept,) = read_checks(connection)
    assert math.isnan(float(str(kept.examples[0]["a"])))
    assert float(str(kept.examples[0]["b"])) == math.inf
    assert kept.examples[0]["c"] == "x"


def test_pairs_come_first_then_assets_by_name_then_as_made(tmp_path: Path) -> None:
    with warehouse_at(tmp_path / "w.duckdb").connect() as connection:
        for asset, names in (("z", "ba"), ("pairs", "cab"), ("b", "x")):
            record_checks(connection, [result(asset, name) for name in names])
        found = [(each.asset, each.name) for each in read_checks(connection)]
    assert found == [
        ("pairs", "c"), ("pairs", "a"), ("pairs", "b"), ("b", "x"), ("z", "b"), ("z", "a"),
    ]  # fmt: skip


def test_new_results_replace_the_asset_s_old_ones_only(tmp_path: Path) -> None:
    with warehouse_at(tmp_path / "w.duckdb").connect() as connection:
        record_checks(connection, [result("pairs", name) for name in "abc"])
        record_checks(connection, [result("table", "a")])
        replacement = [result("pairs", "c", status="failed", failing_rows=1), result("pairs", "a")]
        record_checks(connection, replacement)
        assert read_checks(connection) == (*replacement, result("table", "a"))


def test_nothing_checked_yet_is_told(tmp_path: Path) -> None:
    with (
        warehouse_at(tmp_path / "w.duckdb").connect() as connection,
        pytest.raises(WarehouseError, match="nothing has been checked yet"),
    ):
        read_checks(connection)


@pytest.mark.parametrize(
    ("rows", "failing", "share"), [(0, 0, 0.0), (8, 2, 0.25), (1000, 1, 0.001), (3, 3, 1.0)]
)
def test_the_share_is_that_of_failing_rows(rows: int, failing: int, share: float) -> None:
    assert result("pairs", "a", rows=rows, failing_rows=failing).share == share
