"""The whole pipeline, timed against the same work by hand and against data frames, in turn.

    make bench                            at 5,000,000 rows
    BENCH_ROWS=52068913 make bench        at V1's size: an hour or more, and 40 GB of disk

Each contender runs in a process of its own, `BENCH_ROUNDS` times (3), with `BENCH_MEMORY` (4GB) for
DuckDB and as many threads as it takes by itself or as `BENCH_THREADS` says, on made-up shards in
V1's layout, which are kept for the next time in `BENCH_FOLDER` (data/bench). The pipeline runs once
more after one shard has changed. `BENCH_CONTENDERS=pipeline` runs that one alone. Writes medians to
`bench/results` as JSON and Markdown, with a chart; where the memory is not 4GB, the files say so in
their names.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import dagster as dg
import psutil
import pyarrow.parquet as pq

from assets.stages import stages_of
from bench.drawing import draw
from bench.measuring import Usage, last_line, measured
from bench.shards import generate
from bench.subjects import REFRESH, by_subject
from laion_pipeline.common.files import published

RESULTS = Path(__file__).resolve().parent / "results"
RELEASE = "laion2B-en-aesthetic"
# What a run has if nothing else is said; results with another limit say so in their names.
MEMORY = "4GB"
_LIBRARIES = ("duckdb", "pyarrow", "dagster", "great-expectations", "polars", "pandas", "pyspark")


@dataclass(frozen=True)
class Setup:
    """What is run: so many rows and rounds, within these limits."""

    rows: int
    rounds: int
    memory: str
    threads: int | None
    folder: Path

    @property
    def shards(self) -> Path:
        """Where the shards are."""
        return self.folder / f"shards-{self.rows}"

    @property
    def results(self) -> Path:
        """Where the results go, but for how the files end."""
        memory = "" if self.memory == MEMORY else f"-{self.memory}"
        return RESULTS / f"{self.rows}{memory}"

    @classmethod
    def from_environment(cls) -> "Setup":
        """What the variables say."""
        return cls(
            int(os.environ.get("BENCH_ROWS", "5000000")),
            int(os.environ.get("BENCH_ROUNDS", "3")),
            os.environ.get("BENCH_MEMORY", MEMORY),
            int(os.environ.get("BENCH_THREADS", "0")) or None,
            Path(os.environ.get("BENCH_FOLDER", "data/bench")).resolve(),
        )


def main() -> None:
    """Run all of it and write what was found."""
    setup = Setup.from_environment()
    print(f"shards of {setup.rows:,} rows in {setup.shards}", flush=True)
    generate(setup.shards, setup.rows)
    contenders: Mapping[str, Callable[[Setup, Path], Mapping[str, Usage]]] = {
        "by hand": _by_hand,
        "pipeline": _pipeline,
        # Of all the tables those four that they can hold.
        "polars": _frames("polars"),
        "pandas": _frames("pandas"),
    }
    taken: dict[str, list[Usage]] = defaultdict(list)
    wanted = os.environ.get("BENCH_CONTENDERS", ",".join(contenders)).split(",")
    for number in range(setup.rounds):
        for name, run in ((name, contenders[name]) for name in wanted):
            with tempfile.TemporaryDirectory(dir=setup.folder) as place:
                try:
                    usages = run(setup, Path(place))
                except subprocess.CalledProcessError as error:
                    print(f"round {number + 1}: {name}: ended with {error.returncode}", flush=True)
                    print(error.stderr, file=sys.stderr, flush=True)
                    continue
            for what, usage in usages.items():
                taken[what].append(usage)
                print(f"round {number + 1}: {what}: {usage.wall_seconds:.1f} s", flush=True)
    _write(setup, {what: _median(usages) for what, usages in taken.items()})


def _by_hand(setup: Setup, place: Path) -> Mapping[str, Usage]:
    command = [sys.executable, "-m", "bench.by_hand", str(setup.shards), str(place / "made")]
    command += ["--memory", setup.memory]
    if setup.threads:
        command += ["--threads", str(setup.threads)]
    usage, out = measured(command, place, os.environ)
    usage.stages = last_line(out)
    return {"by hand": usage}


def _pipeline(setup: Setup, place: Path) -> Mapping[str, Usage]:
    """A run of everything, and another after one shard has changed."""
    with tempfile.TemporaryDirectory(dir=setup.folder) as folder:
        source = Path(folder)
        shards = sorted(setup.shards.glob("*.parquet"))
        for shard in shards:
            os.link(shard, source / shard.name)
        whole = run_pipeline(setup, place, source)
        changed = source / shards[len(shards) // 2].name
        rows = pq.read_table(changed)
        with published(changed) as beside:
            pq.write_table(rows.slice(1), beside, compression="snappy", row_group_size=len(rows))
        return {"pipeline": whole, REFRESH: run_pipeline(setup, place, source)}


def run_pipeline(setup: Setup, place: Path, source: Path, **others: str) -> Usage:
    """A run of everything over the shards in `source`, with `others` as LAION_* variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LAION_")}
    settings = {
        "LAION_RELEASE": RELEASE,
        "LAION_SOURCE": str(source),
        "LAION_DATA_DIR": str(place),
        "LAION_MEMORY_LIMIT": setup.memory,
        "LAION_THREADS": str(setup.threads or ""),
        "LAION_SCHEDULE": "",
        **{f"LAION_{name.upper()}": value for name, value in others.items()},
    }
    usage, _ = measured([sys.executable, "-m", "assets"], place, {**kept, **settings})
    os.environ["DAGSTER_HOME"] = str(place / RELEASE / "dagster")
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs(limit=1)
        usage.stages = stages_of(instance, run.run_id)
    return usage


