"""Having files of `pairs` written and read by Spark's workers, all at once.

Each is written by a DuckDB of its own, so that a shard is read, refused and marked by the same code
on every engine. Workers need this library, and have to see the folders of the shards and of the
files where this process sees them.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs
from sqlglot import exp

from laion_pipeline.common.places import Place, place_at
from laion_pipeline.engine.cluster import Cluster
from laion_pipeline.errors import DiskFullError, OutputError
from laion_pipeline.releases.release import Release
from laion_pipeline.warehouse.pairs import pairs_columns
from laion_pipeline.warehouse.parquet_store import Job, write_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# What a load goes on from in different ways; all else is that a shard cannot be read.
_KINDS: Mapping[str, type[Exception]] = {
    kind.__name__: kind for kind in (duckdb.OutOfMemoryException, OutputError, DiskFullError)
}


def written_by(cluster: Cluster) -> Callable[[Sequence[Job]], None]:
    """A function that has files written by the workers of a cluster, a task each.

    It raises what `write_rows` raises, after all have ended, and EngineError.
    """

    def write(jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        with cluster.computing() as spark:
            tasks = spark.createDataFrame([(_as_text(job),) for job in jobs], "job string")
            told = tasks.repartition(len(jobs)).mapInArrow(_write, "kind string, said string")
            ends = told.collect()
        for kind, said in ends:
            if kind:
                raise _KINDS.get(kind, duckdb.Error)(said)

    return write


def frame_of(
    session: "SparkSession", files: Sequence[Place], release: Release, columns: frozenset[str]
) -> "DataFrame":
    """The rows of files in an object store, read by the workers; of them only `columns`.

    The others are there, and NULL. Spark's own readers of object stores it does not bring along.
    """
    types = {
        c.name: exp.DataType.build(c.sql_type, dialect="duckdb") for c in pairs_columns(release)
    }
    schema = ", ".join(f"{name} {type_.sql('spark')}" for name, type_ in types.items())
    names = session.createDataFrame([(str(file),) for file in files], "file string")
    reader = partial(_read, names=tuple(types), columns=columns)
    return names.repartition(len(files)).mapInArrow(reader, schema)


def _read(
    batches: Iterator[pa.RecordBatch], names: Sequence[str], columns: frozenset[str]
) -> Iterator[pa.RecordBatch]:
    """On a worker: the rows of files."""
    for batch in batches:
        for name in batch.column("file").to_pylist():
            store, path = url_to_fs(name)
            with pq.ParquetFile(path, filesystem=store, pre_buffer=True) as file:
                types = file.schema_arrow
                # One at least, to know how many rows there are.
                for rows in file.iter_batches(columns=sorted(columns) or ["shard_id"]):
                    yield pa.RecordBatch.from_arrays(
                        [
                            rows.column(each)
                            if each in columns
                            else pa.nulls(len(rows), types.field(each).type)
                            for each in names
                        ],
                        names=list(names),
                    )


def _as_text(job: Job) -> str:
    return json.dumps([str(job.file), job.query, dict(job.parameters), job.memory_limit])


def _write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """On a worker: write the files of jobs; of each the error's kind and text, if there was one."""
    for batch in batches:
        for text in batch.column("job").to_pylist():
            file, *rest = json.loads(text)
            kind = said = ""
            try:
                write_rows(Job(place_at(file), *rest))
            except (duckdb.Error, OutputError) as error:
                kind, said = type(error).__name__, str(error)
            yield pa.RecordBatch.from_pydict({"kind": [kind], "said": [said]})
