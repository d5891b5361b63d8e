"""Statistics to be handed on: all that can be, described for people and machines, and no pair."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import absl.logging
import mlcroissant
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import laion_pipeline
from laion_pipeline.charts import CHARTS, render_chart
from laion_pipeline.command import main
from laion_pipeline.common.manifests import digests
from laion_pipeline.paths import Paths
from laion_pipeline.report.openlineage import lineage_json
from laion_pipeline.report.story import STORY
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.statistics.aggregates import Aggregate, read_aggregates
from laion_pipeline.statistics.card import Picture, Told, card
from laion_pipeline.tables.table import Table, materialize_table, read_tables
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.provenance import Provenance
from tests.builders import change, fetch, load, tables
from tests.unit.test_report import prepared

# See the same line of test_subset_export.
absl.logging.get_absl_handler().python_handler.setStream(sys.__stderr__)

LEFT_OUT = {"score_extremes", "duplicates", "duplicate_groups", "extreme_summary", "host_totals"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the sample, and all that is made of it but the report."""
    data = tmp_path_factory.mktemp("data")
    generate_sample(data / "sample" / "shards", rows=2000, shards=3)
    warehouse, paths = prepared(data / "sample")
    change(warehouse, "UPDATE provenance SET made_up = true")
    for chart in CHARTS:
        render_chart(warehouse, chart, paths.charts)
    _write_lineage(warehouse, paths, list(tables().values()))
    if warehouse.file != paths.warehouse:
        warehouse.file.replace(paths.warehouse)
    return data


def _write_lineage(warehouse: Warehouse, paths: Paths, of: Sequence[Table]) -> None:
    with warehouse.connect(read_only=True) as connection:
        provenance = Provenance.read(connection)
        shards = connection.execute("FROM shards").to_arrow_table().to_pylist()
    paths.lineage.write_text(lineage_json(provenance, shards, of), "utf-8")


