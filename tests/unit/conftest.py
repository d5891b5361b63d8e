"""What tests of the library begin with."""

import os
from pathlib import Path

import pytest

from laion_pipeline.warehouse.connections import Warehouse
from tests import builders
from tests.builders import load, pairs, write_shard


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment that says nothing but where to write."""
    for name in os.environ:
        if name.startswith("LAION_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LAION_DATA_DIR", str(tmp_path / "data"))
    return monkeypatch


@pytest.fixture(params=[False, True], ids=["in the warehouse", "in Parquet"])
def either_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever keeps the rows of `pairs`, it is the same."""
    if request.param:
        monkeypatch.setattr(builders, "rows_folder", builders.beside)


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
