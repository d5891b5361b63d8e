"""What is said of shards before they are loaded, and while they are."""

import logging
import re
from pathlib import Path

import pyarrow as pa
import pytest

from laion_pipeline.ingestion import fetch_shards, load_listing
from laion_pipeline.releases.release import find_release
from laion_pipeline.session import Session
from tests.builders import list_folder, pairs, reload, replaced, table_of, warehouse_at, write_table

HOSTILE = "part\x1b[31m\u202e-0.parquet"


@pytest.fixture
def source(tmp_path: Path, unconfigured: pytest.MonkeyPatch) -> Path:
    unconfigured.setenv("LAION_SOURCE", str(tmp_path / "source"))
    return tmp_path / "source"


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a fetch says."""
    with caplog.at_level(logging.INFO, "laion_pipeline"):
        fetch_shards(Session.open())
    return caplog.messages


def test_numbers_that_are_text_are_told(source: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = replaced(table_of(pairs(2)), "width", pa.array(["1", "2"]))
    write_table(source, "part-0.parquet", table)
    write_table(source, "part-1.parquet", table_of(pairs(2)))
    assert "shards: width are text in 1 of 2 shards; they are read as numbers" in said(caplog)[-1]


def test_a_shard_that_is_much_for_the_memory_is_told(
    source: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAION_MEMORY_LIMIT", "1KB")
    write_table(source, "part-0.parquet", table_of(pairs(200)))
    told = [line for line in said(caplog) if "unpacks to" in line]
    assert len(told) == 1
    assert "part-0.parquet" in told[0]
    assert "LAION_MEMORY_LIMIT=1KB" in told[0]


def test_a_withdrawn_release_says_what_to_use(
    source: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAION_RELEASE", "laion2B-en")
    columns = find_release("laion2B-en").columns
    write_table(source, "part-0.parquet", table_of(pairs(2), columns))
    withdrawn = "laion2B-en was withdrawn by its makers, who ask to use relaion2B-en-research"
    assert any(withdrawn in line for line in said(caplog))


def test_names_are_shown_so_that_they_are_harmless(
    source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_table(source, HOSTILE, table_of(pairs(2)))
    with caplog.at_level(logging.INFO, "laion_pipeline"):
        listing = fetch_shards(Session.open()).listing
        assert load_listing(Session.open(), listing).rows == 2
    assert r"pairs: loading part\x1b[31m\u202e-0.parquet" in caplog.messages
    assert all(line.isprintable() for line in caplog.messages)


def test_a_long_load_says_how_far_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        write_table(tmp_path / "shards", f"part-{number}.parquet", table_of(pairs(100)))
    warehouse = warehouse_at(tmp_path / "warehouse.duckdb")
    with caplog.at_level(logging.INFO, "laion_pipeline"):
        reload(warehouse, tmp_path / "shards", batch_shards=1)
    told = [line for line in caplog.messages if " left" in line]
    assert len(told) == len(list_folder(tmp_path / "shards").shards) - 1
    for number, line in enumerate(told, 1):
        shape = rf"pairs: {number} of 3 shards, 0\.0 of about 0\.0 M rows, \d+ s left"
        assert re.fullmatch(shape, line)
