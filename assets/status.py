"""`python -m assets status`: where a release stands, for people or, with --json, for programs."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from assets.home import enter_home
from assets.tables import code_version
from laion_pipeline.contract.thresholds import Verdict
from laion_pipeline.quality.results import RecordedCheck, tally
from laion_pipeline.session import Session
from laion_pipeline.status import Status, read_status

_TOLD: tuple[Verdict, ...] = ("failed", "warned")


def tell_status(session: Session, *, as_json: bool) -> tuple[str, int]:
    """What there is to tell, and the exit status: 1 when the last run or a check failed."""
    status, run = read_status(session, code_version()), _last_run(session)
    failed = bool(status.checks_that("failed")) or (run is not None and run.dagster_run.is_failure)
    text = _as_json(status, run) if as_json else _as_text(status, run)
    return text, int(failed)


def _last_run(session: Session) -> dg.RunRecord | None:
    if not (session.paths.dagster / "dagster.yaml").is_file():
        return None
    enter_home(session)
    from sqlalchemy.exc import DBAPIError

    try:
        with dg.DagsterInstance.get() as instance:
            return next(iter(instance.get_run_records(limit=1)), None)
    except (DBAPIError, dg.DagsterInvalidConfigError):
        return None  # damaged, or kept where it was before: the next run tells, and mends it


def _ended(run: dg.RunRecord) -> datetime | None:
    return datetime.fromtimestamp(run.end_time, UTC) if run.end_time else None


def _as_json(status: Status, run: dg.RunRecord | None) -> str:
    return json.dumps(
        {
            "release": status.release,
            "loaded_revision": status.loaded_revision or None,
            "loaded_at": _utc(status.loaded_at),
            "source_revision": status.source_revision or None,
            "source_problem": status.source_problem or None,
            "rows": status.rows,
            "quarantined": status.quarantined,
            "last_run": {
                "id": run.dagster_run.run_id,
                "status": run.dagster_run.status.value,
                "ended_at": _utc(_ended(run)),
            }
            if run
            else None,
            **{verdict: _by_name(status.checks_that(verdict)) for verdict in _TOLD},
            "out_of_date": list(status.out_of_date),
            "disk_bytes": status.disk_bytes,
        },
        indent=1,
    )


def _by_name(checks: Sequence[RecordedCheck]) -> dict[str, str]:
    return {f"{check.asset}.{check.name}": check.finding for check in checks}


def _source(status: Status) -> str:
    if status.source_problem or not status.source_revision:
        changed = "its files have changed" if "source" in status.out_of_date else "not read yet"
        return status.source_problem or changed
    return f"revision {status.source_revision}"


def _utc(time: datetime | None) -> str | None:
    return time.replace(tzinfo=UTC).isoformat(timespec="seconds") if time else None


def _as_text(status: Status, run: dg.RunRecord | None) -> str:
    lines = [status.title]
    if status.loaded_at:
        lines += [
            f"loaded: revision {status.loaded_revision}, {status.loaded_at:%Y-%m-%d %H:%M} UTC",
            f"rows: {status.rows:,}, of these {status.quarantined:,} quarantined",
        ]
    else:
        lines.append("loaded: nothing yet")
    lines.append(f"source: {_source(status)}")
    if run is None:
        lines.append("last run: none")
    else:
        ended = f", ended {end:%Y-%m-%d %H:%M} UTC" if (end := _ended(run)) else ""
        last = run.dagster_run
        lines.append(f"last run: {last.run_id[:8]}, {last.status.value.lower()}{ended}")
    if status.checks:
        lines.append(f"checks: {tally(status.checks)}")
    lines += [f"  {v}: {check.told}" for v in _TOLD for check in status.checks_that(v)]
    lines.append(f"out of date: {', '.join(status.out_of_date) or 'nothing'}")
    lines.append(f"on disk: {status.disk_bytes / 1e6:,.1f} MB")
    return "\n".join(lines)
