"""What a cleaned release no longer has, as assets tell of it."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from tests.builders import hashed, pairs, write_shard, write_table
from tests.orchestration.runs import INGEST, PAIRS_CHECKS, configured, query, run

pytestmark = pytest.mark.slow

SELECTION = INGEST | PAIRS_CHECKS | dg.AssetSelection.assets("cleaned_hashes", "safety_overlay")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    with configured(tmp_path / "data", tmp_path / "source"):
        yield tmp_path / "data"


def test_it_is_compared_only_if_asked_for(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = hashed(pairs(40))
    write_shard(tmp_path / "source", "part-0.parquet", rows)
    done = run(SELECTION)
    assert done.success
    assert "LAION_CLEANED names a folder" in done.metadata["cleaned_hashes"]["finding"]
    assert query(data, "FROM safety_overlay") == []

    monkeypatch.setenv("LAION_CLEANED", str(tmp_path / "cleaned"))
    failed = run(SELECTION)
    assert set(failed.failures) == {"cleaned_hashes"}
    event = failed.failures["cleaned_hashes"].step_failure_data
    assert f"LAION_CLEANED={tmp_path / 'cleaned'}: no such folder" in str(event.error)

    left = pa.table({"hash": pa.array([row["hash"] for row in rows[2:]], pa.int64())})
    write_table(tmp_path / "cleaned", "a.parquet", left)
    done = run(SELECTION)
    assert done.success
    told = done.metadata["cleaned_hashes"]
    assert (told["usable"], told["files"], told["removed"]) == (True, 1, 2)
    assert query(data, "SELECT shard, pairs, removed FROM safety_overlay") == [
        ("part-0.parquet", 40, 2)
    ]