def _frames(library: str) -> Callable[[Setup, Path], Mapping[str, Usage]]:
    def run(setup: Setup, place: Path) -> Mapping[str, Usage]:
        command = [sys.executable, "-m", "bench.frames", library, str(setup.shards)]
        usage, out = measured(command, place, os.environ)
        usage.stages = last_line(out)
        return {f"{library}, 4 tables": usage}

    return run


def _median(usages: Sequence[Usage]) -> Usage:
    numbers = {
        name: statistics.median(getattr(usage, name) for usage in usages)
        for name in asdict(usages[0])
        if name != "stages"
    }
    stages = {
        stage: statistics.median(usage.stages[stage] for usage in usages)
        for stage in usages[0].stages
    }
    return Usage(**numbers, stages=stages)


def _write(setup: Setup, medians: Mapping[str, Usage]) -> None:
    write_found(setup.results, setup, medians)
    place = setup.results
    place.with_suffix(".md").write_text(_told(setup, medians), "utf-8")
    draw(medians, setup.rows, place.with_suffix(".png"))
    print(place.with_suffix(".md").read_text("utf-8"))


def write_found(place: Path, setup: Setup, medians: Mapping[str, Usage]) -> None:
    """Write what was found, with the machine and the versions, to `place` as JSON."""
    place.parent.mkdir(exist_ok=True)
    files = sorted(setup.shards.glob("*.parquet"))
    found = {
        "rows": setup.rows,
        "shards": len(files),
        "shard_bytes": sum(file.stat().st_size for file in files),
        "rounds": setup.rounds,
        "memory_limit": setup.memory,
        "threads": setup.threads,
        "machine": {
            "cores": psutil.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
        },
        "versions": {name: version(name) for name in _LIBRARIES if _is_there(name)},
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "made_up": "the shards are generated",
        "medians": {name: asdict(usage) for name, usage in medians.items()},
    }
    place.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def _is_there(library: str) -> bool:
    try:
        return bool(version(library))
    except PackageNotFoundError:
        return False


def _told(setup: Setup, medians: Mapping[str, Usage]) -> str:
    lines = [
        f"{'Medians of' if setup.rounds > 1 else 'In'} {setup.rounds}"
        f" round{'s' if setup.rounds > 1 else ''} on {setup.rows:,} made-up rows in V1's layout,"
        f" DuckDB within {setup.memory}"
        + (f" and with {setup.threads} threads." if setup.threads else "."),
        "",
        "| | wall | CPU | peak memory | read | written | peak disk |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {usage.wall_seconds:.1f} s | {usage.cpu_seconds:.1f} s"
        + "".join(
            f" | {size / 1e9:.2f} GB"
            for size in (
                usage.peak_memory_bytes, usage.read_bytes, usage.written_bytes,
                usage.peak_disk_bytes,
            )
        )
        + " |"
        for name, usage in medians.items()
    ]  # fmt: skip
    subjects = {name: by_subject(usage) for name, usage in medians.items()}
    lines += ["", f"| seconds of | {' | '.join(subjects)} |", f"|---|{'---:|' * len(subjects)}"]
    for subject in dict.fromkeys(name for each in subjects.values() for name in each):
        cells = (f"{each[subject]:.1f}" if subject in each else "" for each in subjects.values())
        lines.append(f"| {subject} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
