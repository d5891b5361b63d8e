"""Several runs on one data folder, from terminals and from the UI, and runs that are killed."""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from laion_pipeline.common.locks import holder_of
from laion_pipeline.sources.sample.shards import generate_sample
from tests.end_to_end.command import PROJECT, TABLES, environment, run_assets
from tests.end_to_end.ui import Ui, eventually, serving

pytestmark = pytest.mark.slow

RELEASE = "laion2B-en-aesthetic"
CHECKS = "SELECT asset, name, status, failing_rows FROM check_results ORDER BY ALL"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    generate_sample(folder, rows=20_000, shards=4)
    return folder


def start(place: Path, source: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "assets"],
        cwd=PROJECT,
        env=environment(place, release=RELEASE, source=str(source)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def made(place: Path) -> dict[str, object]:
    """The digest of each table's file, and the checks."""
    root = place / "data" / RELEASE
    found: dict[str, object] = {
        name: hashlib.sha256((root / "tables" / f"{name}.parquet").read_bytes()).hexdigest()
        for name in TABLES
    }
    with duckdb.connect(root / "warehouse.duckdb", read_only=True) as connection:
        return found | {"checks": connection.execute(CHECKS).fetchall()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, source: Path) -> dict[str, object]:
    place = tmp_path_factory.mktemp("undisturbed")
    assert run_assets(place, release=RELEASE, source=str(source)).status == 0
    return made(place)


def test_two_at_once_on_an_empty_folder_take_turns(
    tmp_path: Path, source: Path, undisturbed: dict[str, object]
) -> None:
    runs = [start(tmp_path, source) for _ in range(2)]
    ends = [(*run.communicate(timeout=120), run.returncode) for run in runs]
    waited = 0
    for out, err, status in ends:
        assert status == 0, err
        assert "20,000 rows" in out
        assert "Traceback" not in err
        assert "Could not set lock" not in err
        waited += "waiting for process " in err and "(python -m assets, since " in err
    assert waited == 1
    assert made(tmp_path) == undisturbed


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ui")


@pytest.fixture(scope="module")
def ui(place: Path, source: Path) -> Iterator[Ui]:
    with serving(place, RELEASE, source=str(source)) as ui:
        yield ui


def test_a_run_beside_one_of_the_ui_ends_well(
    ui: Ui, place: Path, source: Path, undisturbed: dict[str, object]
) -> None:
    of_ui = ui.materialize_all()
    of_terminal = start(place, source)
    out, err = of_terminal.communicate(timeout=120)
    assert of_terminal.returncode == 0, err
    assert "20,000 rows" in out
    assert "Traceback" not in err
    assert ui.end_of(of_ui) == "SUCCESS"
    assert set(ui.statuses().values()) == {"SUCCESS"}
    assert made(place) == undisturbed


def test_a_killed_run_keeps_no_other_waiting(
    ui: Ui, place: Path, source: Path, undisturbed: dict[str, object]
) -> None:
    before = set(ui.statuses())
    killed = start(place, source)
    assert killed.stderr is not None
    for line in killed.stderr:
        if "checks on pairs" in line or "resolution_counts" in line:
            break
    (dead,) = set(ui.statuses()) - before
    assert ui.statuses()[dead] == "STARTED"
    killed.send_signal(signal.SIGKILL)  # which the daemon may see at once
    killed.communicate()
    next_run = ui.materialize_all()
    assert eventually(lambda: ui.statuses()[dead] if ui.statuses()[dead] != "STARTED" else None)
    assert ui.statuses()[dead] == "FAILURE"
    assert ui.end_of(next_run) == "SUCCESS"
    assert made(place) == undisturbed


def test_a_run_of_the_ui_that_is_killed_is_run_again_once(
    ui: Ui, place: Path, undisturbed: dict[str, object]
) -> None:
    before = set(ui.statuses())
    dead = ui.materialize_all()
    lock = place / "data" / RELEASE / "dagster" / "alive" / dead
    os.kill(eventually(lambda: holder_of(lock)).pid, signal.SIGKILL)
    assert ui.end_of(dead) == "FAILURE"
    again = eventually(lambda: set(ui.statuses()) - before - {dead} or None)
    assert ui.end_of(again.pop()) == "SUCCESS"
    assert made(place) == undisturbed


def test_without_the_ui_the_next_run_tells_of_the_killed_one(tmp_path: Path, source: Path) -> None:
    killed = start(tmp_path, source)
    assert killed.stderr is not None
    for line in killed.stderr:
        if "pairs: load" in line:
            break
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert run_assets(tmp_path, release=RELEASE, source=str(source)).status == 0
    runs = tmp_path / "data" / RELEASE / "dagster" / "history" / "runs.db"
    with sqlite3.connect(runs) as history:
        statuses = [status for (status,) in history.execute("SELECT status FROM runs ORDER BY id")]
    assert statuses == ["FAILURE", "SUCCESS"]
    left = [file.name for file in (tmp_path / "data" / RELEASE).rglob("*.lock")]
    assert left == []
