"""What a run of everything ends in: its exit status, what it says, and what it leaves alone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mmh3
import pytest

from laion_pipeline.sources.sample.shards import generate_sample
from tests.end_to_end.command import NEEDS_REAL_ROWS, REAL_ROWS
from tests.orchestration.planted import source_rows
from tests.orchestration.runs import RELEASE, command, configured, query
from tests.orchestration.test_checks import clean_columns, write

pytestmark = pytest.mark.slow

Columns = dict[str, list[Any]]


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    with configured(tmp_path / "data", tmp_path / "source"):
        yield tmp_path / "data"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _lacks_a_column(columns: Columns) -> str:
    del columns["punsafe"]
    return "lacks punsafe"


def _bytes_for_numbers(columns: Columns) -> str:
    columns["WIDTH"] = [b"300"] * len(columns["URL"])
    return "column WIDTH holds binary"


def test_a_schema_break_stops_before_loading_and_leaves_everything_as_it_was(
    data: Path, tmp_path: Path
) -> None:
    generate_sample(tmp_path / "source", rows=600, shards=2)
    assert "600 rows" in command().text
    before = contents(data / RELEASE)
    assert {Path(file).suffix for file in before} >= {".duckdb", ".parquet", ".png", ".html"}
    breaks: list[Callable[[Columns], str]] = [_lacks_a_column, _bytes_for_numbers]
    for number, break_ in enumerate(breaks):
        columns = clean_columns(50)
        words = break_(columns)
        write(tmp_path / "source", columns, f"zz-{number}.parquet")
        done = command()
        assert done.exit_status == 1
        assert done.text.startswith(f"error: shards: zz-{number}.parquet: {words}")
        assert done.text.isprintable()
        assert contents(data / RELEASE) == before
        (tmp_path / "source" / f"zz-{number}.parquet").unlink()
    assert query(data, "SELECT count(*) FROM score_extremes") != [(0,)]


ORIENTATION = (
    "SELECT status, failing_rows, rows, advice FROM check_results WHERE name = 'size_orientation'"
)


def raw_release(file: Path, swapped: str) -> None:
    """Describe real raw rows, whose sizes are swapped, in a file of one's own."""
    columns = ["url", "text", "width", "height", "similarity", "license", "nsfw", "language"]
    file.write_text(f'name = "own"\ncolumns = {columns}\nsizes_swapped = {swapped}\n')


