"""Reading a release from a script or a notebook: what is there, and nothing else."""

import re
from pathlib import Path

import pytest

import laion_pipeline
from laion_pipeline.charts import CHARTS, render_chart
from laion_pipeline.errors import LaionError, SettingsError, WarehouseError
from laion_pipeline.paths import Paths
from laion_pipeline.quality.results import CheckResult, record_checks
from laion_pipeline.reading import ReleaseReader
from laion_pipeline.sources.sample.shards import generate_sample
from tests.builders import load, make_tables, pair, tables, write_shard

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e'; DROP TABLE pairs; --"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    paths = Paths(data / "sample")
    generate_sample(paths.shards, rows=1000, shards=2)
    write_shard(paths.shards, "zz.parquet", [pair(7, text=HOSTILE)])
    warehouse = load(paths.shards)
    warehouse.file.replace(paths.warehouse)
    make_tables(type(warehouse)(paths.warehouse, "1GB", 2), paths.tables)
    reader = laion_pipeline.open("sample", data)
    with reader.warehouse.connect() as connection:
        check = CheckResult(asset="pairs", name="text_present", status="warned", rows=9,
                            description=f"text is there {HOSTILE}", failing_rows=1)  # fmt: skip
        record_checks(connection, [check])
    render_chart(reader.warehouse, CHARTS[0], paths.charts)
    return data


@pytest.fixture
def reader(data: Path) -> ReleaseReader:
    return laion_pipeline.open("sample", data)


def test_it_is_found_by_the_settings_too(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAION_RELEASE", "sample")
    monkeypatch.setenv("LAION_DATA_DIR", str(data))
    assert laion_pipeline.open().sql("SELECT count(*) AS n FROM pairs")["n"].to_pylist() == [1001]


def test_tables_are_those_of_the_warehouse(reader: ReleaseReader) -> None:
    assert set(reader.tables) == {"pairs", "valid_pairs", "quarantine", "shards", *tables()}
    found = reader.table("score_summary")
    assert found.to_pylist() == reader.sql("FROM score_summary").to_pylist()
    assert list(reader.frame("score_summary")["score"]) == found["score"].to_pylist()
    with pytest.raises(WarehouseError, match="there is no table score_sumary; there are pairs, "):
        reader.table("score_sumary")


def test_words_are_parameters(reader: ReleaseReader) -> None:
    found = reader.sql("SELECT text FROM valid_pairs WHERE contains(text, ?)", ["'; DROP TABLE"])
    assert found["text"].to_pylist() == [HOSTILE]


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE score_summary", "DELETE FROM pairs", "CREATE TABLE x AS SELECT 1",
        "UPDATE pairs SET text = ''", "COPY pairs TO '{place}'", "FROM read_csv('/etc/passwd')",
        "FROM read_text('/etc/passwd')", "ATTACH '{place}'", "INSTALL httpfs", "LOAD httpfs",
        "SET enable_external_access = true", "FROM read_parquet('{place}')", "SELEC 1",
        "EXPORT DATABASE '{place}'", "SELECT no_such_column FROM pairs",
    ],
)  # fmt: skip
def test_a_query_reads_and_reaches_nothing_else(
    query: str, reader: ReleaseReader, tmp_path: Path
) -> None:
    before = reader.warehouse.file.read_bytes()
    with pytest.raises(LaionError) as caught:
        reader.sql(query.replace("{place}", str(tmp_path / "place")))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert reader.warehouse.file.read_bytes() == before


def test_charts_are_pictures_with_words(reader: ReleaseReader) -> None:
    assert list(reader.charts) == [CHARTS[0].name]
    light, dark = reader.chart(CHARTS[0].name), reader.chart(CHARTS[0].name, dark=True)
    assert light.png.startswith(b"\x89PNG")
    assert light.png != dark.png
    assert light.svg.is_file()
    assert dark.svg.is_file()
    assert light.title == dark.title != ""
    assert len(light.alt) > 20
    html = light._repr_html_()
    assert re.fullmatch(r'<img src="data:image/png;base64,[^"]+" alt="[^"<>]+" width="720">', html)
    with pytest.raises(WarehouseError, match=r"there is no chart \.\./x; there are "):
        reader.chart("../x")


def test_what_strangers_wrote_is_shown_as_text(reader: ReleaseReader) -> None:
    (check,) = reader.checks()
    assert check.status == "warned"
    for shown in (reader.checks()._repr_html_(), reader._repr_html_()):
        assert "<script" not in shown
        assert not set(shown) & set("\x1b\u202e")
    assert "&lt;script&gt;" in reader.checks()._repr_html_()
    assert "0 passed, 1 warned, 0 failed, 0 not checked" in repr(reader)
    assert "1,001, of them" in reader._repr_html_()


def test_where_nothing_has_been_made_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="no warehouse yet; materialize the release first"):
        laion_pipeline.open("sample", tmp_path)
    with pytest.raises(SettingsError, match="LAION_RELEASE=no-such: no such release"):
        laion_pipeline.open("no-such", tmp_path)
    assert list(tmp_path.iterdir()) == []
