"""What a person is told to do about something that is not there yet."""

from pathlib import Path

import pytest

from assets.advice import told
from laion_pipeline.errors import LaionError, ShardError, WarehouseError
from tests.builders import warehouse_at


def refused(query: str, folder: Path) -> LaionError:
    warehouse = warehouse_at(folder / "warehouse.duckdb")
    with pytest.raises(WarehouseError) as caught, warehouse.connect() as connection:
        connection.execute(query)
    return caught.value


def test_an_error_that_needs_nothing_made_is_told_as_it_is() -> None:
    assert told(ShardError("a.parquet: damaged")) == "a.parquet: damaged"


@pytest.mark.parametrize(
    ("relation", "asset"), [("score_summary", "score_summary"), ("pair_scores", "pairs")]
)
def test_a_table_that_is_missing_is_to_be_made_by_its_asset(
    relation: str, asset: str, tmp_path: Path
) -> None:
    line = told(refused(f"SELECT * FROM {relation}", tmp_path))
    assert line.endswith(f"there is no {relation}; materialize `{asset}` first")


def test_of_several_each_asset_is_named_once() -> None:
    error = WarehouseError("two", needs=["shards", "valid_pairs", "pair_scores"])
    assert told(error) == "two; materialize `shards`, `pairs` first"


@pytest.mark.parametrize("query", ["SELECT no_such_function(1)", "SELECT CAST(1 AS no_such_type)"])
def test_a_slip_in_sql_is_no_missing_table(query: str, tmp_path: Path) -> None:
    line = told(refused(query, tmp_path))
    assert "materialize" not in line
    assert "LINE 1" not in line
    assert "\n" not in line
