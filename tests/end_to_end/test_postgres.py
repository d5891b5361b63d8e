"""Dagster's history in PostgreSQL: the UI, its daemon and its runs keep all of it there."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server

import psutil
import psycopg2
import pytest

from laion_pipeline.sources.sample.shards import generate_sample
from tests.end_to_end.command import run_assets
from tests.end_to_end.ui import eventually, serving

RELEASE = "laion2B-en-aesthetic"
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
PASSWORD = "pa%20ss-of-the-history"
# What both ways to write it have in common.
SECRET = "ss-of-the-history"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PROGRAMS and os.environ.get("CI") != "true",
        reason="needs PostgreSQL; Debian: postgresql",
    ),
]


@contextmanager
def postgres(place: Path) -> Iterator[str]:
    """A server of its own for as long as the block runs; the address of an empty database."""
    data, secret = place / "data", place / "secret"
    secret.write_text(PASSWORD.replace("%20", " "))
    as_server: list[str] = []
    if os.getuid() == 0:  # which PostgreSQL refuses to be
        shutil.chown(place, "postgres")
        shutil.chown(secret, "postgres")
        as_server = ["runuser", "-u", "postgres", "--"]
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        command = [*as_server, str(PROGRAMS[0] / program), "-D", str(data), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=place)

    run("initdb", "--auth=scram-sha-256", f"--pwfile={secret}", "--username=dagster")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {place}"
    run("pg_ctl", "start", "--wait", f"--log={place / 'log'}", "-o", options)
    try:
        yield f"postgresql://dagster:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "stop", "--wait", "--mode=immediate")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    # Not where pytest has its folders, which are for whoever runs it alone.
    with tempfile.TemporaryDirectory() as place, postgres(Path(place)) as address:
        yield address


def asked(address: str, query: str) -> list[tuple[str, ...]]:
    """What a query finds, with the release's schema first."""
    connection = psycopg2.connect(address)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'laion_%'")
            ((schema,),) = cursor.fetchall()
            cursor.execute(f"SET search_path = {schema}")
            cursor.execute(query)
            found: list[tuple[str, ...]] = cursor.fetchall()
            return found
    finally:
        connection.close()


def test_everything_runs_by_itself_and_is_kept_there(address: str, tmp_path: Path) -> None:
    generate_sample(tmp_path / "shards", rows=8000, shards=2)
    settings = {"source": str(tmp_path / "shards"), "history_url": address}
    left_running = {"automation": "on", "poll_seconds": "2", "schedule": "* * * * *"}
    with serving(tmp_path, RELEASE, None, **settings, **left_running) as ui:

        def all_ended() -> list[str] | None:
            statuses = list(ui.statuses().values())
            return statuses if statuses and set(statuses) <= {"SUCCESS", "FAILURE"} else None

        assert set(eventually(all_ended, 180)) == {"SUCCESS"}

        def ticks() -> set[str] | None:
            found = {kind for (kind,) in asked(address, "SELECT DISTINCT type FROM job_ticks")}
            return found if {"SCHEDULE", "SENSOR"} <= found else None

        assert eventually(ticks)
        commands = [
            word
            for process in psutil.process_iter(["cmdline"])
            for word in process.info["cmdline"] or ()
        ]
        assert not [word for word in commands if SECRET in word]
    (materialized,) = asked(
        address,
        "SELECT count(DISTINCT asset_key) FROM event_logs"
        " WHERE dagster_event_type = 'ASSET_MATERIALIZATION'",
    )
    assert int(materialized[0]) > 40
    kept = tmp_path / "data" / RELEASE / "dagster"
    assert not list(kept.rglob("*.db"))
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert not [file for file in written if SECRET.encode() in file.read_bytes()]

    said = run_assets(tmp_path, "status", release=RELEASE, **settings)
    assert "success, ended" in said.out, said.err


@pytest.mark.parametrize(
    ("wrong", "status", "told"),
    [
        ("mysql://user:hidden@host/db", 2, "should be an address of PostgreSQL"),
        ("postgresql://user:hidden@127.0.0.1:9/db", 1, "Connection refused"),
        ("{address}-not-there", 1, "does not exist"),
    ],
)
def test_what_is_wrong_is_one_line(
    wrong: str, status: int, told: str, address: str, tmp_path: Path
) -> None:
    failed = run_assets(tmp_path, history_url=wrong.format(address=address))
    assert failed.status == status
    (line,) = failed.err.splitlines()
    assert line.startswith("error: LAION_HISTORY_URL: ")
    assert told in line
    assert "hidden" not in line
