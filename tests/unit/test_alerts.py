"""What an alert says, when there is one, and how it is sent."""

import logging
from collections.abc import Iterator
from datetime import datetime

import pytest
from pydantic import SecretStr

from laion_pipeline.alerts import Alert, Finding, compose, findings_of, require_valid, send
from laion_pipeline.errors import AlertError, SettingsError
from laion_pipeline.quality.results import RecordedCheck, Status
from laion_pipeline.settings import Settings
from tests.alert_receiver import PASSWORD, Receiver, receiving

NOW = datetime.min  # noqa: DTZ901 - any time


def check(name: str, status: Status, **about: object) -> RecordedCheck:
    values = {
        "asset": "pairs", "description": "a URL with a host", "rows": 1000, "failing_rows": 12,
        "shards": (("a\u202e.parquet", 10), ("b.parquet", 2)), "advice": "look at them",
        "revision": "abc", "data_version": "v", "since_revision": None, "since": None,
        "checked_at": NOW,
    } | about  # fmt: skip
    return RecordedCheck(name=name, status=status, **values)  # type: ignore[arg-type]


def told(*findings: Finding) -> dict[str, str]:
    return {finding.name: finding.state for finding in findings}


def test_what_is_wrong_is_told_with_counts_and_shards_and_what_to_do() -> None:
    checks = [check("fine", "passed"), check("url_http", "failed"), check("dirt", "warned")]
    failed, warned = findings_of([*checks, check("absent", "not in this release")], [])
    assert (failed.name, failed.state) == ("pairs.url_http", "failed")
    assert failed.line == (
        "failed: pairs.url_http: 12 of 1,000 rows fail: a URL with a host,"
        " in a\\u202e.parquet (10), b.parquet (2). What to do: look at them"
    )
    assert warned.line.startswith("warned: pairs.dirt: 12 of 1,000 rows fail")


def test_a_run_that_failed_is_one_finding() -> None:
    (run,) = findings_of([], ["shards: gone after 12 s", "pairs: not there"])
    assert run.line == "the run failed: shards: gone after 12 s; pairs: not there"
    (later,) = findings_of([], ["shards: gone after 345 s", "pairs: not there"])
    assert later.state == run.state, "the same failure, though it took longer"
    (other,) = findings_of([], ["shards: full"])
    assert other.state != run.state


BAD = Finding("pairs.url_http", "failed", "failed: pairs.url_http: 12 of 1,000 rows")
RUN = Finding("run", "1", "the run failed: shards: gone")
LINKS = {"run": "http://127.0.0.1:3000/runs/x"}


def test_what_is_new_is_told_once() -> None:
    alert = compose("Release", "abc", [BAD, RUN], {}, LINKS)
    assert alert == Alert(
        "Release: 2 new",
        "Release, revision abc\n"
        "new: failed: pairs.url_http: 12 of 1,000 rows\n"
        "new: the run failed: shards: gone\n"
        "run: http://127.0.0.1:3000/runs/x",
        is_bad=True,
    )
    assert compose("Release", "def", [BAD, RUN], told(BAD, RUN), LINKS) is None
    assert compose("Release", "abc", [], {}, LINKS) is None


def test_what_is_gone_is_told_once() -> None:
    alert = compose("Release", "abc", [], told(BAD, RUN), {})
    assert alert is not None
    assert (alert.title, alert.is_bad) == ("Release: 2 gone", False)
    assert alert.body.splitlines()[1:] == ["gone: pairs.url_http", "gone: the failure of a run"]


def test_what_has_become_another_finding_is_new_and_not_gone() -> None:
    worse = Finding(BAD.name, "failed", "failed: worse")
    alert = compose("Release", "abc", [worse], {BAD.name: "warned"}, {})
    assert alert is not None
    assert alert.title == "Release: 1 new"
    assert "gone" not in alert.body


def test_what_is_new_and_what_is_gone_are_one_message() -> None:
    alert = compose("Release", "", [RUN], told(BAD), {})
    assert alert is not None
    assert (alert.title, alert.is_bad) == ("Release: 1 new, 1 gone", True)
    assert "revision none yet" in alert.body


def test_names_from_strangers_cannot_break_a_line_and_no_line_is_endless() -> None:
    alert = compose(
        "Release", "abc", [Finding("run", "1", "x\ngone: all\x1b" + "y" * 10_000)], {}, {}
    )
    assert alert is not None
    lines = alert.body.splitlines()
    assert len(lines) == 2
    assert "x\\ngone: all\\x1by" in lines[1]
    assert len(lines[1]) < 700


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_it_arrives_as_it_was_written(receiver: Receiver) -> None:
    body = "Release\nnew: <b>a & b</b> *x* {{y}}"
    send(Alert("title", body, is_bad=True), SecretStr(receiver.address))
    send(Alert("over", "gone", is_bad=False), SecretStr(receiver.address))
    first, second = receiver.messages
    assert (first["title"], first["message"], first["type"]) == ("title", body, "failure")
    assert (second["title"], second["message"], second["type"]) == ("over", "gone", "success")
    assert "http" not in str(first), "nothing of Apprise's own"


def test_several_addresses_all_get_it(receiver: Receiver) -> None:
    with receiving() as other:
        both = SecretStr(f"{receiver.address}, {other.address}")
        send(Alert("t", "b", is_bad=True), both)
        assert receiver.bodies == other.bodies == ["b"]


@pytest.mark.parametrize("status", [401, 404, 500, 503])
def test_a_service_that_refuses_is_an_error_without_the_secret(
    receiver: Receiver,
    status: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    receiver.status = status
    caplog.set_level(logging.DEBUG)
    with pytest.raises(AlertError, match="LAION_ALERT_URL does not answer, or refuses") as error:
        send(Alert("t", "b", is_bad=True), SecretStr(receiver.address))
    out, err = capfd.readouterr()
    for said in (str(error.value), caplog.text, out, err):
        assert PASSWORD not in said
        assert str(receiver.port) not in said
    assert receiver.attempts == 1


def test_a_service_that_is_not_there_is_one_too() -> None:
    with pytest.raises(AlertError):
        send(Alert("t", "b", is_bad=True), SecretStr("json://127.0.0.1:9/"))


@pytest.mark.parametrize("address", [f"nothing://{PASSWORD}", PASSWORD, "json://", "mailto://x"])
def test_an_address_that_is_none_is_a_wrong_setting_that_is_not_repeated(address: str) -> None:
    with pytest.raises(SettingsError, match="LAION_ALERT_URL: should be an address") as error:
        require_valid(SecretStr(address))
    assert PASSWORD not in str(error.value)


def test_no_address_is_no_fault() -> None:
    require_valid(None)


def test_settings_do_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAION_ALERT_URL", f"json://somebody:{PASSWORD}@127.0.0.1/")
    settings = Settings.from_environment()
    assert PASSWORD not in repr(settings) + str(settings) + settings.model_dump_json()
    monkeypatch.setenv("LAION_PORT", "none")
    with pytest.raises(SettingsError) as error:
        Settings.from_environment()
    assert PASSWORD not in str(error.value)
