"""What the command line does before Dagster starts."""

import os
import socket
from pathlib import Path

import pytest
from dagster._core.workspace.load_target import WorkspaceFileTarget

from assets import command
from assets.home import prepare_home
from assets.ui.serve import prepare
from laion_pipeline.session import Session


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
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "to be restored")
    session = Session.open()
    prepare_home(session)
    workspace = prepare(session)
    assert {name: os.environ[f"LAION_{name}"] for name in settings} == {
        "DATA_DIR": str(place / "out"),
        "SOURCE": str(place / "shards"),
        "RELEASE": str(place / "own.toml"),
        "CONTRACT": str(place / "mine.toml"),
    }
    home = place / "out" / "own" / "dagster"
    assert Path.cwd() == home == Path(os.environ["DAGSTER_HOME"])
    assert locations(str(workspace)) == ["own"]


def test_dagsters_home_that_cannot_be_made_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAION_DATA_DIR", "out")
    (place / "out" / "sample").mkdir(parents=True)
    (place / "out" / "sample" / "dagster").write_text("in the way")
    assert command.main([]) == 2
    assert capsys.readouterr().err.startswith("error: LAION_DATA_DIR: ")


def locations(workspace: str) -> list[str]:
    """The names of the code locations that Dagster reads from a workspace file."""
    origins = WorkspaceFileTarget(paths=[workspace]).create_origins()
    return [origin.location_name for origin in origins]


def test_a_port_that_is_taken_is_a_wrong_setting(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAION_DATA_DIR", "out")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("LAION_PORT", str(port))
        assert command.main(["ui"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: LAION_PORT={port}: 127.0.0.1:{port} cannot be served on: ")
    assert said.count("\n") == 1


def test_the_history_of_before_is_left_and_told_of_once(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAION_DATA_DIR", "out")
    (place / "out" / "dagster").mkdir(parents=True)
    (place / "out" / "dagster" / "dagster.yaml").write_text("of before")
    monkeypatch.setattr(command, "_run", lambda _: 0)
    assert command.main([]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("note: each release has a history of its own now")
    assert command.main([]) == 0
    assert capsys.readouterr().err == ""
    assert (place / "out" / "dagster" / "dagster.yaml").read_text() == "of before"


def test_a_release_without_a_place_to_come_from_is_a_wrong_setting(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAION_DATA_DIR", "out")
    monkeypatch.setenv("LAION_RELEASE", "own.toml")
    assert command.main([]) == 2
    assert "names no repo on the Hub" in capsys.readouterr().err
