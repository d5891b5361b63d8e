"""Bad input: one clear line, the right exit status, no traceback, nothing half-written."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from laion_pipeline.sources.sample.shards import generate_sample
from tests.end_to_end.command import Outcome, run_assets

V1 = "laion2B-en-aesthetic"
A_FILE = "[no_such]\nwarn_above = 0.5\n"
WRONG_SETTINGS: dict[str, tuple[dict[str, str], str]] = {
    "unknown-release": ({"release": "laion5B"}, "LAION_RELEASE=laion5B: no such release"),
    "missing-source": ({"release": V1, "source": "{place}/none"}, "LAION_SOURCE={place}/none: "),
    "unwritable-data": ({"data_dir": "/dev/null/x"}, "LAION_DATA_DIR=/dev/null/x: "),
    "threads-are-text": ({"threads": "many"}, "LAION_THREADS"),
    "memory-without-unit": ({"memory_limit": "4"}, "LAION_MEMORY_LIMIT"),
    "no-shards": ({"max_shards": "0"}, "LAION_MAX_SHARDS"),
    "missing-contract": ({"contract": "{place}/none"}, "LAION_CONTRACT={place}/none: cannot be"),
    "no-port": ({"port": "70000"}, "LAION_PORT=70000: "),
    "removal-of-no-revision": ({"accept_removal": "true"}, "LAION_ACCEPT_REMOVAL=true: "),
    "contract-of-no-check": (
        {"contract": "{place}/file"},
        "LAION_CONTRACT={place}/file: no_such: ",
    ),
}


def the_error(outcome: Outcome) -> str:
    """The one line that says what is wrong."""
    assert "Traceback" not in outcome.err + outcome.out
    lines = [line for line in outcome.err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, outcome.err
    assert lines[0].isprintable()
    return lines[0].removeprefix("error:").strip()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Each wrong setting's, two processes at a time."""
    places = tmp_path_factory.mktemp("wrong")  # which two threads must not ask for at once

    def run(name: str) -> Outcome:
        place = places / name
        place.mkdir()
        (place / "file").write_text(A_FILE)
        settings, _ = WRONG_SETTINGS[name]
        return run_assets(place, **{k: v.format(place=place) for k, v in settings.items()})

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(WRONG_SETTINGS, pool.map(run, WRONG_SETTINGS), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG_SETTINGS)
def test_wrong_setting(outcomes: dict[str, Outcome], name: str) -> None:
    outcome = outcomes[name]
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    _, start = WRONG_SETTINGS[name]
    assert the_error(outcome).startswith(start.format(place=outcome.place))
    assert outcome.files() == {"file"}
    assert (outcome.place / "file").read_text() == A_FILE


def test_unknown_release_lists_those_known(outcomes: dict[str, Outcome]) -> None:
    assert V1 in the_error(outcomes["unknown-release"])


def test_wrong_argument(tmp_path: Path) -> None:
    outcome = run_assets(tmp_path, "serve")
    assert outcome.status == 2
    assert "usage:" in outcome.err
    assert outcome.files() == set()


def _empty(folder: Path) -> None:
    (folder / "readme.txt").write_text("nothing here")


def _not_parquet(folder: Path) -> None:
    generate_sample(folder, rows=500, shards=1)
    (folder / "zz.parquet").write_bytes(b"PAR1 but not really")


def _lacking_a_column(folder: Path) -> None:
    (path,) = generate_sample(folder, rows=500, shards=1)
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["aesthetic"]), folder / "zz.parquet")


BAD_SOURCES: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "empty-folder": (_empty, ("no *.parquet file",)),
    "not-parquet": (_not_parquet, ("zz.parquet", "not a whole Parquet file")),
    "lacking-a-column": (
        _lacking_a_column,
        (
            "zz.parquet: lacks aesthetic",
            "columns found: URL",
            "columns wanted: url",
            "of the catalogue laion2B-en-joined, ",
        ),
    ),
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What each bad source leads to, two processes at a time."""
    places, sources = (tmp_path_factory.mktemp(what) for what in ("bad", "source"))

    def run(name: str) -> Outcome:
        place, source = places / name, sources / name
        source.mkdir()
        BAD_SOURCES[name][0](source)
        return run_assets(place, release=V1, source=str(source))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(BAD_SOURCES, pool.map(run, BAD_SOURCES), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD_SOURCES)
def test_bad_source(failures: dict[str, Outcome], name: str) -> None:
    outcome = failures[name]
    _, words = BAD_SOURCES[name]
    assert outcome.status == 1
    error = the_error(outcome)
    assert error.startswith("shards: ")
    for word in words:
        assert word in error
    written = {
        file for file in outcome.files() if not file.startswith((f"data/{V1}/dagster/", "home/"))
    }
    assert written == set()
