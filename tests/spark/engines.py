"""The same tables in DuckDB and in Spark, and what both find in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from laion_pipeline.engine.spark_sql import spark_sql
from laion_pipeline.releases.release import Release
from laion_pipeline.warehouse.connections import Warehouse, literal, quoted
from laion_pipeline.warehouse.views import view_queries


def hand_over(spark: SparkSession, warehouse: Warehouse, release: Release, folder: Path) -> None:
    """Give Spark every table of a warehouse, and the views on them by SQL written for it."""
    folder.mkdir(parents=True, exist_ok=True)
    with warehouse.connect(read_only=True, reads_files=True) as connection:
        names = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        for (name,) in names:
            file = folder / f"{name}.parquet"
            connection.execute(f"COPY {quoted(name)} TO {literal(str(file))}")
            spark.read.parquet(str(file)).createOrReplaceTempView(name)
    for name, query in view_queries(release).items():
        spark.sql(spark_sql(query)).createOrReplaceTempView(name)


def found_by_spark(spark: SparkSession, sql: str) -> Sequence[tuple[Any, ...]]:
    """What Spark finds by a query that is written for DuckDB."""
    return [tuple(row) for row in spark.sql(spark_sql(sql)).collect()]


def found_by_duckdb(warehouse: Warehouse, sql: str) -> Sequence[tuple[Any, ...]]:
    """What DuckDB finds by it."""
    with warehouse.connect(read_only=True) as connection:
        return connection.execute(sql).fetchall()
