"""The benchmark's parts: its shards, what it measures, and how it sorts stages."""

import os
import sys
from pathlib import Path

import mmh3
import pyarrow.parquet as pq
import pytest

from bench.by_hand import _statements
from bench.growth import DOCUMENT, Result, read_engines, read_results, renewed
from bench.measuring import Usage, last_line, measured
from bench.shards import generate
from bench.subjects import AROUND, OTHER, by_subject
from bench.tables import PLAIN, TABLES
from laion_pipeline.charts import CHARTS
from laion_pipeline.releases.release import find_release
from tests.builders import list_folder, load

RELEASE = find_release("laion2B-en-aesthetic")
WORKER = """
import sys, time
held = bytearray(50_000_000)
with open(sys.argv[1], "wb") as stream:
    stream.write(held)
time.sleep(0.5)
print("noise")
print('{"load": 0.25}')
"""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    generate(folder, 5000, processes=1)
    return folder


def test_shards_are_laid_out_as_v1s_are_and_keep_every_rule(shards: Path, tmp_path: Path) -> None:
    (file,) = shards.glob("*.parquet")
    metadata = pq.read_metadata(file)
    assert (metadata.num_rows, metadata.num_row_groups) == (5000, 1)
    assert 100 < file.stat().st_size / 5000 < 180
    for row in pq.read_table(file).slice(0, 200).to_pylist():
        assert row["hash"] == mmh3.hash64(f"{row['URL']}{row['TEXT']}".encode())[0]
    with load(shards, RELEASE).connect(read_only=True) as connection:
        (found,) = connection.execute(
            "SELECT count(*), sum(CAST(defects = 0 AS INTEGER)), count(DISTINCT url) FROM pairs"
        ).fetchall()
    assert found[:2] == (5000, 5000)
    assert 4850 < found[2] < 5000, "some are repeated"


def test_the_same_size_gives_the_same_shards(shards: Path, tmp_path: Path) -> None:
    generate(tmp_path, 5000, processes=1)
    assert list_folder(tmp_path, RELEASE).revision == list_folder(shards, RELEASE).revision


def test_what_a_program_takes_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKER, str(tmp_path / "written")]
    usage, out = measured(command, tmp_path, os.environ)
    assert last_line(out) == {"load": 0.25}
    assert 0.5 < usage.wall_seconds < 30
    assert usage.cpu_seconds > 0
    assert usage.peak_memory_bytes > 50_000_000
    assert usage.written_bytes >= 50_000_000
    assert usage.peak_disk_bytes >= 50_000_000


def test_every_stage_has_a_subject(shards: Path) -> None:
    stages = ["shards", "pairs", "pairs_contract", "quarantine", "report"]
    stages += [file.stem for file in TABLES.rglob("*.sql")] + [chart.name for chart in CHARTS]
    stages += [name for name, _ in _statements(shards)]
    sorted_ones = by_subject(Usage(wall_seconds=1000, stages=dict.fromkeys(stages, 1.0)))
    assert sum(sorted_ones.values()) == pytest.approx(1000)
    assert sorted_ones[AROUND] == 1000 - len(set(stages))
    assert OTHER not in sorted_ones
    assert {*PLAIN} <= {file.stem for file in TABLES.rglob("*.sql")}


def test_the_document_on_scaling_shows_the_results_that_there_are() -> None:
    document = DOCUMENT.read_text("utf-8")
    assert renewed(document, read_results(), read_engines()) == document


def test_more_rows_are_drawn_out_in_a_straight_line_from_the_two_largest_sizes() -> None:
    results = [
        Result(rows, "4GB", {"pipeline": Usage(wall_seconds=20 + rows / 1e6, peak_disk_bytes=rows)})
        for rows in (1_000_000, 10_000_000, 50_000_000)
    ]
    told = renewed(
        "<!-- table: larger -->\n<!-- end -->\n<!-- table: growth -->\nold\n<!-- end -->\n", results
    )
    assert "| 166,000,000 | 186 s | 0.2 GB |" in told
    assert "| 2,300,000,000 | 39 min | 2.3 GB |" in told
    assert "| 1,000,000 | 4GB | 21 s | 21.0 s |" in told
    assert "old" not in told