@pytest.fixture(scope="module")
def published(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "statistics"
    made = laion_pipeline.open("sample", data).publish(folder)
    assert made.left_out.keys() == LEFT_OUT
    assert made.files == {k: v for k, v in digests(folder).items() if k != "manifest.json"}
    return folder


def test_all_tables_and_charts_are_there_but_those_that_would_tell_of_pairs(
    data: Path, published: Path
) -> None:
    there = {file.stem for file in (published / "tables").iterdir()}
    assert there == tables().keys() - LEFT_OUT
    for name in there:
        ours = pq.read_table(data / "sample" / "tables" / f"{name}.parquet")
        assert pq.read_table(published / "tables" / f"{name}.parquet").equals(ours)
    assert {file.name for file in (published / "charts").iterdir()} == {
        f"{chart.name}.{ending}" for chart in CHARTS for ending in ("png", "svg")
    }


def test_no_pair_and_no_place_of_this_machine_is_in_it(data: Path, published: Path) -> None:
    warehouse = Warehouse(Paths(data / "sample").warehouse, "1GB", 2)
    pairs = fetch(warehouse, "SELECT url, text, CAST(hash AS VARCHAR) FROM pairs")
    telling = {value for pair in pairs for value in pair if value and len(value) > 12}
    assert len(telling) > 3000
    for file in (file for file in published.rglob("*") if file.is_file()):
        if file.suffix == ".parquet":
            cells = {
                str(value) for column in pq.read_table(file).columns for value in column.to_pylist()
            }
            assert not cells & telling, file
        else:
            held = file.read_text("utf-8", "replace")
            assert not [value for value in telling if value in held], file
        assert str(data).encode() not in file.read_bytes(), file


def test_mlcroissant_reads_a_table_and_what_is_said_of_its_columns(published: Path) -> None:
    described = mlcroissant.Dataset(jsonld=published / "croissant.json")
    assert not described.metadata.ctx.issues.errors
    table = pq.read_table(published / "tables" / "score_summary.parquet")
    read = list(described.records(record_set="score_summary"))
    assert [record["score_summary/score"].decode() for record in read] == table["score"].to_pylist()
    assert [record["score_summary/mean"] for record in read] == table["mean"].to_pylist()
    told = json.loads((published / "croissant.json").read_text("utf-8"))
    assert told["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert {each["name"] for each in told["recordSet"]} == tables().keys() - LEFT_OUT
    for each in told["recordSet"]:
        rows = pq.read_table(published / "tables" / f"{each['name']}.parquet")
        assert [field["name"] for field in each["field"]] == rows.column_names
        for field in each["field"]:
            facts = {fact["name"]: fact["value"] for fact in field["additionalProperty"]}
            for name, value in _facts(rows[field["name"]]).items():
                same = value if isinstance(value, str) else pytest.approx(value, rel=1e-12)
                assert facts.pop(name) == same, field["@id"]
            assert not facts


def _facts(column: pa.ChunkedArray) -> dict[str, Any]:
    values = [value for value in column.to_pylist() if value is not None]
    facts: dict[str, Any] = {
        "rows": len(column),
        "nulls": len(column) - len(values),
        "distinct": len(set(values)),
    }
    if values and isinstance(values[0], int | float) and not isinstance(values[0], bool):
        ends = {"minimum": min(values), "maximum": max(values), "mean": np.mean(values)}
        facts |= {k: v if np.isfinite(v) else str(v) for k, v in ends.items()}
    return facts


def test_columns_name_what_of_the_release_they_are_made_of(data: Path, published: Path) -> None:
    revision = laion_pipeline.open("sample", data).provenance.revision
    origin = f"urn:laion-pipeline:sample:{revision}"
    told = json.loads((published / "croissant.json").read_text("utf-8"))
    fields = {field["@id"]: field for each in told["recordSet"] for field in each["field"]}

    def sources(name: str) -> set[str]:
        derived = fields[name]["prov:wasDerivedFrom"]
        return {each["@id"] for each in (derived if isinstance(derived, list) else [derived])}

    assert sources("host_counts/host") == {f"{origin}#url"}  # by way of host_totals
    assert sources("host_counts/mean_punsafe") == {f"{origin}#punsafe"}
    assert sources("resolution_counts/width") == {f"{origin}#width"}
    assert sources("score_summary/score") == {origin}


def test_the_card_says_what_it_is_and_shows_what_is_there(published: Path) -> None:
    text = (published / "README.md").read_text("utf-8")
    front = yaml.safe_load(text.split("---\n")[1])
    configs = {each["config_name"]: each["data_files"] for each in front["configs"]}
    assert configs.keys() == tables().keys() - LEFT_OUT
    for place in (*configs.values(), *re.findall(r"\]\(([^)]+)\)", text)):
        assert (published / place).is_file(), place
    assert "**Made-up data.**" in text
    assert len(re.findall(r"^!\[", text, re.M)) == len(CHARTS)
    assert all(f"`{name}`" in text for name in LEFT_OUT)
    told = [name for section in STORY for name in section.tables if name not in LEFT_OUT]
    assert list(configs) == told, "in the order of the report"


def test_what_markdown_would_take_for_more_is_text(data: Path) -> None:
    told = laion_pipeline.open("sample", data).provenance
    table = Aggregate(
        "t", "5 < 6 [a](b) `c` |_d_|\nand more. Not this.", "", (), pa.table({"a": [1]})
    )
    picture = Picture("charts/a.png", "x <b> ](javascript:y) | z")
    text = card("name", Told(told, 1, 0, "", [table], {}, [picture]))
    assert r"| 5 \< 6 \[a\](b) \`c\` \|\_d\_\| and more. |" in text
    assert r"![x \<b\> \](javascript:y) \| z](charts/a.png)" in text


def test_the_same_tables_give_the_same_bytes_and_what_is_yours_stays(
    data: Path, published: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "again"
    shutil.copytree(published, folder)
    (folder / "notes.txt").write_text("mine")
    (tmp_path / "elsewhere.txt").write_text("mine, too")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "tables" / "old.parquet").touch()
    manifest["files"] |= dict.fromkeys(["tables/old.parquet", "../elsewhere.txt", "/etc/x"], "")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    laion_pipeline.open("sample", data).publish(folder)
    assert digests(folder) == {**digests(published), "notes.txt": digests(folder)["notes.txt"]}
    assert (tmp_path / "elsewhere.txt").exists()
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_of_a_release_on_the_hub_its_lineage_begins_at_the_revision_there(
    data: Path, tmp_path: Path
) -> None:
    shutil.copytree(data, tmp_path / "data")
    paths = Paths(tmp_path / "data" / "sample")
    warehouse = Warehouse(paths.warehouse, "1GB", 2)
    page = "https://huggingface.co/datasets/laion/made-up"
    change(warehouse, f"UPDATE provenance SET repo = 'laion/made-up', origin = '{page}'")
    _write_lineage(warehouse, paths, list(tables().values()))
    made = laion_pipeline.open("sample", tmp_path / "data").publish(tmp_path / "published")
    loading, *_ = json.loads((made.folder / "lineage.json").read_text("utf-8"))
    (namespace,) = {source["namespace"] for source in loading["inputs"]}
    assert namespace == f"{page}/tree/{made.revision}"


def _of_another_revision(root: Path) -> None:
    file = root / "tables" / "score_summary.parquet"
    table = pq.read_table(file)
    metadata = {**table.schema.metadata, b"laion_pipeline.revision": b"0" * 40}
    pq.write_table(table.replace_schema_metadata(metadata), file)


def _without_columns(root: Path) -> None:
    events = json.loads((root / "lineage.json").read_text("utf-8"))
    del events[-1]["outputs"][0]["facets"]["columnLineage"]
    (root / "lineage.json").write_text(json.dumps(events))


@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (lambda root: (root / "tables" / "crop_loss.parquet").unlink(), "crop_loss.parquet"),
        (_of_another_revision, "is of revision 0000"),
        (lambda root: (root / "lineage.json").unlink(), "lineage.json"),
        (lambda root: (root / "lineage.json").write_text("[1]"), "lineage.json"),
        (lambda root: (root / "lineage.json").write_text('{"a": 1}'), "lineage.json"),
        (_without_columns, "lineage.json"),
        (lambda root: (root / "charts" / "top_words.png").unlink(), "top_words.png"),
        (lambda root: (root / "charts" / "top_words.svg").unlink(), "top_words.svg"),
        (lambda root: (root / "warehouse.duckdb").unlink(), "no warehouse yet"),
    ],
)
def test_what_is_missing_is_one_line_and_nothing_is_written(
    happens: Callable[[Path], object],
    told: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(data, tmp_path / "data")
    happens(tmp_path / "data" / "sample")
    monkeypatch.setenv("LAION_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert main(["publish", "statistics"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert told in line
    assert {file.name for file in tmp_path.iterdir()} == {"data"}


def test_the_command_says_what_it_did(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAION_DATA_DIR", str(data))
    monkeypatch.chdir(tmp_path)
    assert main(["publish", "statistics"]) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert str(tmp_path / "statistics") in first
    assert len(others) == len(LEFT_OUT)
    assert "left out: score_extremes: its url, text, hash would tell of single pairs" in others


# A column under any name, and whether by its values pairs could be found.
COLUMNS = {
    "max(text)": True,
    "upper(text)": True,
    "split_part(url, '/', 3)": True,
    "list(url)": True,
    "hash": True,
    "cast(hash as varchar)": True,
    "max(hash)": True,
    "count(*)": False,
    "count(distinct url)": False,
    "avg(length(text))": False,
    "max(aesthetic)": False,
    "'words'": False,
}


@pytest.mark.parametrize(("column", "tells"), COLUMNS.items())
def test_what_a_table_tells_is_seen_through_tables_between(
    column: str, tells: bool, tmp_path: Path
) -> None:
    generate_sample(tmp_path / "shards", rows=500, shards=1)
    warehouse, paths = load(tmp_path / "shards"), Paths(tmp_path)
    (tmp_path / "sql").mkdir()
    grouped = "" if column.partition("(")[0] in _AGGREGATES else f"group by {column}"
    (tmp_path / "sql" / "first_one.sql").write_text(
        f"-- One.\nselect {column} as a -- A\nfrom valid_pairs\n{grouped};\n\n-- Check.\n"
        "select a from first_one where false\n"
    )
    (tmp_path / "sql" / "second_one.sql").write_text(
        "-- Two.\nselect a as b -- B\nfrom first_one;\n\n-- Check.\nselect b from second_one"
        " where false\n"
    )
    made = read_tables(tmp_path / "sql")
    for table in made:
        materialize_table(warehouse, table, paths.tables)
    _write_lineage(warehouse, paths, made)
    with warehouse.connect(read_only=True) as connection:
        provenance = Provenance.read(connection)
    kept, left_out = read_aggregates(paths, provenance)
    assert {table.name for table in kept} == (set() if tells else {"first_one", "second_one"})
    assert left_out.keys() == ({"first_one", "second_one"} if tells else set())


_AGGREGATES = {"max", "list", "count", "avg"}
