"""What runs by itself: jobs, the schedule, and sensors that look for something new."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._core.definitions.sensor_definition import SensorExecutionData

from assets.automation import automation
from assets.definitions import defs
from laion_pipeline.sources.sample.shards import generate_sample
from tests.hub_fixtures import REPO, Site, hub_site, other_shard, small_shards
from tests.loopback_hub import GATED, Status
from tests.orchestration.runs import ASSETS, GRAPH, RELEASE, Run, configured, query, tamper
from tests.orchestration.test_checks import clean_columns, write

pytestmark = pytest.mark.slow

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:  # in memory, which is far faster
        yield instance


class Finished(NamedTuple):
    """A place whose source has been refreshed from, and the run that did it, with its instance."""

    place: Path
    instance: dg.DagsterInstance
    run: Run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    place = tmp_path_factory.mktemp("finished")
    generate_sample(place / "source", rows=1000, shards=2)
    with dg.DagsterInstance.ephemeral() as instance:
        with configured(place / "data", place / "source"):
            run = launch("refresh", instance)
        assert run.success
        assert set(run.metadata) == ASSETS
        yield Finished(place, instance, run)


@pytest.fixture
def data(tmp_path: Path, finished: Finished) -> Iterator[Path]:
    """A copy of its data folder, to be changed; that of its source lies beside it."""
    shutil.copytree(finished.place, tmp_path, dirs_exist_ok=True)
    with configured(tmp_path / "data", tmp_path / "source"):
        yield tmp_path / "data"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    with hub_site(monkeypatch, tmp_path) as site:
        yield site


def launch(job: str, instance: dg.DagsterInstance) -> Run:
    result = defs.resolve_job_def(job).execute_in_process(
        instance=instance, run_config=_QUIET, raise_on_error=False
    )
    return Run(result)


def takes_all_for_done(instance: dg.DagsterInstance) -> bool:
    """Whether a refresh makes nothing; if not, it makes everything."""
    made = set(launch("refresh", instance).metadata)
    assert made <= {"shards", "pairs", "report"} or made == ASSETS
    return made != ASSETS


def tick(name: str, instance: dg.DagsterInstance, cursor: str | None = None) -> SensorExecutionData:
    """What a sensor says now."""
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, definitions=defs, sensor_name=name
    )
    return defs.get_sensor_def(name).evaluate_tick(context)


def requests(said: SensorExecutionData | ScheduleExecutionData) -> Sequence[dg.RunRequest]:
    """The runs that a sensor or a schedule asks for."""
    return said.run_requests or ()


def test_a_refresh_with_nothing_new_ends_at_once_and_says_so(
    data: Path, finished: Finished, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "laion_pipeline")
    report = (data / RELEASE / "report.html").stat().st_mtime_ns
    again = launch("refresh", finished.instance)
    assert again.success
    assert any("nothing new at revision" in record.getMessage() for record in caplog.records)
    assert set(again.metadata) == {"shards", "pairs", "report"}  # the last two only said again
    assert again.metadata["pairs"] == finished.run.metadata["pairs"]
    assert again.checks == {}
    assert (data / RELEASE / "report.html").stat().st_mtime_ns == report
    (data / RELEASE / "report.html").unlink()
    assert not takes_all_for_done(finished.instance)


def test_a_refresh_with_a_new_shard_makes_everything_anew(
    data: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    assert takes_all_for_done(instance)
    write(tmp_path / "source", clean_columns(50), "zz.parquet")
    assert not takes_all_for_done(instance)
    assert takes_all_for_done(instance)


def test_a_commit_with_the_same_shards_has_nothing_new(
    site: Site, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "laion_pipeline")
    files = small_shards()
    first = site.hub.publish(REPO, files)
    made = launch("refresh", instance)
    assert made.success
    second = site.hub.publish(REPO, {**files, "README.md": b"only this has changed"})
    assert len(requests(tick("new_revision", instance)) or []) == 1
    site.hub.clear_requests()
    again = launch("refresh", instance)
    assert again.success
    assert site.hub.file_gets() == {}
    assert set(again.metadata) == {"shards", "pairs", "report"}
    said = f"nothing new at revision {second[:12]}, whose shards are those of {first[:12]}: "
    assert any(record.getMessage().startswith(said) for record in caplog.records)
    after = tick("new_revision", instance)
    assert not after.run_requests
    assert f"{second[:12]}, which is loaded" in str(after.skip_message)
    third = site.hub.publish(REPO, {**files, "zz.parquet": other_shard()})
    assert third != second
    assert len(requests(tick("new_revision", instance)) or []) == 1


def _another_contract(folder: Path, patch: pytest.MonkeyPatch) -> None:
    own = folder / "contract.toml"
    own.write_text("[similarity_range]\nerror_above = 0.5\n")
    patch.setenv("LAION_CONTRACT", str(own))


def _fewer_shards(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("LAION_MAX_SHARDS", "1")


def _another_tables_sql(_: Path, patch: pytest.MonkeyPatch) -> None:
    for asset in ("pairs", "report"):
        patch.setattr(f"assets.{asset}.code_version", lambda: "changed")


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("change", [_another_contract, _fewer_shards, _another_tables_sql])
def test_what_was_not_finished_is_not_taken_for_done(
    tmp_path: Path,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path, pytest.MonkeyPatch], None],
) -> None:
    change(tmp_path, monkeypatch)
    assert not takes_all_for_done(instance)


def test_a_refresh_with_nothing_new_hides_no_check_that_blocks(
    data: Path, instance: dg.DagsterInstance
) -> None:
    tamper(data, "DELETE FROM pairs WHERE rowid = 7")
    assert not launch("validate", instance).success
    again = launch("refresh", instance)
    assert list(again.failures) == ["pairs_contract"]


def test_the_rows_can_be_checked_and_analysed_as_they_are(
    data: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    write(tmp_path / "source", clean_columns(50), "zz.parquet")
    validated = launch("validate", instance)
    assert validated.success
    assert validated.metadata == {}
    pairs = {key.name for key in GRAPH.asset_check_keys if key.asset_key.path == ["pairs"]}
    assert set(validated.checks) == {f"pairs.{name}" for name in pairs}
    analysed = launch("analysis", instance)
    assert analysed.success
    assert set(analysed.metadata) == ASSETS - {"shards", "pairs"}
    assert query(data, "SELECT count(*) FROM pairs") == [(1000,)]


def test_everything_is_off_until_it_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTOMATION", "SCHEDULE", "TIMEZONE", "POLL_SECONDS", "ALERT_URL"):
        monkeypatch.delenv(f"LAION_{name}", raising=False)
    schedule, [*sensors, _] = automation()
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 3 * * 1", "UTC")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert {s.default_status for s in sensors} == {dg.DefaultSensorStatus.STOPPED}
    assert {s.minimum_interval_seconds for s in sensors} == {1800}
    monkeypatch.setenv("LAION_AUTOMATION", "on")
    monkeypatch.setenv("LAION_SCHEDULE", "30 4 1 * *")
    monkeypatch.setenv("LAION_TIMEZONE", "Europe/Berlin")
    monkeypatch.setenv("LAION_POLL_SECONDS", "5")
    schedule, [*sensors, _] = automation()
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 4 1 * *", "Europe/Berlin")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert {s.default_status for s in sensors} == {dg.DefaultSensorStatus.RUNNING}
    assert {s.minimum_interval_seconds for s in sensors} == {5}


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance that has files, which schedules ask for."""
    (home := tmp_path / "home").mkdir()
    overrides = {"telemetry": {"enabled": False}}
    with dg.DagsterInstance.local_temp(str(home), overrides=overrides) as instance:
        yield instance


