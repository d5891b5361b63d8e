"""One Dagster run of everything in this process, and its outcome in a few lines."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from assets.definitions import defs
from laion_pipeline.quality.results import STATUSES, Status
from laion_pipeline.session import Session

# Dagster's own log repeats every step and error; the library's says what a person wants to know.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Summary:
    """How a run went: the exit status, and what to tell the user."""

    exit_status: int
    text: str


def materialize_everything(session: Session) -> Summary:
    """Materialize every asset in one run, recorded in the instance of DAGSTER_HOME."""
    with dg.DagsterInstance.get() as instance:
        job = defs.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, run_config=_QUIET, raise_on_error=False)
    failures = [
        f"error: {event.step_key}: {_reason(event)}" for event in result.get_step_failure_events()
    ]
    checks = result.get_asset_check_evaluations()
    tally = Counter(map(_status, checks))
    lines = [*(_failed_check(check) for check in checks if _status(check) == "failed"), *failures]
    if result.success:
        lines.append(_totals(session, result))
    if checks:
        counts = ", ".join(f"{tally[status]} {status}" for status in _shown(tally))
        lines.append(f"checks: {counts}")
    if result.success:
        lines.append(f"report: {session.paths.report}")
    elif tally["failed"]:
        lines.append(f"validation: {session.paths.data_docs / 'index.html'}")
    return Summary(int(bool(tally["failed"]) or not result.success), "\n".join(lines))


def _status(check: dg.AssetCheckEvaluation) -> Status:
    return check.metadata["status"].value  # type: ignore[return-value]  # written by check_result


def _shown(tally: Counter[Status]) -> Iterator[Status]:
    """The three everyone asks about, and what else there was."""
    return (s for s in STATUSES if tally[s] or s in ("passed", "warned", "failed"))


def _failed_check(check: dg.AssetCheckEvaluation) -> str:
    name = f"{check.asset_key.to_user_string()}.{check.check_name}"
    advice = check.metadata["what_to_do"].value
    return f"failed check: {name}: {check.description}. What to do: {advice}"


def _totals(session: Session, result: dg.ExecuteInProcessResult) -> str:
    metadata = result.asset_materializations_for_node("pairs")[0].metadata
    rows, quarantined = (metadata[name].value for name in ("dagster/row_count", "quarantined_rows"))
    return (
        f"{session.release.title or session.release.name}:"
        f" {rows:,} rows, {quarantined:,} quarantined"
    )


def _reason(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error
    while error and error.cause:
        error = error.cause
    if error and error.cls_name == "DagsterExecutionInterruptedError":
        return "interrupted; run again, it goes on from where it was"
    if error and error.cls_name == "DagsterAssetCheckFailedError":
        return "a check that blocks failed, so that nothing is made from the rows"
    return error.message.strip() if error else "failed"
