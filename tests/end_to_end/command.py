"""`python -m assets` in a process of its own, as `make run` starts it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

PROJECT = Path(__file__).resolve().parents[2]
REAL_ROWS = PROJECT.parent / "shared" / "data"
# They lie beside a checkout. Where they do not, what needs them is left out, but for CI.
NEEDS_REAL_ROWS = pytest.mark.skipif(
    not REAL_ROWS.is_dir() and os.environ.get("REAL_ROWS") != "required",
    reason=f"no real rows: {REAL_ROWS} is not there",
)
SETTINGS = (
    *("RELEASE", "SOURCE", "REVISION", "DATA_DIR", "MAX_SHARDS", "DOWNLOADS"),
    *("MEMORY_LIMIT", "THREADS", "KEEP_SHARDS", "ACCEPT_REMOVAL", "PORT"),
    *("CONTRACT", "TERMS", "CLEANED"),
    *("AUTOMATION", "SCHEDULE", "TIMEZONE", "POLL_SECONDS", "ALERT_URL", "FETCH_IMAGES", "EXPLORE"),
    *("ENGINE", "SPARK_MASTER", "PAIRS_FOLDER", "HISTORY_URL", "HISTORY_RUNS"),
)
# The last are the rights to an object store, and where it is.
_KEPT = (
    *("PATH", "LANG"),
    *("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"),
)
TABLES = ("resolution_counts", "score_extremes", "score_histogram", "score_summary")
CHARTS = ("aesthetic_distribution", "score_distributions", "top_resolutions")


@dataclass(frozen=True)
class Outcome:
    """How the command ended, and what it left below `place`."""

    place: Path
    status: int
    out: str
    err: str

    @property
    def data(self) -> Path:
        return self.place / "data"

    def query(self, release: str, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.data / release / "warehouse.duckdb", read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def files(self) -> set[str]:
        """Every file below the place, by its path there."""
        found = (path for path in self.place.rglob("*") if path.is_file())
        return {str(path.relative_to(self.place)) for path in found}


def environment(place: Path, **settings: str) -> dict[str, str]:
    """The environment of a command with `settings` as LAION_* variables.

    LAION_DATA_DIR is `place/data` unless given. Whatever else it would write goes to `place/home`
    and `place/tmp`.
    """
    for folder in ("home", "tmp"):
        (place / folder).mkdir(exist_ok=True, parents=True)
    return {
        **{name: value for name, value in os.environ.items() if name in _KEPT},
        # Empty rather than absent, so that a developer's .env does not count.
        **{f"LAION_{name}": "" for name in SETTINGS},
        "LAION_DATA_DIR": str(place / "data"),
        **{f"LAION_{name.upper()}": value for name, value in settings.items()},
        "HOME": str(place / "home"),
        "TMPDIR": str(place / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_ENDPOINT": "http://127.0.0.1:9",  # no test goes online
    }


def run_assets(place: Path, *arguments: str, **settings: str) -> Outcome:
    """Run the command to its end, everything writable below `place`; see `environment`."""
    return run_within(120, place, *arguments, **settings)


def run_within(seconds: float, place: Path, *arguments: str, **settings: str) -> Outcome:
    """The same, of what may take as many seconds."""
    done = subprocess.run(
        [sys.executable, "-m", "assets", *arguments],
        cwd=PROJECT,
        env=environment(place, **settings),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Outcome(place, done.returncode, done.stdout, done.stderr)


def interface_files(release: str) -> set[str]:
    """The files of the fixed interface that a run of everything makes, below the data folder."""
    return {
        f"{release}/warehouse.duckdb",
        f"{release}/report.html",
        f"{release}/data_docs/index.html",
        *(f"{release}/tables/{name}.parquet" for name in TABLES),
        *(f"{release}/charts/{name}.{ending}" for name in CHARTS for ending in ("png", "svg")),
    }
