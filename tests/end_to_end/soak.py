"""Runs that are cut off at random, again and again, each time followed by one that is not.

    make soak                                200 cycles: hours
    SOAK_CYCLES=20 SOAK_SEED=7 make soak

A cycle begins with the folder that a run has left, and a new revision at the Hub. Up to three runs
are begun and ended at a random moment, by SIGKILL, SIGTERM or SIGINT. The run after them goes to
its end, and has to leave what a run leaves that was never cut off: the same rows, tables, charts
and files, and nothing beside. No run may print a traceback. Prints a line a cycle, and ends with 1
at the first that is not as it should be, whose folder is kept.
"""

import hashlib
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from xml.etree.ElementTree import fromstring, tostring

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from laion_pipeline.sources.sample.shards import generate_sample
from tests.end_to_end.command import PROJECT, environment
from tests.loopback_hub import LoopbackHub

RELEASE = "laion2B-en-aesthetic"
# What tells when something was done, or in which run, and not what.
_WHEN = ("loaded_at", "profiled_at", "checked_at", "since")
_TIME = re.compile(r"\d{8}T\d{6}\.\d+Z")
_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_WORDS = re.compile("<!-- (.*?) -->")
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_MOST_A_CYCLE = 3
_SECONDS_TO_END = 60


def main() -> int:
    """Run the cycles; the exit status."""
    cycles, seed = (int(os.environ.get(f"SOAK_{n}", d)) for n, d in (("CYCLES", 200), ("SEED", 1)))
    chance = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="laion-soak-"))
    with LoopbackHub() as hub:
        hub.publish(f"laion/{RELEASE}", first_revision(folder / "first"))
        before, untouched = folder / "before", folder / "untouched"
        to_the_end(before, hub)
        hub.publish(f"laion/{RELEASE}", second_revision(folder / "first", folder / "second"))
        shutil.copytree(before, untouched)
        started = time.monotonic()
        to_the_end(untouched, hub)
        takes = time.monotonic() - started
        print(f"{cycles} cycles, seed {seed}; a run takes {takes:.0f} s", flush=True)
        sent: Counter[str] = Counter()
        for number in range(1, cycles + 1):
            place = folder / f"cycle-{number}"
            shutil.copytree(before, place)
            told = []
            for _ in range(chance.randint(1, _MOST_A_CYCLE)):
                which, after = chance.choice(_SIGNALS), chance.uniform(0, takes)
                _cut_off(place, hub, which, after, everybody=chance.random() < 0.5)
                told.append(f"{which.name} after {after:.1f} s")
                sent[which.name] += 1
            to_the_end(place, hub)
            found = differences(untouched, place)
            print(f"{number}: {', '.join(told)}: {'; '.join(found) or 'as untouched'}", flush=True)
            if found:
                print(f"kept: {folder}", file=sys.stderr)
                return 1
            shutil.rmtree(place)
    shutil.rmtree(folder)
    print(f"{cycles} cycles, {sent.total()} runs cut off: {dict(sent)}; all as untouched")
    return 0


def first_revision(folder: Path) -> Mapping[str, Path]:
    """Four shards, by their names."""
    generate_sample(folder, rows=8_000, shards=4)
    return {file.name: file for file in folder.iterdir()}


def second_revision(first: Path, folder: Path) -> Mapping[str, Path]:
    """The same, but for one shard that is another, and one that is new."""
    shutil.copytree(first, folder)
    changed = sorted(folder.iterdir())[1]
    rows = pq.read_table(changed)
    pq.write_table(pa.concat_tables([rows.slice(10), rows.slice(0, 5)]), changed)
    pq.write_table(rows.slice(0, 500), folder / changed.name.replace("00001", "00004"))
    return {file.name: file for file in folder.iterdir()}


