"""The warehouse: opened for as long as needed, never by two, and plain about what is wrong."""

import fcntl
import json
import logging
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import duckdb
import pytest

from laion_pipeline.contract import Contract
from laion_pipeline.errors import (
    DiskFullError,
    LaionError,
    TransientError,
    WarehouseBusyError,
    WarehouseError,
)
from laion_pipeline.quality.judging import judge
from laion_pipeline.quality.measuring import measure_all
from laion_pipeline.quality.row_sample import draw_row_sample
from laion_pipeline.warehouse.connections import RUN_LOCK, Warehouse, quoted, transaction
from tests.builders import SAMPLE, load_rows, pair, pairs, warehouse_at

# Opens the warehouse, says so, and holds it until its standard input ends.
HOLDER = """
import sys, duckdb
with duckdb.connect(sys.argv[1]) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS held (a INTEGER)")
    print("open", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the warehouse open."""
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "open\n"
        try:
            yield holder
        finally:
            holder.stdin.close()


def use(warehouse: Warehouse, statement: str, **how: bool) -> list[tuple[Any, ...]]:
    with warehouse.connect(**how) as connection:
        return connection.execute(statement).fetchall()


def test_what_is_written_stays(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path / "warehouse.duckdb")
    use(warehouse, "CREATE TABLE t AS SELECT 1 AS a")
    assert use(warehouse, "FROM t", read_only=True) == [(1,)]
    assert [path.name for path in tmp_path.iterdir()] == ["warehouse.duckdb"]


def test_there_must_be_a_warehouse_to_read(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path / "none" / "warehouse.duckdb")
    with pytest.raises(WarehouseError, match=r"warehouse\.duckdb: no warehouse yet$"):
        use(warehouse, "SELECT 1", read_only=True)
    assert not warehouse.file.parent.exists()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path / "warehouse.duckdb")
    use(warehouse, "CREATE TABLE t (a INTEGER)")
    with pytest.raises(duckdb.Error, match="read-only"):
        use(warehouse, "INSERT INTO t VALUES (1)", read_only=True)


def test_a_connection_is_closed_whatever_happens(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path / "warehouse.duckdb")

    def fail() -> None:
        with warehouse.connect() as connection:
            kept.append(connection)
            raise KeyError("of the caller's own")

    kept: list[duckdb.DuckDBPyConnection] = []
    with pytest.raises(KeyError, match="of the caller's own"):
        fail()
    with pytest.raises(duckdb.ConnectionException):
        kept[0].execute("SELECT 1")
    # Other settings would be refused while any connection is open.
    assert use(warehouse, "SELECT 1", read_only=True) == [(1,)]


