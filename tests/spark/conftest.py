"""One Spark for all tests, started as a run starts it."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from laion_pipeline.engine.cluster import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster("local[2]", 2 * 10**9, tmp_path_factory.mktemp("spark"))
    # Compiling takes longer than few rows do.
    cluster.session.conf.set("spark.sql.codegen.wholeStage", "false")
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def spark(cluster: Cluster) -> SparkSession:
    return cluster.session