def to_the_end(place: Path, hub: LoopbackHub, *under: str) -> str:
    """Run everything in a place; what it said. `under` is a program to have it run by, if any.

    Raises SystemExit where it fails.
    """
    run = _started(place, hub, *under)
    said, _ = run.communicate()
    _require(run.returncode == 0 and "Traceback" not in said, said)
    return said


def differences(untouched: Path, place: Path) -> list[str]:
    """What is not the same in two places where the same was run, in words; nothing if all is."""
    ours, theirs = (dict(_left(each / "data" / RELEASE)) for each in (untouched, place))
    found = [f"{name} is missing" for name in sorted(ours.keys() - theirs.keys())]
    found += [f"{name} is left over" for name in sorted(theirs.keys() - ours.keys())]
    both = sorted(ours.keys() & theirs.keys())
    found += [f"{name} is another" for name in both if ours[name] != theirs[name]]
    left = (path for path in (place / "tmp").rglob("*") if path.is_file())
    found += [f"{path.relative_to(place)} is left over" for path in left]
    return found


def _left(root: Path) -> Iterator[tuple[str, object]]:
    """All that a run has left, by name, with what it is of those whose bytes do not tell when."""
    with duckdb.connect(root / "warehouse.duckdb", read_only=True) as connection:
        for (name,) in connection.execute("SHOW TABLES").fetchall():
            columns = [c for c in connection.table(name).columns if c not in _WHEN]
            query = f'SELECT {", ".join(columns)} FROM "{name}" ORDER BY ALL'
            # In words, since NaN is not equal to itself.
            yield f"table {name}", repr(connection.execute(query).fetchall())
    for path in root.rglob("*"):
        # Pages of a validation are named after its time; those of runs that were cut off stay, too.
        name = _TIME.sub("when", str(path.relative_to(root)))
        if path.is_file() and not name.startswith("dagster/"):
            yield name, _content(path)
    with closing(sqlite3.connect(root / "dagster" / "history" / "runs.db")) as runs:
        unfinished = runs.execute(
            "SELECT count(*) FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"
        )
        yield "unfinished runs", unfinished.fetchall()


def _content(path: Path) -> object:
    if path.suffix == ".parquet":
        rows = pq.read_table(path)
        kept = [name for name in rows.column_names if name not in _WHEN]
        return repr(rows.select(kept).to_pylist())
    if path.parent.name == "charts":
        return hashlib.sha256(repr(_but_for_the_day(path)).encode()).hexdigest()
    return None  # that it is there


def _but_for_the_day(chart: Path) -> tuple[object, ...]:
    """What a chart shows, whichever day it says its rows were loaded on.

    Of a PNG what it says and what is above its last line, of an SVG its words and all but them.
    """
    if chart.suffix == ".png":
        with Image.open(chart) as image:
            above = image.convert("RGB").crop((0, 0, image.width, image.height - 40))
            return image.info, above.tobytes()
    drawn = _DAY.sub("on a day", chart.read_text("utf-8"))
    shown = fromstring(drawn)
    for parent in [*shown.iter()]:
        for child in [*parent]:
            if child.get("id", "").startswith("text_"):
                parent.remove(child)
    return _WORDS.findall(drawn), tostring(shown)


def _started(place: Path, hub: LoopbackHub, *under: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*under, sys.executable, "-m", "assets"],
        cwd=PROJECT,
        env=environment(place, release=RELEASE) | {"HF_ENDPOINT": hub.endpoint},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _cut_off(
    place: Path, hub: LoopbackHub, which: signal.Signals, after: float, *, everybody: bool
) -> None:
    run = _started(place, hub)
    try:
        said, _ = run.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        (os.killpg if everybody else os.kill)(run.pid, which)
        said, _ = run.communicate(timeout=_SECONDS_TO_END)
    _require(run.returncode in (0, 1, -which), said)
    _require("Traceback" not in said, said)


def _require(holds: bool, said: str) -> None:
    if not holds:
        raise SystemExit(f"a run said:\n{said}")


if __name__ == "__main__":
    sys.exit(main())
