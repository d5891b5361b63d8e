"""The first thing a newcomer does: everything, on the bundled sample."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pyarrow.parquet as pq
import pytest
from nbclient import NotebookClient

from laion_pipeline.charts import CHARTS
from laion_pipeline.sources.sample.shards import PLANTED, PLANTED_DUPLICATE_URLS
from tests.builders import tables
from tests.end_to_end.browser import browsing
from tests.end_to_end.command import (
    PROJECT,
    SETTINGS,
    TABLES,
    Outcome,
    environment,
    interface_files,
    run_assets,
)

pytestmark = pytest.mark.slow

# Besides the planted rows: what leaks below the cut-off, and what a crawl leaves in captions.
WARNED = {*PLANTED, "similarity_cutoff", "text_not_only_digits",
          "text_without_replacement_characters", "text_without_control_characters",
          "text_without_html_entities"}  # fmt: skip
COUNTS = """
import sys, json, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as found:
    tables = [name for (name,) in found.execute("SHOW TABLES").fetchall()]
    rows = [found.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in tables]
    print(json.dumps([duckdb.__version__, dict(zip(tables, rows))]))
"""
NOT_OURS = {".git", ".venv", ".hypothesis", "tests", "docs", "bench", "__pycache__"}


def listing_of_the_repository() -> set[str]:
    """Every file but those that tools, tests and people may write at any time."""
    return {
        str(path.relative_to(PROJECT))
        for path in PROJECT.rglob("*")
        if not NOT_OURS & set(path.relative_to(PROJECT).parts)
        and not any(part.endswith(("_cache", ".egg-info")) for part in path.parts)
        and path.is_file()
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sample")


@pytest.fixture(scope="module")
def before() -> set[str]:
    return listing_of_the_repository()


@pytest.fixture(scope="module")
def first(place: Path, before: set[str]) -> Outcome:
    return run_assets(place)


def test_the_sample_runs(first: Outcome) -> None:
    assert first.status == 0, first.err
    assert "Traceback" not in first.err
    lines = first.out.splitlines()
    assert "100,000 rows" in lines[0]
    assert f"{sum(PLANTED.values())} quarantined" in lines[0]
    assert "made up" in lines[0].casefold()
    assert lines[1].endswith(f" {len(WARNED)} warned, 0 failed, 7 not checked")
    assert len(lines) == 3 + len(WARNED)
    for check, line in zip(sorted(WARNED), sorted(lines[2:-1]), strict=True):
        assert line.startswith(f"  warned: pairs.{check}: ")
    assert str(first.data / "sample" / "report.html") in lines[-1]


def test_warnings_are_about_what_is_wrong_with_the_sample(first: Outcome) -> None:
    found = first.query("sample", "SELECT name, status, failing_rows, rows FROM check_results")
    assert {name for name, status, *_ in found if status == "warned"} == WARNED
    counts = {name: failing for name, _, failing, _ in found}
    assert {name: counts[name] for name in PLANTED} == PLANTED
    assert counts["urls_unique"] == PLANTED_DUPLICATE_URLS
    assert {name: counts[name] for name in ("hash_matches", "published_rows")} == {
        "hash_matches": 0,
        "published_rows": 0,
    }
    (stated,) = (rows for name, *_, rows in found if name == "size_orientation")
    assert stated > 1000
    assert counts["size_orientation"] == 0


def test_progress_names_each_stage(first: Outcome) -> None:
    for stage in (
        "shards: 4 new",
        "pairs: loaded 4 shards, 100,000 rows",
        "checks on pairs: ",
        *TABLES,
    ):
        assert stage in first.err
    assert max(map(len, first.err.splitlines())) < 300
    assert len(first.err.splitlines()) < 10 + len(tables()) + len(CHARTS), "a line for each"


def test_it_is_told_where_the_release_stands(first: Outcome) -> None:
    said = run_assets(first.place, "status")
    assert said.status == 0, said.err
    assert "100,000" in said.out
    assert "out of date: nothing" in said.out
    assert re.search(r"^last run: [0-9a-f]{8}, success, ended ", said.out, re.MULTILINE)


def test_files_are_where_the_interface_says(first: Outcome) -> None:
    written = {str(path.relative_to(first.data)) for path in first.data.rglob("*")}
    assert interface_files("sample") <= written
    assert len([name for name in written if re.fullmatch(r"sample/shards/part-.*", name)]) == 4
    assert {path.name for path in first.data.iterdir()} == {"sample"}
    assert (first.data / "sample" / "dagster" / "dagster.yaml").is_file()
    assert (first.data / "sample" / "dagster" / "history" / "runs.db").is_file()
    assert not [name for name in written if name.endswith(".lock")]
    # Of the run's own lock just the mark stays that it let go, until the next run takes that away.
    (mark,) = (name for name in written if "/alive/" in name)
    assert mark.endswith(".ended")
    assert not [name for name in written if "partial" in name or name.endswith((".wal", ".tmp"))]


def test_files_may_be_read_by_whom_the_umask_lets(first: Outcome) -> None:
    os.umask(umask := os.umask(0o022))
    made = {path: path.stat().st_mode & 0o777 for path in first.data.rglob("*") if path.is_file()}
    assert {str(path): mode for path, mode in made.items() if mode != 0o666 & ~umask} == {}


def test_nothing_is_written_elsewhere(first: Outcome, before: set[str]) -> None:
    assert listing_of_the_repository() == before
    elsewhere = {name for name in first.files() if not name.startswith("data/")}
    # A cache of matplotlib's fonts is its own, and is a user's, not a project's.
    assert {name for name in elsewhere if "/matplotlib/" not in name} == set()


@pytest.mark.parametrize("width", [390, 1400])
def test_no_column_of_the_report_is_out_of_sight(first: Outcome, width: int) -> None:
    with browsing() as page:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto((first.data / "sample" / "report.html").as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        cut_off = page.evaluate(
            "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
            ".map(e => e.getAttribute('aria-label'))"
        )
        assert cut_off == []


def test_the_report_says_that_it_is_made_up(first: Outcome) -> None:
    page = (first.data / "sample" / "report.html").read_text("utf-8")
    assert "made up" in page.casefold() or "made-up" in page.casefold()
    assert "100,000" in page


def test_the_notebook_runs(first: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    path = PROJECT / "docs" / "explore.ipynb"
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    assert not any(cell.get("outputs") for cell in notebook.cells), "kept without what it shows"
    for name, value in environment(first.place).items():
        monkeypatch.setenv(name, value)
    before = first.files()
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute(cwd=str(PROJECT / "docs"))
    shown = [output["data"] for cell in notebook.cells for output in cell.get("outputs", [])]
    assert len(shown) == len([cell for cell in notebook.cells if cell.cell_type == "code"])
    assert all("text/html" in each for each in shown)
    assert "100,000" in shown[0]["text/html"]
    assert "data:image/png;base64," in shown[2]["text/html"]
    assert {name for name in first.files() - before if name.startswith("data/")} == set()


def test_the_readme_on_notebooks_is_so(first: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (PROJECT / "README.md").read_text("utf-8")
    code = readme.split("```python\n", 1)[1].split("```", 1)[0]
    monkeypatch.chdir(first.place)
    for name in SETTINGS:
        monkeypatch.setenv(f"LAION_{name}", "")
    said: dict[str, Any] = {}
    exec(code, said)
    assert repr(said["release"]).startswith("title: Sample")


def test_every_row_counts_once(first: Outcome) -> None:
    shards = (first.data / "sample" / "shards").glob("*.parquet")
    assert sum(pq.read_metadata(path).num_rows for path in shards) == 100_000
    assert first.query("sample", "SELECT count(*) FROM pairs") == [(100_000,)]
    reasons = first.query(
        "sample",
        "SELECT reason, count(*) FROM (SELECT unnest(reasons) AS reason FROM quarantine)"
        " GROUP BY reason",
    )
    assert dict(reasons) == PLANTED


def test_second_run_loads_no_shard(first: Outcome, place: Path) -> None:
    again = run_assets(place)
    assert again.status == 0, again.err
    assert "shards: 0 new, 0 changed, 4 unchanged, 0 removed" in again.err
    assert "pairs: loaded" not in again.err
    assert again.out == first.out


def test_the_next_duckdb_reads_the_warehouse(first: Outcome, tmp_path: Path) -> None:
    """In a folder of its own, since Great Expectations' dialect wants a DuckDB before 2."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(tmp_path)]
    subprocess.run([*install, "duckdb==2.0.1"], check=True, capture_output=True)
    file = first.data / "sample" / "warehouse.duckdb"
    read = subprocess.run(
        [sys.executable, "-c", COUNTS, str(file)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    version, counts = json.loads(read.stdout)
    assert version == "2.0.1"
    assert counts["pairs"] == 100_000
    assert counts == {name: first.query("sample", f"SELECT count(*) FROM {name}")[0][0]
                      for name in counts}  # fmt: skip
