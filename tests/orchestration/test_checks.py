"""How bad is bad: warnings, errors, and what stops everything that comes after."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import mmh3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laion_pipeline.contract import CHECKS
from laion_pipeline.sources.sample.shards import generate_sample
from tests.orchestration.runs import (
    DOWNSTREAM,
    INGEST,
    PAIRS_CHECKS,
    RELEASE,
    configured,
    query,
    run,
    tamper,
)

pytestmark = pytest.mark.slow

ROWS = 20_000
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def clean_columns(rows: int) -> dict[str, list[Any]]:
    """V1 rows that break no rule."""
    return {
        "URL": [f"https://host.example/{number}.jpg" for number in range(rows)],
        "TEXT": [f"caption {number}" for number in range(rows)],
        "WIDTH": [300] * rows,
        "HEIGHT": [200] * rows,
        "similarity": [0.3] * rows,
        "hash": [
            mmh3.hash64(f"https://host.example/{number}.jpgcaption {number}".encode())[0]
            for number in range(rows)
        ],
        "punsafe": [0.1] * rows,
        "pwatermark": [0.2] * rows,
        "aesthetic": [7.5] * rows,
    }


def write(folder: Path, columns: dict[str, list[Any]], name: str = "part-0.parquet") -> None:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / name)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    with configured(tmp_path / "data", tmp_path / "source"):
        yield tmp_path / "data"


def test_up_to_a_thousandth_warns_and_more_is_an_error(data: Path, tmp_path: Path) -> None:
    columns = clean_columns(ROWS)
    columns["URL"][:20] = ["ftp://host.example/"] * 20  # just the thousandth
    columns["TEXT"][100:121] = [" "] * 21  # one more
    columns["WIDTH"][0] = -1
    columns["HEIGHT"][:3000] = [None] * 3000  # unknown is no defect
    columns["aesthetic"][5:8] = [7.0, None, float("nan")]
    columns["punsafe"][0] = 1.5
    write(tmp_path / "source", columns)
    done = run(INGEST | PAIRS_CHECKS)
    assert done.success
    found = {
        name.removeprefix("pairs."): (check.passed, check.severity, _failing(check))
        for name, check in done.checks.items()
    }
    assert found == {
        "schema_as_contracted": (True, ERROR, 0),
        "every_source_row_loaded": (True, ERROR, 0),
        "every_row_accounted_for": (True, ERROR, 0),
        "size_orientation": (True, ERROR, 0),  # no URL states one
        "rows_retained": (True, ERROR, 0),  # nothing to compare with
        "shards_unique": (True, ERROR, 0),
        "rows_present": (True, ERROR, 0),
        "published_rows": (False, WARN, 52_068_913 - ROWS),
        "urls_unique": (True, ERROR, 19),
        "hashes_unique": (True, ERROR, 0),
        "hash_matches": (False, ERROR, 41),  # URLs and captions were changed, hashes were not
        "url_http": (False, WARN, 20),
        "text_present": (False, ERROR, 21),
        "width_positive": (False, WARN, 1),
        "height_positive": (True, ERROR, 0),
        "similarity_range": (True, ERROR, 0),
        "punsafe_range": (False, WARN, 1),
        "pwatermark_range": (True, ERROR, 0),
        "aesthetic_range": (False, WARN, 3),
        "punsafe_filter": (True, ERROR, 0),  # what is out of range is told once
        "pwatermark_filter": (True, ERROR, 0),
        "aesthetic_filter": (True, ERROR, 0),  # not in this release
        "similarity_cutoff": (True, ERROR, 0),
        "sizes_known": (False, WARN, 3000),
        "text_not_only_digits": (True, ERROR, 0),
        "text_without_replacement_characters": (True, ERROR, 0),
        "text_without_control_characters": (True, ERROR, 0),
        "text_without_html_entities": (True, ERROR, 0),
    }
    assert done.metadata["pairs"]["quarantined_rows"] == 20 + 21  # some break several
    assert query(data, "SELECT count(*) FROM pairs") == [(ROWS,)]


def test_a_nan_is_a_defect_whatever_the_footer_says(data: Path, tmp_path: Path) -> None:
    # The smallest and the greatest value in a Parquet footer leave NaN out, and readers trust them.
    scores = ("similarity", "punsafe", "pwatermark", "aesthetic")
    columns = clean_columns(100)
    for row, score in enumerate(scores):
        columns[score][row] = float("nan")
    write(tmp_path / "source", columns)
    run(INGEST - dg.AssetSelection.all_asset_checks())
    reasons = query(data, "SELECT unnest(reasons) FROM quarantine ORDER BY ALL")
    assert reasons == sorted((f"{score}_range",) for score in scores)


def _failing(check: dg.AssetCheckEvaluation) -> object:
    said = check.metadata.get("failing_rows")
    return said.value if said else 0  # of what is not checked no number is told


def test_hostile_rows_are_shown_as_text(data: Path, tmp_path: Path) -> None:
    columns = clean_columns(1000)
    columns["URL"][0] = "javascript:alert(1)//[x](y)"
    columns["TEXT"][0] = "<script>alert(1)</script>\x1b[31m\u202e" + "long " * 10_000
    write(tmp_path / "source", columns)
    check = run(INGEST | PAIRS_CHECKS).checks["pairs.url_http"]
    examples = check.metadata["examples"]
    assert isinstance(examples, dg.JsonMetadataValue)
    assert isinstance(examples.value, list)
    (example,) = examples.value
    assert example["url"] == "javascript:alert(1)//[x](y)"
    assert example["text"].startswith("<script>alert(1)</script>\\x1b[31m\\u202e")
    assert len(example["text"]) < 200


SCHEMA, LOADED, ACCOUNTED = (
    "schema_as_contracted",
    "every_source_row_loaded",
    "every_row_accounted_for",
)
A_MARKED_ROW = "rowid = (SELECT min(rowid) FROM pairs WHERE defects <> 0)"


@pytest.mark.parametrize(
    ("failing", "damage"),
    [
        ({LOADED, ACCOUNTED}, "DELETE FROM pairs WHERE rowid = 7"),
        ({LOADED, ACCOUNTED}, "INSERT INTO pairs SELECT * FROM pairs LIMIT 1"),
        ({LOADED}, "UPDATE pairs SET shard_id = 99 WHERE rowid = 7"),
        ({ACCOUNTED}, f"UPDATE pairs SET defects = 0 WHERE {A_MARKED_ROW}"),
        ({SCHEMA}, "ALTER TABLE pairs ADD COLUMN extra INTEGER"),
    ],
    ids=["row-lost", "row-twice", "row-of-no-shard", "mark-lost", "column-added"],
)
def test_structural_failure_stops_everything_after_it(
    data: Path, tmp_path: Path, failing: set[str], damage: str
) -> None:
    generate_sample(tmp_path / "source", rows=1000, shards=2)
    assert run(INGEST).success
    tamper(data, damage)
    rest = run(DOWNSTREAM)
    assert not rest.success
    assert rest.metadata == {}
    assert list(rest.failures) == ["pairs_contract"]
    for name in (SCHEMA, LOADED, ACCOUNTED):
        check = rest.checks[f"pairs.{name}"]
        assert (check.passed, check.severity) == (name not in failing, ERROR)
        assert bool(_failing(check)) == (name in failing)
    # The other checks are still reported, and nothing was written.
    assert len(rest.checks) == sum(check.asset == "pairs" for check in CHECKS.values())
    root = data / RELEASE
    assert not (root / "tables").exists()
    assert not (root / "charts").exists()
    assert not (root / "report.html").exists()
