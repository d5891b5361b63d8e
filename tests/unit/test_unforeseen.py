"""What nobody foresaw: one line, a file to report it with, and no secret in either."""

from pathlib import Path

import pytest

from assets.unforeseen import report_of

SECRET = "hf_geheim"


def fault() -> Exception:
    try:
        raise LookupError(f"no {SECRET} \x1b[31m\nin two lines")  # noqa: TRY301
    except LookupError as error:
        return error


def test_it_is_one_line_that_names_a_file_with_the_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", f" {SECRET}\n")
    line = report_of(fault(), tmp_path)
    assert line == (
        "LookupError: no <HF_TOKEN> \\x1b[31m; this is a fault of laion-pipeline: please report"
        f" it, with {tmp_path}/error.log"
    )
    log = (tmp_path / "error.log").read_text("utf-8")
    assert "Traceback" in log
    assert "in two lines" in log
    assert SECRET not in log


def test_passwords_in_addresses_are_in_neither(tmp_path: Path) -> None:
    line = report_of(OSError(f"http://me:{SECRET}@hub.example:1/a cannot be asked"), tmp_path)
    assert "http://hub.example:1/a" in line
    assert SECRET not in line + (tmp_path / "error.log").read_text("utf-8")


def test_without_a_folder_it_is_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "error.log").write_text("somebody else's")
    report_of(fault())
    (made,) = tmp_path.glob("laion-pipeline-*-error.log")
    assert "Traceback" in made.read_text("utf-8")
    assert (tmp_path / "error.log").read_text("utf-8") == "somebody else's"


def test_where_nothing_can_be_written_it_is_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    assert report_of(fault(), tmp_path / "none").endswith("with what is above")
