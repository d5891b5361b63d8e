"""`python -m assets status`: where a release stands, for people or, with --json, for programs."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from assets.tables import code_version
from laion_pipeline.quality.results import tally
from laion_pipeline.session import Session
from laion_pipeline.status import Status, read_status


@dataclass(frozen=True)
class LastRun:
    """The run of Dagster that began last; `ended_at` is in UTC, and None while it runs."""

    run_id: str
    status: str
    ended_at: datetime | None


def tell_status(session: Session, *, as_json: bool) -> tuple[str, int]:
    """What there is to tell, and the exit status: 1 when the last run or a check failed."""
    status, run = read_status(session, code_version()), _last_run(session.paths.dagster)
    failed = bool(status.failed) or (run is not None and run.status == "FAILURE")
    text = _as_json(status, run) if as_json else _as_text(status, run)
    return text, int(failed)


def _last_run(home: Path) -> LastRun | None:
    if not (home / "dagster.yaml").is_file():
        return None
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for record in instance.get_run_records(limit=1):
            ended = record.end_time
            return LastRun(
                record.dagster_run.run_id,
                record.dagster_run.status.value,
                datetime.fromtimestamp(ended, UTC) if ended else None,
            )
    return None


def _as_json(status: Status, run: LastRun | None) -> str:
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
                "id": run.run_id,
                "status": run.status,
                "ended_at": _utc(run.ended_at),
            }
            if run
            else None,
            "failed": {f"{c.asset}.{c.name}": c.finding for c in status.failed},
            "warned": {f"{c.asset}.{c.name}": c.finding for c in status.warned},
            "out_of_date": list(status.out_of_date),
            "disk_bytes": status.disk_bytes,
        },
        indent=1,
    )


def _source(status: Status) -> str:
    if status.source_problem or not status.source_revision:
        changed = "its files have changed" if "source" in status.out_of_date else "not read yet"
        return status.source_problem or changed
    return f"revision {status.source_revision}"


def _utc(time: datetime | None) -> str | None:
    return time.replace(tzinfo=UTC).isoformat(timespec="seconds") if time else None


def _as_text(status: Status, run: LastRun | None) -> str:
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
        ended = f", ended {run.ended_at:%Y-%m-%d %H:%M} UTC" if run.ended_at else ""
        lines.append(f"last run: {run.run_id[:8]}, {run.status.lower()}{ended}")
    if status.checks:
        lines.append(f"checks: {tally(status.checks)}")
    lines += [f"  failed: {check.told}" for check in status.failed]
    lines += [f"  warned: {check.told}" for check in status.warned]
    lines.append(f"out of date: {', '.join(status.out_of_date) or 'nothing'}")
    lines.append(f"on disk: {status.disk_bytes / 1e6:,.1f} MB")
    return "\n".join(lines)
