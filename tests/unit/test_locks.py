"""A lock: one holder at a time, told by name, and let go by death."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from laion_pipeline.common.locks import holder_of, is_locked, locked
from laion_pipeline.errors import OutputError

HOLDS = """
import sys
from pathlib import Path
from laion_pipeline.common.locks import locked
with locked(Path(sys.argv[1]), "another program"):
    print("held", flush=True)
    sys.stdin.read()
"""


def other_holder(file: Path) -> "subprocess.Popen[str]":
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(file)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    return other


def test_it_says_who_holds_it_and_is_gone_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "new" / "run.lock"
    assert not is_locked(file)
    with locked(file, "a test"):
        assert is_locked(file)
        holder = holder_of(file)
        assert holder is not None
        assert (holder.pid, holder.program) == (os.getpid(), "a test")
    assert not file.exists()
    assert holder_of(file) is None


def test_a_second_waits_says_for_whom_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "run.lock"
    other = other_holder(file)
    assert other.stdin is not None
    threading.Timer(1, other.stdin.close).start()
    with locked(file, "a test"):
        assert other.wait() == 0
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"waiting for process {other.pid} (another program, since ")


def test_death_lets_go(tmp_path: Path) -> None:
    file = tmp_path / "run.lock"
    other = other_holder(file)
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert file.exists()
    assert not is_locked(file)
    assert holder_of(file) is None
    with locked(file, "a test"):
        assert is_locked(file)
    assert not file.exists()


def test_never_two_at_once(tmp_path: Path) -> None:
    """Many that come and go, each removing the file that others wait at."""
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with locked(tmp_path / "run.lock", "a thread"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside, most) == (0, 1)


def test_what_a_lock_holds_that_says_nothing_is_told_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "run.lock"
    with locked(file, "a test"):
        file.write_text(json.dumps(["no holder"]))
        assert is_locked(file)
        assert holder_of(file) is None


def test_what_goes_wrong_inside_is_not_the_locks(tmp_path: Path) -> None:
    file = tmp_path / "run.lock"
    with pytest.raises(FileNotFoundError), locked(file, "a test"):
        (tmp_path / "nowhere").read_text()
    assert not file.exists()


def test_no_place_for_a_lock_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be locked"), locked(tmp_path / "file" / "x", ""):
        pass
