"""What Dagster recorded of a run, as the library's outcome: for the terminal and the run's log."""

from collections.abc import Iterator, Sequence

import dagster as dg
from dagster import DagsterEventType

from assets.interrupts import INTERRUPTED
from laion_pipeline.errors import LaionError
from laion_pipeline.outcome import Outcome
from laion_pipeline.quality.results import read_checks
from laion_pipeline.session import Session

# Metadata of the failure of a step that a check has stopped.
BLOCKED_BY = "blocked_by"


def outcome_of_run(instance: dg.DagsterInstance, run_id: str, session: Session) -> Outcome:
    """How a run ended, or is about to end."""
    failures = _failed_steps(instance, run_id)
    evaluated = {
        (check.asset_key.to_user_string(), check.check_name)
        for event in _events(instance, run_id, DagsterEventType.ASSET_CHECK_EVALUATION)
        if (check := event.asset_check_evaluation_data)
    }
    checks = []
    if evaluated:
        with session.warehouse.connect(read_only=True) as connection:
            checks = [c for c in read_checks(connection) if (c.asset, c.name) in evaluated]
    return Outcome.of(session, checks, failures)


def log_outcome(context: dg.InitResourceContext, session: Session) -> None:
    """End a run's log with the lines that end it on a terminal."""
    if not (context.instance and context.run and context.log):
        return
    try:
        outcome = outcome_of_run(context.instance, context.run.run_id, session)
    except LaionError:  # which has failed a step, and stands in the log
        return
    log = context.log.error if outcome.exit_status else context.log.info
    log(outcome.text)


def failures_of(instance: dg.DagsterInstance, run_id: str) -> Sequence[str]:
    """Why a run that ended failed: a line a step, or what Dagster says of the run as a whole."""
    of_run = _events(instance, run_id, DagsterEventType.RUN_FAILURE)
    return _failed_steps(instance, run_id) or [event.message or "failed" for event in of_run]


def _failed_steps(instance: dg.DagsterInstance, run_id: str) -> Sequence[str]:
    failures = _events(instance, run_id, DagsterEventType.STEP_FAILURE)
    return [f"{event.step_key}: {_reason(event)}" for event in failures]


def _events(
    instance: dg.DagsterInstance, run_id: str, kind: DagsterEventType
) -> Iterator[dg.DagsterEvent]:
    for entry in instance.all_logs(run_id, of_type=kind):
        if entry.dagster_event is not None:
            yield entry.dagster_event


def _reason(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if failure := data.user_failure_data:
        if BLOCKED_BY in failure.metadata:
            return "a check that blocks failed, so that nothing is made from what it is about"
        if failure.description:
            return str(failure.description)
    error = data.error
    while error and error.cause:
        error = error.cause
    if error and error.cls_name in ("DagsterExecutionInterruptedError", "KeyboardInterrupt"):
        return INTERRUPTED
    return error.message.strip() if error else "failed"
