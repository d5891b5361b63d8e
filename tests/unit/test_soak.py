"""What `make soak` takes for different: every kind of thing that a run leaves."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.end_to_end.soak import RELEASE, differences


def _draw(root: Path, day: str, *, line: str = "M 0 0", words: str = "t") -> None:
    """A chart of a line and of words, whose last line says a day, in letters that are drawn."""
    (root / "charts" / "t.svg").write_text(
        f'<svg><path d="{line}"/><!-- {words} --><g id="text_1"><use href="{words}"/></g>'
        f'<!-- loaded {day} --><g id="text_2"><use href="{day}"/></g></svg>'
    )
    shown = Image.new("RGB", (100, 100), (len(line), len(words), 0))
    shown.paste((0, 0, int(day[-2:])), (0, 80, 100, 100))
    shown.save(root / "charts" / "t.png")


@pytest.fixture
def untouched(tmp_path: Path) -> Path:
    """A place as a run leaves it, but with little in it."""
    place = tmp_path / "untouched"
    root = place / "data" / RELEASE
    for folder in ("tables", "charts", "data_docs", "dagster/history"):
        (root / folder).mkdir(parents=True)
    (place / "tmp").mkdir()
    with duckdb.connect(root / "warehouse.duckdb") as opened:
        opened.execute("CREATE TABLE t AS SELECT 1 AS a, 'nan'::DOUBLE AS b, now() AS loaded_at")
    pq.write_table(pa.table({"a": [1], "loaded_at": [1]}), root / "tables" / "t.parquet")
    _draw(root, "2026-11-27")
    (root / "data_docs" / "20261127T101112.123456Z.html").touch()
    (root / "report.html").write_text("at ten")
    with sqlite3.connect(root / "dagster" / "history" / "runs.db") as runs:
        runs.execute("CREATE TABLE runs (status TEXT)")
        runs.execute("INSERT INTO runs VALUES ('SUCCESS')")
    return place


@pytest.fixture
def place(untouched: Path) -> Path:
    return Path(shutil.copytree(untouched, untouched.with_name("place")))


def _in_warehouse(statement: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with duckdb.connect(root / "warehouse.duckdb") as opened:
            opened.execute(statement)

    return change


def _of(**drawn: str) -> Callable[[Path], None]:
    return lambda root: _draw(root, "2026-11-27", **drawn)


def _in_history(root: Path) -> None:
    with sqlite3.connect(root / "dagster" / "history" / "runs.db") as runs:
        runs.execute("INSERT INTO runs VALUES ('STARTED')")


def _at_another_time(root: Path) -> None:
    _in_warehouse("UPDATE t SET loaded_at = now() + INTERVAL 1 HOUR")(root)
    pq.write_table(pa.table({"a": [1], "loaded_at": [2]}), root / "tables" / "t.parquet")
    (root / "data_docs").joinpath("20261127T101112.123456Z.html").rename(
        root / "data_docs" / "20261127T111112.123456Z.html"
    )
    (root / "report.html").write_text("at eleven")
    _draw(root, "2026-11-28")
    (root / "dagster" / "storage").mkdir()
    (root / "dagster" / "storage" / "said").touch()


def test_when_it_was_is_no_difference(untouched: Path, place: Path) -> None:
    assert differences(untouched, place) == []
    _at_another_time(place / "data" / RELEASE)
    assert differences(untouched, place) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_in_warehouse("UPDATE t SET a = 2"), "table t is another"),
        (_in_warehouse("INSERT INTO t SELECT * FROM t"), "table t is another"),
        (_in_warehouse("CREATE TABLE u (a INTEGER)"), "table u is left over"),
        (_in_warehouse("DROP TABLE t"), "table t is missing"),
        (
            lambda root: pq.write_table(pa.table({"a": [2]}), root / "tables" / "t.parquet"),
            "tables/t.parquet is another",
        ),
        (_of(line="M 1 10"), "charts/t.png is another, charts/t.svg is another"),
        (_of(words="u"), "charts/t.svg is another"),
        (lambda root: (root / "report.html").unlink(), "report.html is missing"),
        (lambda root: (root / "a.part").touch(), "a.part is left over"),
        (lambda root: (root.parents[1] / "tmp" / "b").touch(), "tmp/b is left over"),
        (_in_history, "unfinished runs is another"),
    ],
)
def test_each_kind_of_difference_is_told(
    change: Callable[[Path], None], told: str, untouched: Path, place: Path
) -> None:
    change(place / "data" / RELEASE)
    assert differences(untouched, place) == told.split(", ")
