"""The index that Explore searches is made when it was asked for, and never otherwise."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from laion_pipeline.explore import find_index
from tests.builders import pair, pairs, write_shard
from tests.orchestration.runs import INGEST, PAIRS_CHECKS, RELEASE, configured, run

pytestmark = pytest.mark.slow

SELECTION = INGEST | PAIRS_CHECKS | dg.AssetSelection.assets("search_index")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    with configured(tmp_path / "data", tmp_path / "source"):
        yield tmp_path / "data" / RELEASE / "search_index"


def test_it_is_made_only_if_asked_for(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shard(tmp_path / "source", "part-0.parquet", pairs(20))
    done = run(SELECTION)
    assert done.success
    assert "LAION_EXPLORE=true" in done.metadata["search_index"]["to_index_them"]
    assert not place.exists()

    monkeypatch.setenv("LAION_EXPLORE", "true")
    done = run(SELECTION)
    assert done.success
    told = done.metadata["search_index"]
    assert (told["indexed"], told["pairs"]) == (True, 20)
    assert told["bytes"] == sum(f.stat().st_size for f in place.rglob("*") if f.is_file())
    assert str(told["url"]).endswith("/explore")
    first = find_index(place)

    write_shard(tmp_path / "source", "part-1.parquet", [pair(100), pair(101, url="no address")])
    assert run(SELECTION).success
    second = find_index(place)
    assert first is not None
    assert second is not None
    assert (second.pairs, len(second.shards)) == (21, 2)
    assert second.version != first.version

    monkeypatch.setenv("LAION_EXPLORE", "false")
    assert run(SELECTION).success
    assert not place.exists(), "a copy of the pairs goes with the wish for it"
