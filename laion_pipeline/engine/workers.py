"""Having files of `pairs` written by Spark's workers, all at once, each by a DuckDB of its own.

So a shard is read, refused and marked by the same code on every engine. Workers need this library,
and have to see the folders of the shards and of the files where this process sees them.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from laion_pipeline.engine.cluster import Cluster
from laion_pipeline.errors import DiskFullError, OutputError
from laion_pipeline.warehouse.parquet_store import Job, write_rows

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


def _as_text(job: Job) -> str:
    return json.dumps([str(job.file), job.query, dict(job.parameters), job.memory_limit])


def _write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """On a worker: write the files of jobs; of each the error's kind and text, if there was one."""
    for batch in batches:
        for text in batch.column("job").to_pylist():
            file, *rest = json.loads(text)
            kind = said = ""
            try:
                write_rows(Job(Path(file), *rest))
            except (duckdb.Error, OutputError) as error:
                kind, said = type(error).__name__, str(error)
            yield pa.RecordBatch.from_pydict({"kind": [kind], "said": [said]})
