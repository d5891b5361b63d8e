"""The sensor that tells of runs that fail and of what checks find, once, and once it is gone."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

import dagster as dg

from assets.advice import told
from assets.outcome import failures_of
from assets.resources import REVISION_TAG
from assets.sensing import Patience, under_way
from assets.ui.links import file_link, run_link
from laion_pipeline import alerts
from laion_pipeline.errors import LaionError
from laion_pipeline.quality.results import RecordedCheck, find_checks
from laion_pipeline.session import Session

# How often it looks, and how long it leaves in peace whom it has told something.
_LOOK_SECONDS = 30
_PEACE_SECONDS = 60.0
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dataclass(frozen=True)
class Memory:
    """What the sensor remembers: the state of each finding it has told, and when to go on."""

    told: dict[str, str] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)

    @classmethod
    def read(cls, text: str | None) -> "Memory":
        """The memory of the last tick; an empty one where there is none that can be read."""
        try:
            said = json.loads(text or "{}")
            return cls(dict(said.get("told", {})), Patience(**said.get("patience", {})))
        except (ValueError, TypeError, AttributeError):
            return cls()


def alerting(*, running: bool, seconds: int) -> dg.SensorDefinition:
    """The sensor, which looks every so often, up to every 30 seconds."""

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=min(seconds, _LOOK_SECONDS),
        default_status=dg.DefaultSensorStatus.RUNNING
        if running
        else dg.DefaultSensorStatus.STOPPED,
        description="Sends one message to LAION_ALERT_URL when a run fails or a check newly warns"
        " or fails, and one when that is gone.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        memory = Memory.read(context.cursor)
        try:
            words, memory = _tick(context.instance, memory)
        except LaionError as error:
            words = told(error)
        return dg.SensorResult(skip_reason=words, cursor=json.dumps(asdict(memory)))

    return alerts


def _tick(instance: dg.DagsterInstance, memory: Memory) -> tuple[str, Memory]:
    """What the sensor did, in words, and what it remembers from now on."""
    if not memory.patience.is_over:
        return _waiting(memory), memory
    if (run := under_way(instance)) is not None:
        return run, memory
    session = Session.open()
    address = session.settings.alert_url
    if address is None:
        return "not needed: LAION_ALERT_URL is not set", memory
    last = instance.get_run_records(dg.RunsFilter(statuses=_ENDED), limit=1)
    checks = _checks(session)
    findings = alerts.findings_of(checks, _failures(instance, last))
    alert = alerts.compose(
        session.release.title or session.release.name,
        _revision(checks, last),
        findings,
        memory.told,
        _links(session, last),
    )
    if alert is None:
        return f"waiting for something new; told before: {', '.join(memory.told) or 'none'}", memory
    try:
        alerts.send(alert, address)
    except LaionError as error:
        patience = memory.patience.after_failure(_PEACE_SECONDS)
        return f"{error}; {patience.told}", replace(memory, patience=patience)
    told = {finding.name: finding.state for finding in findings}
    return f"sent: {alert.title}", Memory(told, Patience(0, time.time() + _PEACE_SECONDS))


def _waiting(memory: Memory) -> str:
    if memory.patience.failures:
        return memory.patience.told
    return "a message was sent within the last minute: what is new since waits"


def _failures(instance: dg.DagsterInstance, last: Sequence[dg.RunRecord]) -> Sequence[str]:
    if not last or last[0].dagster_run.status != dg.DagsterRunStatus.FAILURE:
        return ()
    return failures_of(instance, last[0].dagster_run.run_id)


def _checks(session: Session) -> Sequence[RecordedCheck]:
    """The results that the warehouse keeps; none where there are none yet.

    Raises WarehouseBusyError, without waiting, when another process holds the warehouse.
    """
    if not session.paths.warehouse.exists():
        return ()
    warehouse = replace(session.warehouse, busy_wait_seconds=0)
    with warehouse.connect(read_only=True) as connection:
        return find_checks(connection)


def _revision(checks: Sequence[RecordedCheck], last: Sequence[dg.RunRecord]) -> str:
    tagged = last[0].dagster_run.tags.get(REVISION_TAG, "") if last else ""
    return tagged or next((check.revision for check in checks), "")


def _links(session: Session, last: Sequence[dg.RunRecord]) -> dict[str, str]:
    links = {"run": run_link(session.settings, last[0].dagster_run.run_id)} if last else {}
    if session.paths.report.exists():
        links["report"] = str(file_link(session, session.paths.report).url)
    return links
