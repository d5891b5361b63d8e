"""Choosing an engine: what it takes is asked for before anything is done, in one line."""

import os
from pathlib import Path

import pytest

from laion_pipeline.engine import cluster
from laion_pipeline.engine.cluster import Cluster, tasks_here
from laion_pipeline.engine.engine import DUCKDB
from laion_pipeline.engine.spark import Spark
from laion_pipeline.errors import SettingsError
from laion_pipeline.session import Session


@pytest.fixture
def spark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Spark asked for, where it seems to be installed."""
    monkeypatch.setenv("LAION_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LAION_ENGINE", "spark")
    monkeypatch.setattr(cluster, "find_spec", lambda name: name)
    monkeypatch.setattr("laion_pipeline.engine.cluster.shutil.which", lambda *_, **__: "java")
    return monkeypatch


def test_duckdb_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAION_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("LAION_ENGINE", raising=False)
    assert Session.open().engine is DUCKDB


def test_spark_is_not_started_before_it_is_needed(spark: pytest.MonkeyPatch) -> None:
    session = Session.open()
    assert isinstance(session.engine, Spark)
    session.engine.close()
    assert not session.paths.pairs.exists()


def test_another_engine_is_refused(spark: pytest.MonkeyPatch) -> None:
    spark.setenv("LAION_ENGINE", "polars")
    with pytest.raises(SettingsError, match=r"^LAION_ENGINE=polars: .*'duckdb' or 'spark'"):
        Session.open()


@pytest.mark.parametrize(
    ("master", "tasks"),
    [
        *(("local", 1), ("local[3]", 3), ("local[*]", os.cpu_count())),
        *(("local-cluster[2,1,1024]", 2), ("local-cluster[3, 4, 1024]", 12)),
        *(("spark://one:7077,two:7077", 0), ("sc://host:15002/;use_ssl=true", 0), ("yarn", 0)),
    ],
)
def test_tasks_at_once_on_this_machine(master: str, tasks: int) -> None:
    assert tasks_here(master) == tasks


@pytest.mark.parametrize(
    "master", ["", "locale", "local[two]", "local-cluster[2]", "http://host", "yarn-client"]
)
def test_a_wrong_master_is_told(master: str) -> None:
    with pytest.raises(SettingsError, match=r"^LAION_SPARK_MASTER=.*should be local\[\*\]"):
        tasks_here(master)


def test_tasks_here_share_the_memory(tmp_path: Path) -> None:
    assert Cluster("local[4]", 4 * 10**9, tmp_path).task_memory == "1000000000B"
    assert Cluster("spark://host:7077", 10**12, tmp_path).task_memory == f"{2**30}B"


def test_spark_that_is_not_installed_is_told(spark: pytest.MonkeyPatch) -> None:
    spark.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"^LAION_ENGINE=spark: .* pip install '\.\[spark\]'$"):
        Session.open()


def test_java_that_is_not_there_is_told(spark: pytest.MonkeyPatch) -> None:
    spark.setattr("laion_pipeline.engine.cluster.shutil.which", lambda *_, **__: None)
    spark.delenv("JAVA_HOME", raising=False)
    with pytest.raises(SettingsError, match=r"^LAION_ENGINE=spark: Spark needs Java 17 or newer, "):
        Session.open()
    spark.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(SettingsError, match=r"none in JAVA_HOME=/nowhere: install it"):
        Session.open()
    spark.setenv("LAION_SPARK_MASTER", "sc://host")  # which has its own
    Session.open()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("s3://bucket/folder/", "s3://bucket/folder/sample"),
        ("s3://bucket", "s3://bucket/sample"),
        ("/mnt/shared", "/mnt/shared/sample"),
    ],
)
def test_rows_are_kept_where_it_is_said(given: str, kept: str, spark: pytest.MonkeyPatch) -> None:
    spark.setenv("LAION_PAIRS_FOLDER", given)
    session = Session.open()
    assert str(session.paths.pairs) == kept
    assert session.warehouse.reads == session.paths.pairs
    assert isinstance(session.engine, Spark)
    assert session.engine.store.folder == session.paths.pairs


@pytest.mark.parametrize("given", ["ftp://host/folder", "s3://", "s3://b/[a]", "s3://b/a b", "a?"])
def test_another_place_for_rows_is_refused(given: str, spark: pytest.MonkeyPatch) -> None:
    spark.setenv("LAION_PAIRS_FOLDER", given)
    with pytest.raises(SettingsError, match=r"^LAION_PAIRS_FOLDER=.*: should be a ") as told:
        Session.open()
    assert "\n" not in str(told.value)


def test_what_reads_a_bucket_has_to_be_installed(spark: pytest.MonkeyPatch) -> None:
    spark.setenv("LAION_PAIRS_FOLDER", "gs://bucket/folder")
    with pytest.raises(SettingsError, match=r"gs://.*is not installed: pip install gcsfs$"):
        Session.open()
