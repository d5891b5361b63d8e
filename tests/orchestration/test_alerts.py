"""The sensor for alerts: one message for what is new, one when it is gone, and else none."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import mmh3
import pytest

from assets.automation import automation
from laion_pipeline.sources.sample.shards import generate_sample
from tests.alert_receiver import PASSWORD, Receiver, receiving
from tests.orchestration.runs import INGEST, PAIRS_CHECKS, Run, configured, query, run
from tests.orchestration.test_automation import instance, launch, tick
from tests.orchestration.test_checks import clean_columns, write

pytestmark = pytest.mark.slow

__all__ = ["instance"]  # the fixture

ROWS = 5000
LOADED = INGEST | PAIRS_CHECKS  # all that findings come from


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    with configured(tmp_path / "data", tmp_path / "source"):
        yield tmp_path / "data"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as receiver:
        monkeypatch.setenv("LAION_ALERT_URL", receiver.address)
        monkeypatch.setattr("assets.alerts._PEACE_SECONDS", 0.0)
        yield receiver


class Watch:
    """The sensor over several ticks, each with what the one before remembered."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor: str | None = None

    def tick(self) -> str:
        ticked = tick("alerts", self.instance, self.cursor)
        assert not ticked.run_requests
        assert PASSWORD not in f"{ticked.skip_message} {ticked.cursor}"
        self.cursor = ticked.cursor
        return str(ticked.skip_message)


def shards(folder: Path, bad: int) -> None:
    """Two shards, the first with rows of which so many break a rule."""
    columns = clean_columns(ROWS)
    for row in range(bad):
        columns["URL"][row] = url = f"ftp://host.example/{row}"
        columns["hash"][row] = mmh3.hash64(f"{url}{columns['TEXT'][row]}".encode())[0]
    write(folder, columns, "part-0.parquet")
    if not (folder / "part-1.parquet").exists():
        write(folder, clean_columns(10), "part-1.parquet")


