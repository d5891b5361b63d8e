"""What the command line does before Dagster starts."""

import os
from pathlib import Path

import pytest

from assets import __main__ as command


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working directory with a folder of shards and a release's description."""
    for name in [name for name in os.environ if name.startswith("LAION_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(command, "load_environment", lambda: None)
    monkeypatch.setenv("DAGSTER_HOME", "to be restored")
    (tmp_path / "shards").mkdir()
    (tmp_path / "own.toml").write_text('name = "own"\ncolumns = ["url", "text"]\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_ui_means_the_same_folders_as_a_run(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "DATA_DIR": "out", "SOURCE": "shards", "RELEASE": "own.toml", "CONTRACT": "mine.toml",
    }  # fmt: skip
    (place / "mine.toml").write_text("[url_http]\nerror_above = 0.01\n")
    for name, value in settings.items():
        monkeypatch.setenv(f"LAION_{name}", value)
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, arguments: started.append(arguments))
    monkeypatch.setattr(command, "_run", lambda _: 0)
    assert command.main(["ui"]) == 0
    assert {name: os.environ[f"LAION_{name}"] for name in settings} == {
        "DATA_DIR": str(place / "out"),
        "SOURCE": str(place / "shards"),
        "RELEASE": str(place / "own.toml"),
        "CONTRACT": str(place / "mine.toml"),
    }
    assert Path.cwd() == place / "out" / "dagster" == Path(os.environ["DAGSTER_HOME"])
    assert {"--host", "127.0.0.1", "--port", "3000"} <= set(started[0])


def test_dagsters_home_that_cannot_be_made_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAION_DATA_DIR", "out")
    (place / "out").mkdir()
    (place / "out" / "dagster").write_text("in the way")
    assert command.main([]) == 2
    assert capsys.readouterr().err.startswith("error: LAION_DATA_DIR: ")


def test_a_release_without_a_place_to_come_from_is_a_wrong_setting(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAION_DATA_DIR", "out")
    monkeypatch.setenv("LAION_RELEASE", "own.toml")
    assert command.main([]) == 2
    assert "names no repo on the Hub" in capsys.readouterr().err