@pytest.mark.parametrize("read_only", [True, False])
def test_one_that_another_process_holds_is_waited_for(
    read_only: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse = warehouse_at(tmp_path / "warehouse.duckdb", busy_wait_seconds=0.1)
    with held(warehouse.file) as holder:
        started = time.monotonic()
        with caplog.at_level(logging.WARNING), pytest.raises(WarehouseBusyError) as caught:
            use(warehouse, "SELECT 1", read_only=read_only)
        waited = time.monotonic() - started
        busy = f"{warehouse.file} is held open by process {holder.pid}"
    assert 0.1 <= waited < 5
    assert isinstance(caught.value, TransientError)
    assert str(caught.value).startswith(busy)
    assert [record.message for record in caplog.records] == [f"{caught.value}; waiting up to 0 s"]
    assert use(warehouse, "SELECT 1", read_only=read_only) == [(1,)], "it is free again"


def test_what_is_spilled_has_a_limit_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=40_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", "100MB", None)
    with pytest.raises(DiskFullError) as caught, warehouse.connect() as connection:
        connection.execute(
            "CREATE TABLE much AS SELECT repeat('x', 1000) || range FROM range(1_000_000)"
            " ORDER BY hash(range)"
        )
    told = str(caught.value)
    assert "no more room for it and what it sets aside" in told
    assert "LAION_DATA_DIR" in told
    assert told.count(". ") <= 1, "and nothing of DuckDB's own advice"


def test_a_reader_is_told_of_the_run_that_holds_it(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path / "warehouse.duckdb", busy_wait_seconds=0.1)
    lock_file = tmp_path / RUN_LOCK  # as that process would have it, if it were a run
    with held(warehouse.file) as holder, lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = {"pid": holder.pid, "program": "python -m assets", "since": "2026-11-25 01:02:03"}
        lock.write(json.dumps(said))
        lock.flush()
        with pytest.raises(WarehouseBusyError) as caught:
            use(warehouse, "SELECT 1", read_only=True)
    assert str(caught.value) == (
        f"{warehouse.file} is held open by process {holder.pid} (python -m assets, since"
        " 2026-11-25 01:02:03 UTC); close it there"
    )


def test_great_expectations_waits_for_it_as_we_do(tmp_path: Path) -> None:
    contract = Contract.of(SAMPLE)
    loaded = load_rows(tmp_path, pairs(3))
    warehouse = warehouse_at(loaded.file, busy_wait_seconds=0.1)
    with warehouse.connect() as connection:
        draw_row_sample(connection, SAMPLE)
        measured = measure_all(connection, contract, "pairs")
    with held(warehouse.file), pytest.raises(WarehouseBusyError):
        judge(warehouse, contract, measured, "a run", tmp_path / "pages")
    assert judge(warehouse, contract, measured, "a run", tmp_path / "pages").by_check


def test_one_that_is_let_go_in_time_is_opened(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path / "warehouse.duckdb", busy_wait_seconds=30)

    class LetGo(logging.Handler):
        """Ends the other process as soon as the waiting is announced."""

        def emit(self, record: logging.LogRecord) -> None:
            assert holder.stdin is not None
            holder.stdin.close()

    logger, handler = logging.getLogger("laion_pipeline.warehouse"), LetGo()
    logger.addHandler(handler)
    try:
        with held(warehouse.file) as holder:
            assert use(warehouse, "FROM held") == []
            assert holder.stdin is not None
            assert holder.stdin.closed, "it was waited for"
    finally:
        logger.removeHandler(handler)


@pytest.mark.parametrize("content", [b"no database" * 1000, b"short", b"\0" * 20_000])
@pytest.mark.parametrize("folder", ["plain", "blocks"])
@pytest.mark.parametrize("read_only", [True, False])
def test_a_damaged_one_is_told_at_once(
    content: bytes, folder: str, read_only: bool, tmp_path: Path
) -> None:
    # Whatever the folder is called: DuckDB says "lock" of one that is held.
    file = tmp_path / folder / "warehouse.duckdb"
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(WarehouseError, match=str(file)) as caught:
        use(warehouse_at(file, busy_wait_seconds=0), "SELECT 1", read_only=read_only)
    assert not isinstance(caught.value, WarehouseBusyError)
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == content


def test_one_that_is_cut_off_is_told(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, [pair(n, text=token_hex(999)) for n in range(999)])
    whole = warehouse.file.read_bytes()
    warehouse.file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WarehouseError, match=r"warehouse\.duckdb"):
        use(warehouse, "SELECT max(text), max(url) FROM pairs", read_only=True)


@pytest.mark.parametrize("name", ["a folder", "what?/w.duckdb"])
def test_a_place_where_none_can_be_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    (tmp_path / "what?").mkdir()
    with pytest.raises(LaionError):
        use(warehouse_at(tmp_path / name), "CREATE TABLE t AS SELECT 1 AS a")


@pytest.mark.parametrize(
    "statement",
    [
        "FROM read_csv('{file}')",
        "FROM '{file}'",
        "COPY (SELECT 1) TO '{file}.out'",
        "ATTACH '{file}.db'",
        "FROM glob('{folder}/*')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET memory_limit = '100GB'",
    ],
)
@pytest.mark.parametrize("read_only", [True, False])
def test_sql_reaches_no_other_file(statement: str, read_only: bool, tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path / "warehouse.duckdb")
    use(warehouse, "CREATE TABLE t (a INTEGER)")
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(duckdb.Error, match=r"(?i)disabled|cannot (be )?(enable|change)"):
        use(warehouse, statement.format(file=file, folder=tmp_path), read_only=read_only)
    assert sorted(tmp_path.iterdir()) == before


def test_sql_reads_files_only_where_it_may(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    warehouse = warehouse_at(tmp_path / "warehouse.duckdb")
    query = f"FROM read_csv('{tmp_path / 'rows.csv'}')"
    assert use(warehouse, query, reads_files=True) == [(1,)]


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    def fail_after_inserting(connection: duckdb.DuckDBPyConnection) -> None:
        with transaction(connection):
            connection.execute("INSERT INTO t VALUES (1)")
            raise KeyboardInterrupt

    with warehouse_at(tmp_path / "warehouse.duckdb").connect() as connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
        with pytest.raises(KeyboardInterrupt):
            fail_after_inserting(connection)
        assert connection.execute("FROM t").fetchall() == []
        with transaction(connection):
            connection.execute("INSERT INTO t VALUES (2)")
        assert connection.execute("FROM t").fetchall() == [(2,)]


@pytest.mark.parametrize("name", ["plain", 'a"b', "it's", "select", "a b; --", "거실", '""'])
def test_a_quoted_name_is_one_identifier(name: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT 1 AS {quoted(name)}")
        assert connection.execute("SHOW TABLES").fetchall() == [(name,)]
        found = connection.execute(f"SELECT {quoted(name)} FROM {quoted(name)}")
        assert [column[0] for column in found.description] == [name]
