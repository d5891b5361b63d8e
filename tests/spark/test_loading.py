"""Loading on Spark's workers: the rows, the marks and the refusals are those of DuckDB alone."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from laion_pipeline.engine.cluster import Cluster
from laion_pipeline.engine.spark import Spark
from laion_pipeline.errors import OutputError, ShardError
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.loading import LoadResult, load_pairs
from tests.builders import SAMPLE, list_folder, load, pairs, snapshot, write_shard


@pytest.fixture
def beside(tmp_path: Path) -> Warehouse:
    """A warehouse whose rows are to be kept beside it."""
    return Warehouse(tmp_path / "spark.duckdb", "1GB", 2, reads=tmp_path / "pairs")


def load_by(cluster: Cluster, warehouse: Warehouse, shards: Path) -> LoadResult:
    assert warehouse.reads is not None
    store = Spark.over(SAMPLE, warehouse.reads, cluster).store
    return load_pairs(warehouse, SAMPLE, list_folder(shards), store=store)


def test_the_same_rows_are_there(cluster: Cluster, beside: Warehouse, tmp_path: Path) -> None:
    generate_sample(tmp_path / "shards", rows=4000, shards=5)
    result = load_by(cluster, beside, tmp_path / "shards")
    assert (result.rows_loaded, result.rows) == (4000, 4000)
    assert snapshot(beside)[0] == snapshot(load(tmp_path / "shards"))[0]
    assert load_by(cluster, beside, tmp_path / "shards").rows_loaded == 0


def test_spark_reads_what_was_written(
    cluster: Cluster, spark: SparkSession, beside: Warehouse, tmp_path: Path
) -> None:
    generate_sample(tmp_path / "shards", rows=1000, shards=2)
    load_by(cluster, beside, tmp_path / "shards")
    rows = spark.read.parquet(str(beside.reads))
    assert rows.count() == 1000
    assert [name for name, _ in rows.dtypes] == [*SAMPLE.columns, "shard_id", "defects"]


def test_a_damaged_shard_is_named(cluster: Cluster, beside: Warehouse, tmp_path: Path) -> None:
    for number in range(3):
        write_shard(tmp_path / "shards", f"part-{number}.parquet", pairs(200))
    damaged = tmp_path / "shards" / "part-1.parquet"
    content = bytearray(damaged.read_bytes())
    content[4:200] = bytes(196)
    damaged.write_bytes(content)
    with pytest.raises(ShardError, match=r"^part-1\.parquet: cannot be loaded: "):
        load_by(cluster, beside, tmp_path / "shards")
    write_shard(tmp_path / "shards", "part-1.parquet", pairs(200))
    assert load_by(cluster, beside, tmp_path / "shards").rows == 600


def test_a_folder_that_cannot_be_written_is_told(
    cluster: Cluster, beside: Warehouse, tmp_path: Path
) -> None:
    write_shard(tmp_path / "shards", "part-0.parquet", pairs(3))
    assert beside.reads is not None
    beside.reads.symlink_to("/proc/self/fdinfo")
    with pytest.raises(OutputError, match="cannot be written"):
        load_by(cluster, beside, tmp_path / "shards")
