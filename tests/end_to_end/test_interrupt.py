"""Ctrl-C and SIGTERM at any moment: one line, no traceback, and the next run goes on from there."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from laion_pipeline.sources.sample.shards import generate_sample
from tests.end_to_end.command import PROJECT, environment

pytestmark = pytest.mark.slow

LINE = "interrupted; run again, it goes on from where it was"
LOADED = "pairs: loaded"
CHECKED = "checks on pairs"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    generate_sample(folder, rows=20_000, shards=4)
    return folder


def start(place: Path, **settings: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "assets"],
        cwd=PROJECT,
        env=environment(place, **settings),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def listens(pid: int) -> bool:
    """Whether a program has begun to listen, to SIGTERM last; Python listens to SIGINT itself."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def told(run: "subprocess.Popen[str]") -> str:
    _, said = run.communicate(timeout=60)
    assert run.returncode == 1, said
    assert "Traceback" not in said
    assert LINE in said.splitlines()[-1] or f": {LINE}\n" in said
    return said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.5])
def test_in_the_first_seconds(number: signal.Signals, seconds: float, tmp_path: Path) -> None:
    run = start(tmp_path)
    while not listens(run.pid):  # a busy machine takes its time to begin at all
        time.sleep(0.01)
    time.sleep(seconds)
    run.send_signal(number)
    assert told(run) == f"error: {LINE}\n"


@pytest.mark.parametrize(
    ("number", "moments"),
    [
        (signal.SIGINT, [(LOADED, 0.0), (CHECKED, 0.5), (CHECKED, 3.0)]),
        (signal.SIGTERM, [(LOADED, 3.0), (CHECKED, 0.0), (CHECKED, 1.5)]),
    ],
)
def test_in_the_middle_time_and_again_and_then_to_the_end(
    number: signal.Signals, moments: list[tuple[str, float]], tmp_path: Path, source: Path
) -> None:
    settings = {"release": "laion2B-en-aesthetic", "source": str(source)}
    for line_begins, seconds in moments:
        run = start(tmp_path, **settings)
        assert run.stderr is not None
        assert any(line.startswith(line_begins) for line in run.stderr)
        time.sleep(seconds)
        os.killpg(run.pid, number)  # as a keyboard and systemd do it: all that it has started, too
        told(run)
    again = start(tmp_path, **settings)
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert LOADED not in said, "what was loaded is loaded"
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize(("raised", "is_told"), [("KeyboardInterrupt", False), ("Lost", False),
                                                 ("ValueError", True)])  # fmt: skip
def test_an_interrupt_that_is_not_raised_here_is_not_told_of(raised: str, is_told: bool) -> None:
    """As in a destructor or in a log, before the thread that listens has heard of the signal."""
    program = (
        "import logging\n"
        "from assets.interrupts import watch\n"
        "class Lost(BaseException): ...\n"
        "class Held:\n"
        f"    def __del__(self): raise {raised}('of no use')\n"
        "watch()\n"
        "Held()\n"
        "try:\n"
        f"    raise {raised}('logged')\n"
        "except BaseException:\n"
        "    logging.getLogger('a.library').error('failed', exc_info=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert ("of no use" in done.stderr) == is_told
    assert ("logged" in done.stderr) == is_told
    assert is_told or done.stderr == ""
