"""Starting Spark: what goes wrong is told in one line, and nothing of it is left behind."""

import socket
from pathlib import Path

import pytest

from laion_pipeline.engine.cluster import Cluster
from laion_pipeline.errors import EngineError


def test_what_spark_says_is_in_a_log(cluster: Cluster) -> None:
    # There is one Spark a process: this is the one of all tests.
    with (
        pytest.raises(EngineError, match=r"^LAION_SPARK_MASTER=local\[2\]: failed: .*boom") as told,
        cluster.computing() as spark,
    ):
        spark.sql("SELECT raise_error('boom')").collect()
    log = Path(str(told.value).split("; ")[1].partition(" has all")[0])
    assert log.name == "spark.log"
    assert log.is_file()


def test_a_query_that_is_wrong_is_a_fault_of_ours(cluster: Cluster) -> None:
    from pyspark.errors import AnalysisException

    with pytest.raises(AnalysisException), cluster.computing() as spark:
        spark.sql("SELECT nothing FROM nowhere")


def test_a_server_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"sc://127.0.0.1:{free.getsockname()[1]}"
        with (
            pytest.raises(EngineError, match=f"^LAION_SPARK_MASTER={address}: cannot be started"),
            Cluster(address, 10**9, tmp_path).computing(),
        ):
            pass


def test_one_that_was_never_needed_leaves_nothing(tmp_path: Path) -> None:
    Cluster("local[2]", 10**9, tmp_path).stop()
    assert not list(tmp_path.iterdir())
