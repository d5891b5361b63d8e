"""A Spark Connect server, which is elsewhere: the same is loaded, computed and checked there."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyspark
import pytest

from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.warehouse.connections import Warehouse
from tests.builders import check, fetch, load, make_tables, snapshot
from tests.oracles.rows import assert_close
from tests.spark.programs import started
from tests.spark.test_lost_worker import wait_for

# The last is made of parts that are kept.
TABLES = ("resolution_counts", "scores_by_shard", "score_summary")
SERVER = Path(pyspark.__file__).parent / "sbin" / "start-connect-server.sh"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
    }
    given = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    with subprocess.Popen(
        [str(SERVER), "--wait", "--master", "local[2]", *given],
        cwd=tmp_path,
        env={**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOG_DIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as server:
        try:
            wait_for(lambda: answers(port))
            yield f"sc://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, 9)


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def test_it_is_the_same_there(address: str, tmp_path: Path) -> None:
    generate_sample(tmp_path / "shards", rows=3000, shards=3)
    with started(tmp_path, address, tmp_path / "shards", *TABLES) as program:
        out, err = program.communicate(timeout=300)
    assert (program.returncode, out) == (0, "3000\n"), err
    root = tmp_path / "data" / "sample"
    theirs = Warehouse(root / "warehouse.duckdb", "1GB", 2, reads=root / "pairs")
    ours = load(tmp_path / "shards")
    make_tables(ours, tmp_path / "tables", *TABLES)
    assert snapshot(theirs)[0] == snapshot(ours)[0]
    for name in TABLES:
        assert_close(fetch(theirs, f"FROM {name}"), fetch(ours, f"FROM {name}"))
    check(ours)
    # How many rows were published is known of a release, and not of a folder of files.
    of_both = "FROM check_results WHERE name <> 'published_rows' ORDER BY name"
    found = f"SELECT name, status, failing_rows, value {of_both}"
    assert fetch(theirs, found) == fetch(ours, found)
