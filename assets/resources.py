"""What assets are given: a session of the library, and its errors in Dagster's form."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dotenv import load_dotenv

from laion_pipeline.errors import LaionError
from laion_pipeline.session import Session

PROJECT = Path(__file__).resolve().parent.parent


def load_environment() -> None:
    """Read `.env` and settle the data folder, so that all of Dagster's processes agree on it.

    What the environment already says wins over `.env`.
    """
    load_dotenv(PROJECT / ".env")
    if not os.environ.get("LAION_DATA_DIR"):
        os.environ["LAION_DATA_DIR"] = str(PROJECT / "data")


class Laion(dg.ConfigurableResource):  # type: ignore[type-arg]  # has no value of its own
    """The configured release and its warehouse, read from the environment when an asset runs."""

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session; an error that a user can cause ends the step with its one clear line."""
        load_environment()
        try:
            yield Session.open()
        except LaionError as error:
            advice = "; run again later" if error.retryable else ""
            raise dg.Failure(f"{error}{advice}", allow_retries=error.retryable) from error
