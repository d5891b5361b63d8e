"""What assets are given: a session of the library, and its errors in Dagster's form."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import dagster as dg
from dotenv import load_dotenv
from pydantic import PrivateAttr

from assets.advice import told
from assets.history import forget_old_runs
from assets.home import PROJECT, meaning_of
from assets.interrupts import ending_first, received
from assets.liveness import fail_dead_runs, kept_alive
from assets.outcome import log_outcome
from assets.shown import rounded
from assets.unforeseen import report_of
from laion_pipeline.common.locks import locked
from laion_pipeline.errors import LaionError, TransientError
from laion_pipeline.session import Session
from laion_pipeline.sources.shards import Listing
from laion_pipeline.warehouse.provenance import Provenance

# Tags of a run: what started it, and what it is about.
PROGRAM_TAG = "laion/program"
RELEASE_TAG = "laion/release"
REVISION_TAG = "laion/revision"


# How often a step is tried again after an error that may pass, and after how long; twice as long
# each time. Asked for here: by a policy of its own, a step would be tried again when interrupted.
RETRIES = 2
SECONDS_TO_RETRY = 30.0
# What a weekly refresh keeps fresh, and when to say that it has not.
WEEKLY = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=15), warn_window=timedelta(days=8)
)


def load_environment() -> None:
    """Read `.env` and settle the settings, so that all of Dagster's processes agree on them.

    What the environment already says wins over `.env`. Those that nobody gives are there all the
    same, empty, for `Laion` to read.
    """
    load_dotenv(PROJECT / ".env")
    for variable in _variables().values():
        os.environ.setdefault(variable, "")
    if not os.environ["LAION_DATA_DIR"]:
        os.environ["LAION_DATA_DIR"] = str(PROJECT / "data")


class Laion(dg.ConfigurableResource):  # type: ignore[type-arg]  # has no value of its own
    """The configured release and its warehouse: a session of the library, the same all run long.

    Each field is the setting of its name, as its LAION_* variable has it; empty for the default. A
    run works alone in the release's folder, from its first asset to its end.
    """

    release: str
    source: str
    revision: str
    data_dir: str
    max_shards: str
    downloads: str
    keep_shards: str
    contract: str
    terms: str
    cleaned: str
    accept_removal: str
    fetch_images: str
    explore: str
    engine: str
    spark_master: str
    pairs_folder: str
    memory_limit: str
    threads: str

    _held: ExitStack | None = PrivateAttr(default=None)
    _session: Session | None = PrivateAttr(default=None)
    _began: float = PrivateAttr(default=0.0)
    _tags: dict[str, str] = PrivateAttr(default_factory=dict)
    _retried: int = PrivateAttr(default=0)

    @classmethod
    def from_environment(cls) -> "Laion":
        """The resource whose fields are read from the environment as a run starts."""
        return cls(**{name: dg.EnvVar(variable) for name, variable in _variables().items()})

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Laion"]:
        """For one run: show that it lives, and tell how it ended."""
        with ExitStack() as held:
            self._begin(held)
            if (instance := context.instance) and (run := context.run):
                held.enter_context(kept_alive(instance, run.run_id, self._program))
                fail_dead_runs(instance)
            yield self
            if self._session:
                log_outcome(context, self._session)

    def _begin(self, held: ExitStack) -> None:
        self._held, self._session, self._tags, self._retried = held, None, {}, 0

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session; an error that a user can cause ends the step with its one clear line."""
        if received():  # in between, or where it was lost
            raise KeyboardInterrupt
        try:
            with ending_first():
                session = self._session or self._open()
                self._began = time.monotonic()
                yield session
        except TransientError as error:
            wait = SECONDS_TO_RETRY * 2**self._retried
            self._retried += 1
            failure = dg.Failure(f"{told(error)}; run again later")
            raise dg.RetryRequested(RETRIES, wait) from failure
        except LaionError as error:
            raise dg.Failure(told(error), allow_retries=False) from error
        except (dg.Failure, dg.RetryRequested):
            raise
        except Exception as error:  # a fault of ours is not mended by trying again
            folder = self._session.paths.root if self._session else None
            line = meaning_of(error, self._session) or report_of(error, folder)
            raise dg.Failure(str(line), allow_retries=False) from error

    @contextmanager
    def sound(
        self, tables: Iterable[str] = (), *, writes: bool = False
    ) -> Iterator[tuple[Session, Provenance]]:
        """A session to make something in from the rows and from `tables`, if they are sound.

        Its warehouse is open throughout, for writing only if asked.
        """
        with self.session() as session, session.warehouse.kept_open(read_only=not writes):
            provenance = session.require_sound(tables)
            self.tag(session, provenance.revision)
            yield session, provenance

    def told(self, of: Listing | Provenance, rows: int | None = None) -> dict[str, str | float]:
        """What every asset tells of itself: what it is made from, and how long that took.

        `rows` is how many were gone through. Waiting for another run does not count.
        """
        seconds = time.monotonic() - self._began
        rate = {} if rows is None else {"rows_per_second": rounded(rows / max(seconds, 1e-9))}
        return {
            "release": of.release, "revision": of.revision, "seconds": rounded(seconds), **rate,
        }  # fmt: skip

    def tag(self, session: Session, revision: str = "") -> None:
        """Say of the run which release it is about and, once that is known, which revision."""
        context = self.get_resource_context()
        if context.instance and context.run:
            tags = {RELEASE_TAG: session.release.name, REVISION_TAG: revision}
            told = {name: value for name, value in tags.items() if value}
            if not told.items() <= self._tags.items():
                context.instance.add_run_tags(context.run.run_id, told)
                self._tags |= told

    @property
    def _program(self) -> str:
        run = self.get_resource_context().run
        return run.tags.get(PROGRAM_TAG, f"Dagster's run {run.run_id[:8]}") if run else "Dagster"

    def _open(self) -> Session:
        given = {name: getattr(self, name) for name in _variables()}
        session = Session.open(**{name: value for name, value in given.items() if value})
        self.tag(session)
        assert self._held is not None, "a run has begun"
        self._held.enter_context(locked(session.paths.run_lock, self._program))
        self._held.callback(session.engine.close)
        self._forget_old_runs(session)
        self._session = session
        return session

    def _forget_old_runs(self, session: Session) -> None:
        context = self.get_resource_context()
        keep = session.settings.history_runs
        if (
            context.instance
            and context.log
            and (forgotten := forget_old_runs(context.instance, keep))
        ):
            context.log.info(f"forgot {forgotten} runs that ended before the last {keep} did")


def _variables() -> dict[str, str]:
    """The environment variable of each field."""
    return {name: f"LAION_{name.upper()}" for name in Laion.model_fields}
