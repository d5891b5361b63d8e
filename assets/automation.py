"""What runs by itself: jobs, the weekly schedule, and sensors for something new at the source."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster._utils.schedules import is_valid_cron_schedule

from assets.pairs import REFRESH_JOB
from assets.resources import load_environment
from assets.shards import observed
from laion_pipeline import watching
from laion_pipeline.errors import LaionError, SettingsError
from laion_pipeline.hub import HubSource
from laion_pipeline.session import Session
from laion_pipeline.settings import Settings
from laion_pipeline.sources import FolderSource

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

_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_LONGEST_WAIT_SECONDS = 24 * 3600.0


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


@dataclass(frozen=True)
class Cursor:
    """What a sensor remembers: how often it failed in a row, and until when it asks no more."""

    failures: int = 0
    not_before: float = 0.0

    @classmethod
    def read(cls, text: str | None) -> "Cursor":
        """The cursor of the last tick; a new one where there is none that can be read."""
        try:
            return cls(**json.loads(text or "{}"))
        except (ValueError, TypeError):
            return cls()

    def after_failure(self, interval_seconds: float) -> "Cursor":
        """Waits twice as long each time, up to a day."""
        wait = min(_LONGEST_WAIT_SECONDS, interval_seconds * 2**self.failures)
        return Cursor(self.failures + 1, time.time() + wait)


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
        if (under_way := _under_way(context.instance)) is not None:
            return dg.SkipReason(under_way)
        return dg.RunRequest()

    status = dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name="new_revision",
        job=REFRESH,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Asks the Hub for the commit of LAION_REVISION, and refreshes everything once"
        " for each new one.",
    )
    def new_revision(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return _tick(context, interval, _look_at_hub)

    @dg.sensor(
        name="new_files",
        job=REFRESH,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Looks at the files of LAION_SOURCE, and refreshes everything once they have"
        " changed.",
    )
    def new_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return _tick(context, interval, _look_at_folder)

    return weekly_refresh, [new_revision, new_files]


def _setting(name: str) -> str:
    default = Settings.model_fields[name].default
    return os.environ.get(f"LAION_{name.upper()}") or str(default)


def _under_way(instance: dg.DagsterInstance) -> str | None:
    """That a run is under way or about to be, in words; None where there is none."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED), limit=1)
    if not runs:
        return None
    state = runs[0].status.value.replace("_", " ").lower()
    return f"waiting for run {runs[0].run_id[:8]}, which is {state}"


def _tick(context: dg.SensorEvaluationContext, interval: int, look: Look) -> dg.SensorResult:
    """One look at the source; an error is told, and looked for again after longer and longer."""
    cursor = Cursor.read(context.cursor)
    if time.time() < cursor.not_before:
        return dg.SensorResult(skip_reason=_asks_again(cursor), cursor=context.cursor)
    if (under_way := _under_way(context.instance)) is not None:
        return dg.SensorResult(skip_reason=under_way, cursor=context.cursor)
    load_environment()
    try:
        session = Session.open()
        return look(session)
    except LaionError as error:
        after = cursor.after_failure(interval)
        return dg.SensorResult(
            skip_reason=f"{error}; {_asks_again(after)}", cursor=json.dumps(asdict(after))
        )


def _asks_again(cursor: Cursor) -> str:
    when = datetime.fromtimestamp(cursor.not_before, UTC)
    times = "once" if cursor.failures == 1 else f"{cursor.failures} times in a row"
    return f"failed {times}, asking again at {when:%Y-%m-%d %H:%M:%S} UTC"


def _look_at_hub(session: Session) -> dg.SensorResult:
    source = watching.source_of(session)
    if not isinstance(source, HubSource):
        return dg.SensorResult(skip_reason="not needed: this release is not read from the Hub")
    commit = watching.hub_revision(session, source)
    loaded = watching.loaded_revision(session)
    seen = observed(commit)
    if commit == loaded:
        words = f"waiting for a new commit: {source.revision} is {commit[:12]}, which is loaded"
        return dg.SensorResult(skip_reason=words, asset_events=[seen], cursor="")
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=f"{loaded}..{commit}")],
        asset_events=[seen],
        cursor="",
    )


def _look_at_folder(session: Session) -> dg.SensorResult:
    source = watching.source_of(session)
    if not isinstance(source, FolderSource):
        return dg.SensorResult(skip_reason="not needed: this release is not read from a folder")
    there, listed = watching.folder_version(source), watching.listed_version(session)
    if there == listed:
        words = f"waiting for {source.folder} to change: its files are as they were listed"
        return dg.SensorResult(skip_reason=words, cursor="")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"{listed}..{there}")], cursor="")
