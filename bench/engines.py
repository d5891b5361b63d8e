"""The same runs with either engine, in turn: DuckDB in one process, and Spark on two workers.

    BENCH_ROWS=13000000 .venv-spark/bin/python -m bench.engines

Needs the extra `spark` and Java. Each engine runs once, with the settings of `make bench`. Writes
what it found to `bench/results/engines`, from where `python -m bench.growth` has it. CPU seconds
are without those of Spark's own processes, which end by themselves.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from bench.full import RESULTS, Setup, run_pipeline, write_found
from bench.shards import generate

ENGINES = RESULTS / "engines"
CLUSTER = "local-cluster[2,1,1024]"
BY_DUCKDB, BY_SPARK = "one process", "2 workers"
_SETTINGS = {BY_DUCKDB: {}, BY_SPARK: {"engine": "spark", "spark_master": CLUSTER}}


def main() -> None:
    """Run both and write what was found."""
    setup = replace(Setup.from_environment(), rounds=1)
    generate(setup.shards, setup.rows)
    taken = {}
    for name, settings in _SETTINGS.items():
        with tempfile.TemporaryDirectory(dir=setup.folder) as place:
            taken[name] = run_pipeline(setup, Path(place), setup.shards, **settings)
        print(f"{setup.rows:,} rows, {name}: {taken[name].wall_seconds:.1f} s", flush=True)
    write_found(ENGINES / str(setup.rows), setup, taken)


if __name__ == "__main__":
    main()