@pytest.fixture(scope="module")
def marked_straight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The data folder, and what the command said, with its exit status as the first character."""
    place = tmp_path_factory.mktemp("swapped")
    raw_release(place / "own.toml", "false")
    with configured(place / "data", REAL_ROWS / "laion2B-multi-real", str(place / "own.toml")):
        done = command()
        yield place / "data", f"{done.exit_status}{done.text}"


@NEEDS_REAL_ROWS
def test_swapped_sizes_in_a_release_marked_straight_stop_everything(
    marked_straight: tuple[Path, str],
) -> None:
    data, said = marked_straight
    assert said.startswith("1failed check: pairs.size_orientation: ")
    ((status, failing, stated, advice),) = query(data, ORIENTATION, "own")
    assert status == "failed"
    assert failing > 0.9 * stated > 300
    assert "sizes_swapped" in advice
    assert "LAION_RELEASE" in advice
    made = {path.name for path in (data / "own").iterdir()}
    assert made <= {"warehouse.duckdb", "shards", "data_docs", "dagster"}
    assert query(data, "SELECT DISTINCT asset FROM check_results", "own") == [("pairs",)]


@NEEDS_REAL_ROWS
def test_the_command_says_what_to_do_about_swapped_sizes(marked_straight: tuple[Path, str]) -> None:
    _, said = marked_straight
    assert "sizes_swapped" in said
    assert "LAION_RELEASE" in said


@NEEDS_REAL_ROWS
def test_marked_swapped_as_advised_they_pass(marked_straight: tuple[Path, str]) -> None:
    data, _ = marked_straight
    raw_release(data.parent / "own.toml", "true")
    done = command()
    assert (done.exit_status, "0 failed" in done.text) == (0, True), done.text
    ((status, failing, stated, _),) = query(data, ORIENTATION, "own")
    assert status == "passed"
    assert failing < 0.1 * stated
    assert (data / "own" / "report.html").is_file()


def test_a_threshold_of_ones_own_turns_an_error_into_a_warning(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = clean_columns(1000)
    columns["similarity"][:2] = [2.0, 3.0]
    write(tmp_path / "source", columns)
    done = command()
    assert done.exit_status == 1
    assert "failed check: pairs.similarity_range: 2 of 1,000 rows" in done.text
    assert " 1 failed" in done.text
    assert (data / RELEASE / "report.html").is_file()
    # Just what there is: only more would be an error.
    own = tmp_path / "contract.toml"
    own.write_text("[similarity_range]\nerror_above = 0.002\n")
    monkeypatch.setenv("LAION_CONTRACT", str(own))
    done = command(pictures=False)
    assert done.exit_status == 0
    assert "0 failed" in done.text
    sql = "SELECT status, threshold FROM check_results WHERE name = 'similarity_range'"
    ((status, threshold),) = query(data, sql)
    assert status == "warned"
    assert "an error above 0.2 %" in threshold


SHARDS, ROWS = 64, 40


def revision(folder: Path, shards: range, changes: Callable[[Columns], None]) -> None:
    """Shards of 40 rows each, with scores spread over their ranges."""
    for shard in shards:
        columns = clean_columns(ROWS)
        columns["URL"] = [f"https://host.example/{shard}/{number}.jpg" for number in range(ROWS)]
        columns["aesthetic"] = [7.05 + 0.06 * ((shard + n) % ROWS) for n in range(ROWS)]
        changes(columns)
        texts = zip(columns["URL"], columns["TEXT"], strict=True)
        columns["hash"] = [mmh3.hash64(f"{url}{text}".encode())[0] for url, text in texts]
        write(folder, columns, f"part-{shard:03}.parquet")


def as_it_was(columns: Columns) -> None:
    pass


def a_few_others(columns: Columns) -> None:
    for name in columns:
        columns[name] = columns[name][:-3]
    columns["TEXT"][0] = "another caption"
    columns["aesthetic"][1] = 9.9


def all_scores_higher(columns: Columns) -> None:
    columns["aesthetic"] = [9.0 + 0.01 * n for n in range(len(columns["URL"]))]


def drift(data: Path) -> dict[str, str]:
    sql = "SELECT name, status FROM check_results WHERE name LIKE '%_drift'"
    return dict(query(data, sql))


def test_each_revision_is_compared_with_the_one_before(data: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    revision(source, range(SHARDS), as_it_was)
    first = command(pictures=False)
    assert first.exit_status == 0, first.text
    assert "8 not checked" in first.text  # no URL states a size, and no filter is published
    assert set(drift(data).values()) == {"nothing to compare with"}
    before = source_rows(source)

    revision(source, range(5, 6), a_few_others)
    second = command()
    assert second.exit_status == 0, second.text
    assert "2 not checked" in second.text
    assert set(drift(data).values()) == {"passed"}
    after = source_rows(source)
    assert diff(data) == {"part-005.parquet": expected_diff(before, after)}
    assert query(data, "SELECT count(*), sum(rows) FROM revision_diff") == [(SHARDS, len(after))]
    page = (data / RELEASE / "report.html").read_text("utf-8")

    revision(source, range(64), all_scores_higher)
    for extra in range(SHARDS, SHARDS + 7):
        revision(source, range(extra, extra + 1), as_it_was)
    third = command()
    assert third.exit_status == 1
    assert "failed check: revision_drift.aesthetic_drift: " in third.text
    assert "1 failed" in third.text
    assert drift(data) == dict.fromkeys(drift(data), "passed") | {
        "aesthetic_drift": "failed",
        "rows_drift": "warned",
    }
    shown = (data / RELEASE / "report.html").read_text("utf-8")
    (revision_now,) = query(data, "SELECT DISTINCT revision FROM shards")[0]
    assert revision_now[:12] in shown
    assert revision_now[:12] not in page
    assert query(data, "SELECT count(DISTINCT revision) FROM release_history") == [(3,)]


def diff(data: Path) -> dict[str, list[Any]]:
    """Shards that changed: rows added, removed, with another text, with other scores."""
    lines = query(
        data, "SELECT shard, added, removed, changed_text, changed_scores FROM revision_diff"
    )
    return {shard: counts for shard, *counts in lines if any(counts)}


def expected_diff(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[Any]:
    old, new = ({row["hash"]: row for row in rows} for rows in (before, after))
    kept = old.keys() & new.keys()
    scores = ("similarity", "punsafe", "pwatermark", "aesthetic")
    return [
        len(new.keys() - old.keys()),
        len(old.keys() - new.keys()),
        sum(old[key]["text"] != new[key]["text"] for key in kept),
        sum(any(old[key][s] != new[key][s] for s in scores) for key in kept),
    ]
