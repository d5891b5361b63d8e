"""Every rule for rows: what breaks it in DuckDB breaks it in Spark."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from laion_pipeline.contract import Contract
from laion_pipeline.contract.check import QuarantineRule, RowRule
from laion_pipeline.warehouse.connections import Warehouse
from tests.builders import load_rows, pair
from tests.spark.engines import found_by_duckdb, found_by_spark, hand_over
from tests.unit.test_contract import FILTERED, VALUES

RULES = Contract.of(FILTERED).row_rules


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Warehouse:
    """A row for each value that some rule turns on, with its number there as hash."""
    folder: Path = tmp_path_factory.mktemp("edges")
    rows = [pair(number, **{name: value}) for number, (_, name, value, _) in enumerate(VALUES)]
    warehouse = load_rows(folder, rows, FILTERED)
    hand_over(spark, warehouse, FILTERED, folder / "spark")
    return warehouse


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule(rule: RowRule, edges: Warehouse, spark: SparkSession) -> None:
    # What Great Expectations counts by, too.
    counted_by = rule.counted_by.value if isinstance(rule, QuarantineRule) else "NULL"
    query = f"SELECT hash, {rule.broken}, {counted_by} FROM pairs ORDER BY hash"
    ours, theirs = found_by_duckdb(edges, query), found_by_spark(spark, query)
    assert list(map(repr, theirs)) == list(map(repr, ours))
    assert len({broken for _, broken, _ in ours}) == 2, "there are rows of both kinds"
