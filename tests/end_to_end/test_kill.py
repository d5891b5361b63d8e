"""A run that is killed with SIGKILL, and the run after it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from laion_pipeline.sources.sample.shards import generate_sample
from tests.builders import load
from tests.end_to_end.command import PROJECT, environment
from tests.loopback_hub import LoopbackHub, Stall

pytestmark = pytest.mark.slow

RELEASE = "laion2B-en-aesthetic"
REPO = f"laion/{RELEASE}"
SLOW = "part-00005-9230b837-b1e0-4254-8b88-ed2976e9cee9-c000.snappy.parquet"
HELD_BYTES = 100_000
SHARDS = {SLOW.replace("00005", f"{number:05}") for number in range(8)}
CONTENTS = "SELECT * FROM pairs ORDER BY ALL"
LEDGER = "SELECT shard_id, path, sha256, bytes, rows FROM shards ORDER BY shard_id"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "shards"
    generate_sample(folder, rows=20_000, shards=8)
    return folder


@pytest.fixture
def hub(shards: Path) -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        hub.publish(REPO, {file.name: file for file in shards.iterdir()})
        yield hub


def run_until(place: Path, hub: LoopbackHub, line: str, **settings: str) -> None:
    """Run the command, and kill it as soon as it says `line`."""
    run = subprocess.Popen(
        [sys.executable, "-m", "assets"],
        cwd=PROJECT,
        env=environment(place, release=RELEASE, **settings) | {"HF_ENDPOINT": hub.endpoint},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert run.stderr is not None
    said = []
    for text in run.stderr:
        said.append(text)
        if line in text:
            break
    else:
        pytest.fail(f"never said {line!r}, but: {''.join(said)}")
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    run.stderr.close()


def finish(place: Path, hub: LoopbackHub, **settings: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "assets"],
        cwd=PROJECT,
        env=environment(place, release=RELEASE, **settings) | {"HF_ENDPOINT": hub.endpoint},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "20,000 rows" in done.stdout + done.stderr


def held(file: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(file, read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_killed_at_any_point_it_ends_as_if_never_killed(
    tmp_path: Path, shards: Path, hub: LoopbackHub
) -> None:
    folder = tmp_path / "data" / RELEASE / "shards"
    hub.inject(Stall(after_bytes=HELD_BYTES), "file", name=SLOW)
    run_until(tmp_path, hub, "part-00007", downloads="2")
    assert {file.name for file in folder.glob("*.parquet")} == SHARDS - {SLOW}
    (part,) = (folder / ".incoming").iterdir()
    held_bytes = part.stat().st_size
    assert 0 < held_bytes <= HELD_BYTES

    hub.lift()
    hub.clear_requests()
    run_until(tmp_path, hub, "pairs: loading")
    (request,) = (request for request in hub.requests if request.kind == "file")
    assert (request.filename, request.range) == (SLOW, f"bytes={held_bytes}-")

    run_until(tmp_path, hub, "pairs: loaded")
    finish(tmp_path, hub)
    assert_as_if_never_killed(tmp_path, shards)
    assert {file.name for file in folder.rglob("*.p*")} == SHARDS


def test_killed_it_leaves_no_shard_behind_where_none_are_kept(
    tmp_path: Path, shards: Path, hub: LoopbackHub
) -> None:
    settings = {"downloads": "2", "keep_shards": "false"}
    hub.inject(Stall(after_bytes=HELD_BYTES), "file", name=SLOW)
    run_until(tmp_path, hub, "part-00004", **settings)  # the other one of its batch
    hub.lift()
    run_until(tmp_path, hub, "pairs: loaded", **settings)  # the batch is not deleted yet
    finish(tmp_path, hub, **settings)
    assert_as_if_never_killed(tmp_path, shards)
    assert not list((tmp_path / "data" / RELEASE / "shards").rglob("*.p*"))


def assert_as_if_never_killed(place: Path, shards: Path) -> None:
    warehouse = place / "data" / RELEASE / "warehouse.duckdb"
    undisturbed = load(shards, file=place / "undisturbed.duckdb").file
    assert held(warehouse, LEDGER) == held(undisturbed, LEDGER)
    # As text, since NaN is not equal to itself.
    assert str(held(warehouse, CONTENTS)) == str(held(undisturbed, CONTENTS))
