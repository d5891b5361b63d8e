"""What runs by itself: jobs, the weekly schedule, and sensors for something new at the source."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

import dagster as dg
from dagster._utils.schedules import is_valid_cron_schedule

from assets.advice import told
from assets.alerts import alerting
from assets.pairs import REFRESH_JOB
from assets.sensing import Patience, under_way
from assets.shards import observed
from laion_pipeline import watching
from laion_pipeline.errors import LaionError, SettingsError
from laion_pipeline.session import Session
from laion_pipeline.settings import Settings
from laion_pipeline.sources.folder import FolderSource
from laion_pipeline.sources.hub.source import HubSource

REFRESH = dg.define_asset_job(
    REFRESH_JOB,
    dg.AssetSelection.all(),
    description="Everything: fetch and load what is new at the source, check it, and make every"
    " table, chart and the report again.",
)
VALIDATE = dg.define_asset_job(
    "validate",
    dg.AssetSelection.checks_for_assets("pairs"),
    description="Hold the rows that are loaded against the contract; make nothing.",
)
ANALYSIS = dg.define_asset_job(
    "analysis",
    dg.AssetSelection.all() - dg.AssetSelection.assets("shards", "pairs"),
    description="Every table, chart and the report again, from the rows that are loaded.",
)
JOBS = (REFRESH, VALIDATE, ANALYSIS)


Look = Callable[[Session], dg.SensorResult]


def require_valid_schedule(settings: Settings) -> None:
    """See that the schedule is one; Dagster would say so only where nobody looks.

    Raises SettingsError when it is not.
    """
    if not is_valid_cron_schedule(settings.schedule):
        raise SettingsError(
            f"LAION_SCHEDULE={settings.schedule}: should be a cron schedule, such as 0 3 * * 1 for"
            " Mondays at three"
        )


def automation() -> tuple[dg.ScheduleDefinition, list[dg.SensorDefinition]]:
    """The schedule and the sensors, as the environment has them when Dagster loads the code."""
    running = _setting("automation").casefold() in ("1", "on", "t", "true", "y", "yes")
    interval = int(_setting("poll_seconds"))

    @dg.schedule(
        name="weekly_refresh",
        job=REFRESH,
        cron_schedule=_setting("schedule"),
        execution_timezone=_setting("timezone"),
        default_status=dg.DefaultScheduleStatus.RUNNING
        if running
        else dg.DefaultScheduleStatus.STOPPED,
        description="Refreshes everything at the times of LAION_SCHEDULE; where a run is under way,"
        " it waits for the next time.",
    )
    def weekly_refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if (run := under_way(context.instance)) is not None:
            return dg.SkipReason(run)
        return dg.RunRequest()

    sensors = [
        dg.SensorDefinition(
            name=name,
            job=REFRESH,
            evaluation_fn=partial(_tick, interval=interval, look=look),
            minimum_interval_seconds=interval,
            default_status=dg.DefaultSensorStatus.RUNNING
            if running
            else dg.DefaultSensorStatus.STOPPED,
            description=description,
        )
        for name, look, description in (
            ("new_revision", _look_at_hub, "Asks the Hub for the commit of LAION_REVISION, and"
             " refreshes everything once for each new one."),
            ("new_files", _look_at_folder, "Looks at the files of LAION_SOURCE, and refreshes"
             " everything once they have changed."),
        )
    ]  # fmt: skip
    alerts = alerting(running=bool(os.environ.get("LAION_ALERT_URL")), seconds=interval)
    return weekly_refresh, [*sensors, alerts]


def _setting(name: str) -> str:
    default = Settings.model_fields[name].default
    return os.environ.get(f"LAION_{name.upper()}") or str(default)


def _tick(context: dg.SensorEvaluationContext, interval: int, look: Look) -> dg.SensorResult:
    """One look at the source; an error is told, and looked for again after longer and longer."""
    patience = _patience(context.cursor)
    if not patience.is_over:
        return dg.SensorResult(skip_reason=patience.told, cursor=context.cursor)
    if (run := under_way(context.instance)) is not None:
        return dg.SensorResult(skip_reason=run, cursor=context.cursor)
    try:
        session = Session.open()
        return look(session)
    except LaionError as error:
        after = patience.after_failure(interval)
        return dg.SensorResult(
            skip_reason=f"{told(error)}; {after.told}", cursor=json.dumps(asdict(after))
        )


def _patience(cursor: str | None) -> Patience:
    try:
        return Patience(**json.loads(cursor or "{}"))
    except (ValueError, TypeError):
        return Patience()


def _look_at_hub(session: Session) -> dg.SensorResult:
    source = session.open_source()
    if not isinstance(source, HubSource):
        return dg.SensorResult(skip_reason="not needed: this release is not read from the Hub")
    commit = watching.hub_revision(session, source)
    loaded = watching.loaded_revision(session)
    seen = observed(commit)
    if commit == loaded:
        words = f"waiting for a new commit: {source.revision} is {commit[:12]}, which is loaded"
        return dg.SensorResult(skip_reason=words, asset_events=[seen], cursor="")
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=f"{loaded}..{commit}")], asset_events=[seen], cursor=""
    )


def _look_at_folder(session: Session) -> dg.SensorResult:
    source = session.open_source()
    if not isinstance(source, FolderSource):
        return dg.SensorResult(skip_reason="not needed: this release is not read from a folder")
    there, listed = watching.folder_version(source), watching.listed_version(session)
    if there == listed:
        words = f"waiting for {source.folder} to change: its files are as they were listed"
        return dg.SensorResult(skip_reason=words, cursor="")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"{listed}..{there}")], cursor="")
