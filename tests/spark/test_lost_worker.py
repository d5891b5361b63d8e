"""A worker that is killed in the middle of a load: its tasks are run again, and nothing is lost."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil

from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.warehouse.connections import Warehouse
from tests.builders import load, snapshot
from tests.spark.programs import started
from tests.spark.test_run import CLUSTER

ROWS, SHARDS = 320_000, 16


def test_a_worker_that_is_killed_is_done_without(tmp_path: Path) -> None:
    generate_sample(tmp_path / "shards", rows=ROWS, shards=SHARDS)
    kept = tmp_path / "data" / "sample" / "pairs"
    with started(tmp_path, CLUSTER, tmp_path / "shards") as program:
        wait_for(lambda: any(kept.glob("*.parquet")))
        workers = [
            child
            for child in psutil.Process(program.pid).children(recursive=True)
            if "CoarseGrainedExecutorBackend" in " ".join(child.cmdline())
        ]
        assert len(workers) == 2
        assert len(list(kept.glob("*.parquet"))) < SHARDS, "it is in the middle"
        workers[0].kill()
        out, err = program.communicate(timeout=300)
    assert (program.returncode, out) == (0, f"{ROWS}\n"), err
    warehouse = Warehouse(kept.parent / "warehouse.duckdb", "1GB", 2, reads=kept)
    assert snapshot(warehouse)[0] == snapshot(load(tmp_path / "shards"))[0]
    assert len(list(kept.iterdir())) == SHARDS, "and no leftovers"
    assert not [place for place in kept.parent.iterdir() if "partial" in place.name]


def wait_for(happened: Callable[[], bool], seconds: float = 120) -> None:
    ends = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < ends
        time.sleep(0.05)
