"""A disk that is full, or may only be read: one line, and with more room the next run mends all."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from laion_pipeline.sources.sample.shards import generate_sample
from tests.builders import load
from tests.end_to_end.command import Outcome, run_assets

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
        changed(tmp_path / "data", "ro")
        refused = run_assets(tmp_path, release=RELEASE, source=str(shards))
        assert refused.status in (1, 2)
        assert "Traceback" not in refused.err
        assert "Read-only file system" in told(refused)


def told(outcome: Outcome) -> str:
    """The line that says why it failed."""
    return next(line for line in outcome.err.splitlines() if line.startswith("error: "))
