"""One Spark for all tests, started as a run starts it."""

from collections.abc import Iterator, Mapping

import pytest
from pyspark.sql import SparkSession

from laion_pipeline.engine.cluster import Cluster
from tests.buckets import object_store


@pytest.fixture(scope="session")
def store() -> Iterator[Mapping[str, str]]:
    """An object store, and what the environment says of it."""
    with object_store() as environment, pytest.MonkeyPatch.context() as patched:
        for variable, value in environment.items():
            patched.setenv(variable, value)
        yield environment


@pytest.fixture(scope="session")
def cluster(
    store: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Spark, whose workers know of that store."""
    cluster = Cluster("local[2]", 2 * 10**9, tmp_path_factory.mktemp("spark"))
    # Compiling takes longer than few rows do.
    cluster.session.conf.set("spark.sql.codegen.wholeStage", "false")
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def spark(cluster: Cluster) -> SparkSession:
    return cluster.session