def test_a_check_is_told_of_once_and_once_when_it_is_gone(
    data: Path, tmp_path: Path, instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    watch = Watch(instance)
    assert watch.tick() == "waiting for something new; told before: none"
    shards(tmp_path / "source", bad=0)
    assert launch("refresh", instance).success
    watch.tick()  # of so few rows published_rows warns, as it should
    receiver.messages.clear()
    shards(tmp_path / "source", bad=50)
    bad = run(LOADED, instance)
    assert bad.success
    assert watch.tick() == "sent: LAION-Aesthetics V1, English: 1 new"
    (body,) = receiver.bodies
    [(revision,)] = query(data, "SELECT revision FROM provenance")
    lines = body.splitlines()
    assert lines[0] == f"LAION-Aesthetics V1, English, revision {revision}"
    assert lines[1].startswith("new: failed: pairs.url_http: 50 of 5,010 rows fail: ")
    assert ", in part-0.parquet (50). What to do: " in lines[1]
    assert lines[2:] == [
        f"run: http://127.0.0.1:3000/runs/{bad.result.run_id}",
        "report: http://127.0.0.1:3000/files/report.html",
    ]
    assert watch.tick().startswith("waiting for something new; told before: ")
    shards(tmp_path / "source", bad=60)
    assert run(LOADED, instance).success
    watch.tick()
    assert len(receiver.bodies) == 1, "no second message of the same finding"
    shards(tmp_path / "source", bad=2)
    assert run(LOADED, instance).success
    watch.tick()
    assert "new: warned: pairs.url_http: 2 of 5,010" in receiver.bodies[1]
    assert "gone" not in receiver.bodies[1]
    shards(tmp_path / "source", bad=0)
    assert run(LOADED, instance).success
    watch.tick()
    watch.tick()
    assert len(receiver.bodies) == 3
    assert receiver.bodies[2].splitlines()[1] == "gone: pairs.url_http"
    assert receiver.messages[2]["type"] == "success"
    logs = [entry.user_message for entry in instance.all_logs(bad.result.run_id)]
    assert PASSWORD not in "".join(logs)


def failed(instance: dg.DagsterInstance) -> Run:
    done = run(LOADED, instance)
    assert not done.success
    return done


def test_a_run_that_fails_is_told_of_once_and_once_when_one_succeeds(
    data: Path, tmp_path: Path, instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    watch = Watch(instance)
    shards(tmp_path / "source", bad=0)
    (tmp_path / "source" / "part-1.parquet").write_bytes(b"no Parquet")
    first = failed(instance)
    watch.tick()
    (body,) = receiver.bodies
    assert "new: the run failed: shards: part-1.parquet: not a whole Parquet file" in body
    assert f"/runs/{first.result.run_id}" in body
    assert "report:" not in body, "there is none yet"
    failed(instance)
    watch.tick()
    assert len(receiver.bodies) == 1
    (tmp_path / "source" / "part-1.parquet").unlink()
    write(tmp_path / "source", clean_columns(10), "part-1.parquet")
    assert run(LOADED, instance).success
    watch.tick()
    assert "gone: the failure of a run" in receiver.bodies[1]


def test_a_run_whose_process_died_is_told_of(
    data: Path, instance: dg.DagsterInstance, receiver: Receiver
) -> None:
    run = instance.create_run_for_job(_nothing)
    instance.report_run_failed(run, message="its process is gone")
    assert Watch(instance).tick().startswith("sent: ")
    assert "new: the run failed: its process is gone" in receiver.bodies[0]


@dg.job
def _nothing() -> None: ...


def test_what_could_not_be_sent_is_sent_later_and_nothing_is_sent_twice_a_minute(
    data: Path,
    tmp_path: Path,
    instance: dg.DagsterInstance,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("assets.alerts._PEACE_SECONDS", 60.0)
    generate_sample(tmp_path / "source", rows=1000, shards=2)
    assert run(LOADED, instance).success
    watch = Watch(instance)
    receiver.status = 503
    assert "could not be sent" in (said := watch.tick())
    assert "failed once, trying again at " in said
    assert watch.tick().startswith("failed once, trying again at ")
    assert receiver.attempts == 1
    receiver.status = 200
    remembered = json.loads(watch.cursor or "")
    assert remembered["told"] == {}
    remembered["patience"]["not_before"] = 0
    watch.cursor = json.dumps(remembered)
    assert watch.tick().startswith("sent: ")
    assert watch.tick() == "a message was sent within the last minute: what is new since waits"
    assert len(receiver.bodies) == 1


def test_it_waits_for_a_run_and_says_what_it_misses(
    data: Path, instance: dg.DagsterInstance, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(instance)
    watch.cursor = "not JSON"
    run = instance.create_run_for_job(_nothing)
    instance.report_run_failed(run)
    busy = instance.create_run_for_job(_nothing, status=dg.DagsterRunStatus.STARTED)
    assert watch.tick() == f"waiting for run {busy.run_id[:8]}, which is started"
    instance.delete_run(busy.run_id)
    monkeypatch.setenv("LAION_ALERT_URL", f"nothing://{PASSWORD}")
    assert watch.tick().startswith("LAION_ALERT_URL: should be an address")
    monkeypatch.delenv("LAION_ALERT_URL")
    assert watch.tick() == "not needed: LAION_ALERT_URL is not set"
    assert receiver.attempts == 0


def test_it_is_on_where_alerts_are_to_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAION_ALERT_URL", raising=False)

    def sensor() -> dg.SensorDefinition:
        return next(sensor for sensor in automation()[1] if sensor.name == "alerts")

    assert sensor().default_status == dg.DefaultSensorStatus.STOPPED
    assert sensor().minimum_interval_seconds == 30
    monkeypatch.setenv("LAION_ALERT_URL", "json://127.0.0.1:9/")
    monkeypatch.setenv("LAION_POLL_SECONDS", "2")
    assert sensor().default_status == dg.DefaultSensorStatus.RUNNING
    assert sensor().minimum_interval_seconds == 2
