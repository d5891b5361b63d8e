"""A warehouse or a history that is damaged: told in one line, moved aside, and made again."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from assets import home
from assets.home import open_instance, prepare_home
from laion_pipeline.common.files import partial, remove_leftovers, workplace
from laion_pipeline.errors import DamagedWarehouseError, LaionError
from laion_pipeline.ingestion import fetch_shards, load_listing
from laion_pipeline.session import Session
from laion_pipeline.sources.shards import Listing
from laion_pipeline.warehouse.damage import is_damage
from tests.builders import pairs, write_shard


@pytest.fixture
def session(tmp_path: Path, unconfigured: pytest.MonkeyPatch) -> Session:
    """A release of two shards, loaded."""
    unconfigured.setenv("LAION_SOURCE", str(tmp_path / "source"))
    unconfigured.setenv("DAGSTER_HOME", "to be restored")
    for number in range(2):
        write_shard(tmp_path / "source", f"part-{number}.parquet", pairs(500, first=1000 * number))
    session = Session.open()
    refresh(session)
    return session


def refresh(session: Session) -> int:
    return load_listing(session, fetch_shards(session).listing).rows


def overwritten(file: Path, at: float, count: int = 4096) -> None:
    with file.open("r+b") as stream:
        stream.seek(int(at * file.stat().st_size))
        stream.write(os.urandom(count))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "garbage": lambda file: file.write_bytes(os.urandom(100_000)),
    "empty": lambda file: file.write_bytes(b""),
    "cut off": lambda file: os.truncate(file, file.stat().st_size // 2),
    "its start": lambda file: overwritten(file, 0),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_warehouse_is_moved_aside_and_made_again(
    damage: Callable[[Path], object], session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    damage(session.paths.warehouse)
    damaged = session.paths.warehouse.read_bytes()
    assert refresh(session) == 1000
    (aside,) = session.paths.root.glob("warehouse.duckdb.damaged-*")
    assert aside.read_bytes() == damaged
    (told,) = [line for line in caplog.messages if "moved to" in line]
    assert told.startswith(f"{session.paths.warehouse}: damaged: ")
    assert aside.name in told


def test_damage_that_opening_does_not_show_is_remembered(session: Session) -> None:
    with session.warehouse.connect() as connection:
        connection.execute("CREATE TABLE filler AS SELECT hash(range) AS n FROM range(1_000_000)")
    overwritten(session.paths.warehouse, 0.6, 2_000_000)
    with (
        pytest.raises(DamagedWarehouseError, match=r"damaged: .*run again: it is moved aside"),
        session.warehouse.connect(read_only=True) as connection,
    ):
        connection.execute("SELECT sum(n % 7) FROM filler")
    assert refresh(session) == 1000
    assert len(list(session.paths.root.glob("warehouse.duckdb.damaged*"))) == 1


def test_a_new_warehouse_is_not_taken_for_the_damaged_one_before(session: Session) -> None:
    session.paths.warehouse.write_bytes(b"garbage" * 1000)
    with pytest.raises(DamagedWarehouseError), session.warehouse.connect(read_only=True):
        pass
    session.paths.warehouse.unlink()  # as the message advises
    assert load_listing(session, Listing.read(session.paths.listing)).rows == 1000
    assert refresh(session) == 1000
    assert not list(session.paths.root.glob("warehouse.duckdb.damaged*"))


@pytest.mark.parametrize(("name", "own"), [("w.duckdb", True), ("part-0.parquet", False)])
def test_a_file_that_is_cut_off_is_damage_only_where_it_is_the_warehouse(
    name: str, own: bool
) -> None:
    said = f'IO Error: Could not read enough bytes from file "/a/{name}": attempted to read 9 bytes'
    assert is_damage(duckdb.IOException(said), Path("/a/w.duckdb")) is own


def test_an_error_that_is_no_full_disk_is_left_unforeseen(session: Session) -> None:
    assert home.meaning_of(FileNotFoundError(2, "No such file", "template.html"), session) is None
    full = home.meaning_of(OSError(28, "No space left on device", "/x/y"), session)
    assert str(full).startswith("/x/y: cannot be written: No space left")


def test_where_shards_were_not_kept_it_is_left_to_the_user(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.paths.warehouse.write_bytes(b"garbage" * 1000)
    monkeypatch.setenv("LAION_KEEP_SHARDS", "false")
    monkeypatch.setattr("laion_pipeline.ingestion.InPlace", type(None))  # as if on the Hub
    with pytest.raises(DamagedWarehouseError, match=r"not kept.*delete warehouse\.duckdb to have"):
        fetch_shards(Session.open())
    assert session.paths.warehouse.read_bytes() == b"garbage" * 1000


@pytest.fixture
def databases(session: Session) -> dict[str, Path]:
    """Those of a history with one run in it."""
    prepare_home(session)
    with open_instance(session, "test") as instance:
        assert dg.materialize([dg.AssetSpec("nothing")], instance=instance).success
    files = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
    return {file: session.paths.dagster / file for file in files}


@pytest.mark.parametrize("damage", [DAMAGE["garbage"], DAMAGE["cut off"]], ids=["garbage", "cut"])
@pytest.mark.parametrize("name", ["history/runs.db", "history/runs/index.db"])
def test_damaged_history_is_moved_aside_and_begun_again(
    name: str,
    damage: Callable[[Path], object],
    session: Session,
    databases: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(databases[name])
    with open_instance(session, "test") as instance:
        assert instance.get_runs_count() == 0
        assert instance.event_log_storage.get_records_for_run("none").records == []
    assert len(list(session.paths.dagster.glob("history.damaged-*"))) == 1
    assert capsys.readouterr().err.startswith("note: Dagster's history was damaged: moved to ")
    with open_instance(session, "test"):
        assert capsys.readouterr().err == ""


def test_a_history_that_is_held_is_told(
    session: Session, databases: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "_SECONDS_FOR_A_LOCK", 0.1)
    holder = sqlite3.connect(databases["history/runs.db"], isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LaionError, match=r"runs\.db: held by another process; end that one"):
        open_instance(session, "test")
    holder.close()


def test_what_the_dead_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        stdout=subprocess.PIPE, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    gone = [
        tmp_path / "tables" / f".a.parquet.{dead}.0f.partial",
        tmp_path / f".docs.{dead}.partial",  # as versions before named them
        tmp_path / f".a.{os.getpid()}.0f.partial",  # one that had the same number, in a container
    ]
    kept = [partial(tmp_path / "a"), tmp_path / ".mine.partial", tmp_path / f"a.{dead}.partial"]
    (tmp_path / "tables").mkdir()
    gone[1].mkdir()
    for file in (gone[0], gone[1] / "page.html", gone[2], *kept):
        file.touch()
    remove_leftovers(tmp_path)
    assert not any(place.exists() for place in gone)
    assert all(place.exists() for place in kept)


def test_a_workplace_is_there_for_a_block(tmp_path: Path) -> None:
    with workplace(tmp_path / "new" / "docs") as folder:
        (folder / "page.html").touch()
    assert list((tmp_path / "new").iterdir()) == []
