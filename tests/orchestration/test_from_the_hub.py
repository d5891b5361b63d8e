"""The asset `shards` reading from the Hub: what Dagster stores and shows of it."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import pytest

from assets import resources
from assets.resources import Laion
from laion_pipeline.ingestion import fetch_shards
from laion_pipeline.sources.hub.retrying import ATTEMPTS
from tests.conftest import SECONDS_TO_RETRY
from tests.hub_fixtures import (
    REPO,
    TOKEN,
    Reply,
    Site,
    entry,
    hub_site,
    json_reply,
    scripted_server,
    small_shards,
    source_rows,
)
from tests.loopback_hub import GATED, Status
from tests.orchestration.runs import INGEST, PAIRS_CHECKS, Run, run

pytestmark = pytest.mark.slow

NAMES = sorted(small_shards())
LOGGERS = ["laion_pipeline", "huggingface_hub", "httpx2"]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    with hub_site(monkeypatch, tmp_path) as site:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        site.hub.gate(REPO, TOKEN)
        yield site


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return tmp_path / "dagster"


@pytest.fixture
def instance(stored: Path) -> Iterator[dg.DagsterInstance]:
    stored.mkdir()
    # With DEBUG, so that whatever any library logs would be in the event log.
    overrides = {
        "telemetry": {"enabled": False},
        "python_logs": {"managed_python_loggers": LOGGERS, "python_log_level": "DEBUG"},
    }
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [logger.level for logger in loggers]
    with dg.DagsterInstance.local_temp(str(stored), overrides=overrides) as instance:
        yield instance
    for logger, level in zip(loggers, before, strict=True):  # Dagster leaves them at DEBUG
        logger.setLevel(level)


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_listing_that_never_ends_is_one_line(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reply(path: str, headers: Mapping[str, str]) -> Reply:
        if "/revision/" in path:
            return json_reply({"sha": "c" * 40})
        status, said, body = json_reply([entry("a.parquet")])
        return status, {**said, "Link": f'<http://{headers["Host"]}{path}>; rel="next"'}, body

    with scripted_server(monkeypatch, reply) as asked:
        done = run(INGEST, instance)
    failure = done.failures["shards"].step_failure_data.user_failure_data
    assert failure is not None
    assert "does not end: after 1 pages" in str(failure.description)
    assert len(asked) == 2


def retried(done: Run) -> list[str]:
    """The steps that were tried again, in order."""
    events = done.result.all_events
    return [str(e.step_key) for e in events if e.event_type == dg.DagsterEventType.STEP_RESTARTED]


def test_what_may_mend_itself_is_tried_again_a_few_times(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (resources.RETRIES, SECONDS_TO_RETRY) == (2, 30)
    monkeypatch.setattr(resources, "SECONDS_TO_RETRY", 0.01)
    site.hub.inject(Status(503), "revision", times=2 * ATTEMPTS)
    done = run(INGEST, instance)
    assert done.success
    assert retried(done) == ["shards", "shards"]
    waits = [
        e.step_retry_data.seconds_to_wait for e in done.result.all_events if e.is_step_up_for_retry
    ]
    assert waits == [0.01, 0.02]
    site.hub.inject(Status(503), "revision")
    done = run(INGEST, instance)
    assert list(done.failures) == ["shards"]
    assert retried(done) == ["shards", "shards"]


def test_what_only_a_person_can_mend_is_not(site: Site, instance: dg.DagsterInstance) -> None:
    site.hub.inject(GATED, "revision")
    done = run(INGEST, instance)
    assert list(done.failures) == ["shards"]
    assert retried(done) == []


def test_a_fault_of_ours_is_not(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("assets.shards.fetch_shards", broken)
    done = run(INGEST, instance)
    assert list(done.failures) == ["shards"]
    assert retried(done) == []


def test_one_file_under_two_names_is_told(site: Site, instance: dg.DagsterInstance) -> None:
    files = dict(small_shards())
    site.hub.publish(REPO, files | {"zz copy.parquet": files[NAMES[2]]})
    done = run(INGEST | PAIRS_CHECKS, instance)
    check = done.checks["pairs.shards_unique"]
    assert not check.passed
    assert NAMES[2] in str(check.metadata)
    assert "zz copy.parquet" in str(check.metadata)


def test_metadata_tells_what_was_fetched(site: Site, instance: dg.DagsterInstance) -> None:
    first = run(INGEST, instance)
    assert first.success
    said = first.metadata["shards"]
    size = sum(map(len, small_shards().values()))
    assert said["origin"] == f"{site.hub.endpoint}/datasets/{REPO}"
    assert (said["shards"], said["bytes"]) == (8, size)
    assert (said["bytes_fetched"], said["bytes_reused"]) == (size, 0)
    assert said["seconds"] > 0
    assert [record.data["path"] for record in said["files"]] == NAMES
    assert first.metadata["pairs"]["revision"] == said["revision"] == site.listing().revision
    site.hub.clear_requests()
    again = run(INGEST, instance).metadata["shards"]
    assert (again["bytes_fetched"], again["unchanged"]) == (0, 8)
    assert site.kinds() == {"revision": 1, "tree": 1}
    assert site.warehouse_rows() == source_rows(small_shards())


def test_a_line_a_shard_is_in_the_event_log(
    site: Site, instance: dg.DagsterInstance, stored: Path
) -> None:
    done = run(INGEST, instance)
    messages = [
        record.event_log_entry.user_message
        for record in instance.get_records_for_run(done.result.run_id, limit=1000).records
    ]
    for name in NAMES:
        assert len([m for m in messages if name in m and "verified" in m]) == 1
    assert [m for m in messages if "8 new, 0 changed" in m]
    assert TOKEN not in "\n".join(messages)
    assert TOKEN.encode() not in everything(stored)
    assert TOKEN.encode() not in site.everything_written()


@pytest.mark.parametrize(
    ("fault", "words", "may_help"),
    [(GATED, "accept its terms at", False), (Status(503), "answers 503", True)],
    ids=["gated", "unavailable"],
)
def test_a_hub_that_refuses_is_one_line(
    site: Site,
    instance: dg.DagsterInstance,
    stored: Path,
    fault: Status,
    words: str,
    may_help: bool,
) -> None:
    site.hub.inject(fault, "revision")
    done = run(INGEST, instance)
    assert list(done.failures) == ["shards"]
    failure = done.failures["shards"].step_failure_data.user_failure_data
    assert failure is not None
    assert failure.description is not None
    assert words in failure.description
    assert failure.description.isprintable()
    assert done.metadata == {}
    assert TOKEN.encode() not in everything(stored)
    with (
        dg.build_resources({"laion": Laion.from_environment()}) as resources,
        pytest.raises(dg.RetryRequested if may_help else dg.Failure),
        resources.laion.session() as session,
    ):
        fetch_shards(session)


def test_a_step_that_is_interrupted_is_not_tried_again(
    site: Site, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("assets.pairs.load_listing", interrupted)
    done = run(INGEST, instance)
    assert not done.success
    assert list(done.failures) == ["pairs"]
    assert retried(done) == []
    assert site.hub.file_gets(), "what came before it had been done"


def test_what_could_not_be_fetched_is_all_that_is_fetched_next(
    site: Site, instance: dg.DagsterInstance
) -> None:
    site.hub.inject(Status(503), "file", name=NAMES[3])
    failed = run(INGEST, instance)
    assert list(failed.failures) == ["shards"]
    assert failed.metadata == {}
    assert sorted(site.files()) == [name for name in NAMES if name != NAMES[3]]
    site.hub.lift()
    site.hub.clear_requests()
    assert run(INGEST, instance).success
    assert site.hub.file_gets() == {NAMES[3]: 1}
    assert site.warehouse_rows() == source_rows(small_shards())
