"""Ctrl-C and SIGTERM while Spark works: one line, no traceback, and nothing of Spark is left."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from laion_pipeline.sources.sample.shards import generate_sample
from tests.end_to_end.test_interrupt import start, told


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    generate_sample(folder, rows=20_000, shards=4)
    return folder


@pytest.mark.parametrize(
    ("number", "everybody", "line", "seconds"),
    [
        (signal.SIGINT, True, "pairs: loading", 3.0),  # from a keyboard, to all of its processes
        (signal.SIGINT, False, "pairs: loaded", 6.0),
        (signal.SIGTERM, False, "pairs: loading", 8.0),
        (signal.SIGTERM, True, "pairs: loaded", 12.0),
    ],
)
def test_at_any_moment(
    number: signal.Signals, everybody: bool, line: str, seconds: float, tmp_path: Path, source: Path
) -> None:
    run = start(
        tmp_path,
        release="laion2B-en-aesthetic",
        source=str(source),
        engine="spark",
        spark_master="local-cluster[2,1,1024]",
    )
    assert run.stderr is not None
    assert any(said.startswith(line) for said in run.stderr)
    time.sleep(seconds)
    processes = psutil.Process(run.pid).children(recursive=True)
    assert any("java" in process.name() for process in processes)
    (os.killpg if everybody else os.kill)(run.pid, number)
    told(run)
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive
