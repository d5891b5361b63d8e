"""What happens between two runs, if not to the rows: the next leaves what it would have left.

A warehouse of the first version is in `before`: of 600 made-up rows of two shards, as of commit
b9b163e, with DuckDB 1.5.
"""

import gzip
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from tests.builders import tables
from tests.end_to_end.soak import RELEASE, differences, first_revision, second_revision, to_the_end
from tests.loopback_hub import LoopbackHub

pytestmark = pytest.mark.slow

FIRST = Path(__file__).with_name("before") / "warehouse.duckdb.gz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recovery")


@pytest.fixture(scope="module")
def hub(folder: Path) -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture(scope="module")
def before(folder: Path, hub: LoopbackHub) -> Path:
    """A place as a run has left it; at the Hub is a new revision."""
    hub.publish(f"laion/{RELEASE}", first_revision(folder / "first"))
    to_the_end(folder / "before", hub)
    hub.publish(f"laion/{RELEASE}", second_revision(folder / "first", folder / "second"))
    return folder / "before"


@pytest.fixture(scope="module")
def untouched(folder: Path, before: Path, hub: LoopbackHub) -> Path:
    """The same after another run."""
    shutil.copytree(before, folder / "untouched")
    to_the_end(folder / "untouched", hub)
    return folder / "untouched"


def _nothing(_root: Path) -> None:
    pass


def _without_history(root: Path) -> None:
    shutil.rmtree(root / "dagster")


def _without_what_is_made(root: Path) -> None:
    for name in ("tables", "charts"):
        shutil.rmtree(root / name)
    (root / "data_docs" / "index.html").unlink()
    (root / "report.html").unlink()


@pytest.mark.parametrize(
    ("happens", "under", "but_for"),
    [
        pytest.param(
            _nothing,
            ("faketime", "-f", "-27h"),
            ["tables/release_history.parquet is another"],  # its revisions are in order of time
            id="the clock goes back",
            marks=pytest.mark.skipif(
                shutil.which("faketime") is None, reason="no clock to put back: no faketime here"
            ),
        ),
        pytest.param(_without_history, (), [], id="Dagster's history is deleted"),
        pytest.param(_without_what_is_made, (), [], id="what was made is deleted"),
    ],
)
def test_the_next_run_leaves_what_it_would_have_left(
    happens: Callable[[Path], None],
    under: tuple[str, ...],
    but_for: list[str],
    before: Path,
    untouched: Path,
    hub: LoopbackHub,
    tmp_path: Path,
) -> None:
    place = tmp_path / "a copy, restored somewhere else"
    shutil.copytree(before, place)
    happens(place / "data" / RELEASE)
    said = to_the_end(place, hub, *under)
    assert differences(untouched, place) == but_for
    assert "pairs: loading 2 shards" in said, said


def test_a_warehouse_of_the_first_version_is_brought_up_to_date(
    untouched: Path, hub: LoopbackHub, tmp_path: Path
) -> None:
    root = tmp_path / "data" / RELEASE
    root.mkdir(parents=True)
    (root / "warehouse.duckdb").write_bytes(gzip.decompress(FIRST.read_bytes()))
    said = to_the_end(tmp_path, hub)
    told = [line for line in said.splitlines() if "another version" in line]
    assert len(told) == 1, said
    assert _contents(tmp_path) == _contents(untouched)


def _contents(place: Path) -> dict[str, str]:
    """The rows, and the tables that are made of nothing else, such as of what was there before."""
    of_rows = (name for name, table in tables().items() if not table.history)
    names = ["pairs", *(name for name in of_rows if not name.startswith("revision_"))]
    with duckdb.connect(place / "data" / RELEASE / "warehouse.duckdb", read_only=True) as opened:
        return {name: repr(opened.table(name).order("ALL").fetchall()) for name in names}