def test_the_schedule_leaves_a_run_alone_that_is_under_way(stored: dg.DagsterInstance) -> None:
    schedule = defs.get_schedule_def("weekly_refresh")

    def evaluated() -> ScheduleExecutionData:
        return schedule.evaluate_tick(dg.build_schedule_context(instance=stored))

    assert len(requests(evaluated())) == 1
    job = defs.resolve_job_def("refresh")
    run = stored.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    found = evaluated()
    assert found.run_requests == []
    assert found.skip_message == f"waiting for run {run.run_id[:8]}, which is started"
    for name in ("new_revision", "new_files"):
        asked = tick(name, stored)
        assert asked.skip_message == f"waiting for run {run.run_id[:8]}, which is started"


def test_a_new_commit_is_asked_for_once(site: Site, instance: dg.DagsterInstance) -> None:
    first = tick("new_revision", instance)
    (request,) = requests(first)
    commit = site.listing().revision
    assert request.run_key == f"..{commit}"
    assert launch("refresh", instance).success
    site.hub.clear_requests()
    same = tick("new_revision", instance)
    assert same.run_requests == []
    assert same.skip_message == (
        f"waiting for a new commit: main is {commit[:12]}, which is loaded"
    )
    assert site.kinds() == {"revision": 1}
    (seen,) = same.asset_events
    assert isinstance(seen, dg.AssetObservation)
    assert seen.tags["dagster/data_version"] == commit
    changed = site.hub.publish(REPO, {**small_shards(), "zz.parquet": other_shard()})
    keys = {requests(tick("new_revision", instance))[0].run_key for _ in range(2)}
    assert keys == {f"{commit}..{changed}"}


@pytest.mark.parametrize("fault", [Status(503), GATED])
def test_an_error_is_told_and_waited_out(
    site: Site, instance: dg.DagsterInstance, fault: Status
) -> None:
    site.hub.inject(fault, "revision")
    first = tick("new_revision", instance)
    words = "answers 503" if fault.code == 503 else "accept its terms"
    assert words in str(first.skip_message)
    assert "failed once, trying again at 20" in str(first.skip_message)
    assert len(site.hub.requests) == 1
    second = tick("new_revision", instance, first.cursor)
    assert "failed once, trying again at 20" in str(second.skip_message)
    assert len(site.hub.requests) == 1  # it did not ask
    due = json.loads(first.cursor or "")
    third = tick("new_revision", instance, json.dumps({**due, "not_before": 0}))
    assert "failed 2 times in a row" in str(third.skip_message)
    waits = [json.loads(t.cursor or "")["not_before"] for t in (first, third)]
    assert waits[1] - waits[0] > 1000
    site.hub.lift()
    fourth = tick("new_revision", instance, json.dumps({**due, "not_before": 0}))
    assert len(requests(fourth)) == 1


@pytest.mark.usefixtures("data")
def test_a_folder_that_changes_is_seen(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    assert len(requests(tick("new_files", instance))) == 1  # copies, which no run has seen yet
    assert "not needed" in str(tick("new_revision", instance).skip_message)
    assert takes_all_for_done(instance)
    assert "waiting for " in str(tick("new_files", instance).skip_message)
    write(tmp_path / "source", clean_columns(50), "zz.parquet")
    keys = {requests(tick("new_files", instance))[0].run_key for _ in range(2)}
    assert len(keys) == 1
    (tmp_path / "source" / "gone.parquet").symlink_to("nowhere")
    failed = tick("new_files", instance)
    assert "gone.parquet is a link" in str(failed.skip_message)
    assert failed.run_requests == []
