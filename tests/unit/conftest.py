"""What tests of loading begin with."""

from pathlib import Path

import pytest

from laion_pipeline.warehouse.connections import Warehouse
from tests.builders import load, pairs, write_shard


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Three shards of two rows; the hashes tell which: 10 and 11 are of part-1."""
    folder = tmp_path / "shards"
    for number in range(3):
        write_shard(folder, f"part-{number}.parquet", pairs(2, first=10 * number))
    return folder


@pytest.fixture
def warehouse(shards: Path) -> Warehouse:
    return load(shards)
