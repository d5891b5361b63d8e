"""What assets are given: a session of the library, and its errors in Dagster's form."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import dagster as dg
from dotenv import load_dotenv
from pydantic import PrivateAttr

from assets.home import PROJECT
from assets.liveness import fail_dead_runs, kept_alive
from assets.outcome import log_outcome
from laion_pipeline.common.locks import locked
from laion_pipeline.errors import LaionError
from laion_pipeline.session import Session
from laion_pipeline.sources.shards import Listing
from laion_pipeline.warehouse.provenance import Provenance

# Tags of a run: what started it, and what it is about.
PROGRAM_TAG = "laion/program"
RELEASE_TAG = "laion/release"
REVISION_TAG = "laion/revision"


# For errors that a later attempt may mend; all others end a step at once.
RETRIES = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL)
# What a weekly refresh keeps fresh, and when to say that it has not.
WEEKLY = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=15), warn_window=timedelta(days=8)
)


def load_environment() -> None:
    """Read `.env` and settle the data folder, so that all of Dagster's processes agree on it.

    What the environment already says wins over `.env`.
    """
    load_dotenv(PROJECT / ".env")
    if not os.environ.get("LAION_DATA_DIR"):
        os.environ["LAION_DATA_DIR"] = str(PROJECT / "data")


class Laion(dg.ConfigurableResource):  # type: ignore[type-arg]  # has no value of its own
    """The configured release and its warehouse, read from the environment when an asset runs.

    A run that uses it works alone in the release's folder, from its first asset to its end.
    """

    _held: ExitStack | None = PrivateAttr(default=None)
    _works_alone: bool = PrivateAttr(default=False)
    _began: float = PrivateAttr(default=0.0)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Laion"]:
        """For one run: show that it lives, and tell how it ended."""
        with ExitStack() as held:
            self._held, self._works_alone = held, False
            if (instance := context.instance) and (run := context.run):
                held.enter_context(kept_alive(instance, run.run_id, self._program))
                fail_dead_runs(instance)
            yield self
            log_outcome(context)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session; an error that a user can cause ends the step with its one clear line."""
        load_environment()
        try:
            session = Session.open()
            self._work_alone(session)
            self._began = time.monotonic()
            yield session
        except LaionError as error:
            advice = "; run again later" if error.retryable else ""
            raise dg.Failure(f"{error}{advice}", allow_retries=error.retryable) from error
        except dg.Failure:
            raise
        except Exception as error:  # a fault of ours is not mended by trying again
            raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error

    @contextmanager
    def sound(self, tables: Iterable[str] = ()) -> Iterator[tuple[Session, Provenance]]:
        """A session to make something in from the rows and from `tables`, if they are sound."""
        with self.session() as session:
            provenance = session.require_sound(tables)
            self.tag(session, provenance.revision)
            yield session, provenance

    def told(self, of: Listing | Provenance, rows: int | None = None) -> dict[str, str | float]:
        """What every asset tells of itself: what it is made from, and how long that took.

        `rows` is how many were gone through. Waiting for another run does not count.
        """
        seconds = time.monotonic() - self._began
        rate = {} if rows is None else {"rows_per_second": rows / max(seconds, 1e-9)}
        return {"release": of.release, "revision": of.revision, "seconds": seconds, **rate}

    def tag(self, session: Session, revision: str = "") -> None:
        """Say of the run which release it is about and, once that is known, which revision."""
        context = self.get_resource_context()
        if context.instance and context.run:
            tags = {RELEASE_TAG: session.release.name, REVISION_TAG: revision}
            told = {name: value for name, value in tags.items() if value}
            context.instance.add_run_tags(context.run.run_id, told)

    @property
    def _program(self) -> str:
        run = self.get_resource_context().run
        return run.tags.get(PROGRAM_TAG, f"Dagster's run {run.run_id[:8]}") if run else "Dagster"

    def _work_alone(self, session: Session) -> None:
        if self._held is not None and not self._works_alone:
            self.tag(session)
            self._held.enter_context(locked(session.paths.run_lock, self._program))
            self._works_alone = True
