"""The look at known vulnerabilities that `make lint` takes finds them, or says that it cannot."""

import json
import runpy
import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / ".ci" / "audit.py"
SOUND = {"name": "sound", "version": "1.0", "vulns": []}
BAD = {
    "name": "bad",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}, {"id": "X", "fix_versions": []}],
}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("out", "err", "status", "told"),
    [
        (json.dumps({"dependencies": [SOUND, UNKNOWN]}), "", 0, "1 of 2 pinned versions looked up"),
        (json.dumps({"dependencies": [SOUND, BAD]}), "", 1, "bad 1.0: PYSEC-1; fixed in: 1.1, 2.0"),
        (json.dumps({"dependencies": [BAD]}), "", 1, "bad 1.0: X; fixed in: none yet"),
        (json.dumps({"dependencies": [UNKNOWN]}), "", 0, "not done, the index in use"),
        ("", "Traceback\nConnectionError: no network\n", 0, "ConnectionError: no network"),
        ("", "", 0, "it said nothing"),
    ],
)
def test_it_tells_what_was_found(
    out: str,
    err: str,
    status: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def answer(command: list[str], **how: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(command, 1, out, err)

    monkeypatch.setattr(subprocess, "run", answer)
    assert runpy.run_path(str(PROGRAM))["main"]() == status
    assert told in capsys.readouterr().out
