"""A disk that is full, or may only be read: one line, and with more room the next run mends all."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from laion_pipeline.errors import DiskFullError, OutputError
from laion_pipeline.explore import find_index, make_index
from laion_pipeline.sources.sample.shards import generate_sample
from tests.builders import SAMPLE, load, load_rows, pairs
from tests.end_to_end.command import PROJECT, Outcome, environment, run_assets

pytestmark = pytest.mark.slow

RELEASE = "laion2B-en-aesthetic"
# Where a run is when it has filled them: Dagster's history, the checks, the tables, the charts.
TOO_SMALL = (3, 12, 16, 24)
ENOUGH = 200


@contextmanager
def disk(place: Path, megabytes: int) -> Iterator[None]:
    """A disk of that size at a place."""
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(place)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip(f"no disk can be made here: {made.stderr}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def changed(place: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(place)], check=True)


def test_with_more_room_the_next_run_mends_all(tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    generate_sample(shards, rows=20_000, shards=4)
    with disk(tmp_path / "data", TOO_SMALL[0]):
        for megabytes in TOO_SMALL:
            changed(tmp_path / "data", f"size={megabytes}m")
            failed = run_assets(tmp_path, release=RELEASE, source=str(shards))
            assert failed.status == 1
            assert "Traceback" not in failed.err
            assert "sqlalche.me" not in failed.err
            assert "make room" in told(failed)
        changed(tmp_path / "data", f"size={ENOUGH}m")
        done = run_assets(tmp_path, release=RELEASE, source=str(shards))
        assert done.status == 0, done.err
        undisturbed = load(shards, file=tmp_path / "undisturbed.duckdb")
        with undisturbed.connect(read_only=True) as connection:
            rows = connection.execute("SELECT pairs::VARCHAR FROM pairs ORDER BY ALL").fetchall()
        assert done.query(RELEASE, "SELECT pairs::VARCHAR FROM pairs ORDER BY ALL") == rows
        assert not [name for name in done.files() if "partial" in name or name.endswith(".tmp")]
        what_is_handed_on_is_whole_or_not_there(tmp_path)
        changed(tmp_path / "data", "ro")
        for command in commands(tmp_path):
            _in_one_line(command, tmp_path, "Read-only file system")
        refused = run_assets(tmp_path, release=RELEASE, source=str(shards))
        assert refused.status in (1, 2)
        assert "Traceback" not in refused.err
        assert "Read-only file system" in told(refused)


def what_is_handed_on_is_whole_or_not_there(place: Path) -> None:
    filler = place / "data" / "filler"
    before = _files(place)
    for left_bytes in (0, 50_000):
        filler.write_bytes(bytes(shutil.disk_usage(place / "data").free - left_bytes))
        for command in commands(place):
            _in_one_line(command, place, "make room")
        filler.unlink()
    assert _files(place) == before
    for command in commands(place):
        done = _run(command, place)
        assert done.returncode == 0, done.stderr
    assert {"README.md", "manifest.json"} <= {
        f.name for f in (place / "data" / "handed-on").iterdir()
    }


def commands(place: Path) -> list[list[str]]:
    """What people run to hand something on, onto the same disk."""
    (place / "best.toml").write_text("aesthetic = { at_least = 7.1 }\n")
    export = ["subset", "export", str(place / "best.toml"), "--format", "csv"]
    return [export, ["publish", str(place / "data" / "handed-on")]]


def _in_one_line(command: list[str], place: Path, words: str) -> None:
    failed = _run(command, place)
    assert failed.returncode == 1
    (line,) = failed.stderr.splitlines()
    assert line.startswith("error: ")
    assert words in line


def _run(command: list[str], place: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "laion_pipeline", *command],
        cwd=PROJECT, env=environment(place, release=RELEASE),
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def _files(place: Path) -> set[str]:
    return {str(file) for file in (place / "data").rglob("*") if file.is_file()}


def told(outcome: Outcome) -> str:
    """The line that says why it failed."""
    return next(line for line in outcome.err.splitlines() if line.startswith("error: "))


def test_an_index_that_has_no_room_leaves_the_one_before(tmp_path: Path) -> None:
    generate_sample(tmp_path / "shards", rows=20_000, shards=2)
    warehouse = load(tmp_path / "shards")
    place = tmp_path / "data" / "index"
    with disk(tmp_path / "data", 20):
        small = load_rows(tmp_path / "small", pairs(3))
        made = make_index(small, SAMPLE, place)
        for left_bytes in (0, 50_000, 1_000_000):
            filler = tmp_path / "data" / "filler"
            filler.write_bytes(bytes(shutil.disk_usage(place).free - left_bytes))
            with pytest.raises(DiskFullError, match=f"{place}.*make room"):
                make_index(warehouse, SAMPLE, place)
            assert find_index(place) == made
            assert {each.name for each in place.iterdir()} == {"index.json", made.version}
            filler.unlink()
        changed(tmp_path / "data", "ro")
        with pytest.raises(OutputError, match="Read-only file system"):
            make_index(warehouse, SAMPLE, place)
        changed(tmp_path / "data", "rw")
        assert make_index(warehouse, SAMPLE, place).pairs > made.pairs
