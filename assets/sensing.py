"""What sensors have in common: whether a run is under way, and how to ask again after an error."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_LONGEST_WAIT_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Patience:
    """How often something failed in a row, and until when it is not tried again."""

    failures: int = 0
    not_before: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it may be tried."""
        return time.time() >= self.not_before

    def after_failure(self, interval_seconds: float) -> "Patience":
        """Waits twice as long each time, up to a day."""
        wait = min(_LONGEST_WAIT_SECONDS, interval_seconds * 2**self.failures)
        return Patience(self.failures + 1, time.time() + wait)

    @property
    def told(self) -> str:
        """How often it failed, and when it is tried again."""
        when = datetime.fromtimestamp(self.not_before, UTC)
        times = "once" if self.failures == 1 else f"{self.failures} times in a row"
        return f"failed {times}, trying again at {when:%Y-%m-%d %H:%M:%S} UTC"


def under_way(instance: dg.DagsterInstance) -> str | None:
    """That a run is under way or about to be, in words; None where there is none."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED), limit=1)
    if not runs:
        return None
    state = runs[0].status.value.replace("_", " ").lower()
    return f"waiting for run {runs[0].run_id[:8]}, which is {state}"
