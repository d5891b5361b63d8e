"""One run of every asset on a small release: what it makes, says and checks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow.parquet as pq
import pytest

from laion_pipeline.charts import CHARTS
from laion_pipeline.contract import CHECKS
from laion_pipeline.sources.sample.shards import generate_sample, planted
from laion_pipeline.subsets.verifying import CHECKED
from laion_pipeline.tables.table import read_tables
from tests.builders import SCORES
from tests.orchestration.runs import ASSETS, RELEASE, Run, asking, configured, query, run

pytestmark = pytest.mark.slow

ROWS = 2000
TABLES = {
    table.name: table for table in read_tables(Path(__file__).parents[2] / "assets" / "tables")
}
CORE_TABLES = {"score_summary", "score_histogram", "resolution_counts", "score_extremes"}
NOTHING_TO_COMPARE = {"revision_diff", "revision_drift", "safety_overlay"}
BROKEN = sum(planted(ROWS).values())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("graph")
    generate_sample(folder / "source", rows=ROWS, shards=3)
    with configured(folder / "data", folder / "source"), asking(folder):
        yield folder / "data"


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(scope="module")
def first(data: Path, instance: dg.DagsterInstance) -> Run:
    return run(instance=instance)


def test_one_run_materializes_everything(first: Run, instance: dg.DagsterInstance) -> None:
    assert first.success
    assert set(first.metadata) == ASSETS
    assert CORE_TABLES | {"shards", "pairs", "report"} | {c.name for c in CHARTS} <= ASSETS
    assert instance.get_runs_count() == 1


def test_the_report_says_how_long_each_stage_took(first: Run) -> None:
    told = first.metadata["report"]
    stages = {record.data["stage"]: record.data["seconds"] for record in told["stages"]}
    # All but itself, which has not ended yet; checks have a step of their own.
    assert (ASSETS - {"report", "subset"}) <= stages.keys()
    assert "pairs_contract" in stages
    assert list(stages.values()) == sorted(stages.values(), reverse=True)
    assert told["seconds"] > max(stages.values()) > 0


def test_files_of_the_fixed_interface(first: Run, data: Path) -> None:
    root = data / RELEASE
    expected = [
        "warehouse.duckdb",
        "report.html",
        *(f"tables/{name}.parquet" for name in TABLES),
        *(f"charts/{chart.name}.{ending}" for chart in CHARTS for ending in ("png", "svg")),
    ]
    assert [name for name in expected if not (root / name).stat().st_size] == []
    assert [path.name for path in data.iterdir()] == [RELEASE]
    assert not [p for p in root.rglob("*") if "partial" in p.name or p.suffix in (".tmp", ".wal")]


def test_every_row_is_in_the_warehouse(first: Run, data: Path) -> None:
    assert query(data, "SELECT count(*) FROM pairs") == [(ROWS,)]
    assert query(data, "SELECT count(*) FROM valid_pairs") == [(ROWS - BROKEN,)]
    assert query(data, "SELECT count(*) FROM quarantine") == [(BROKEN,)]
    reasons = "SELECT reason, count(*) FROM (SELECT unnest(reasons) AS reason FROM quarantine)"
    assert dict(query(data, f"{reasons} GROUP BY reason")) == planted(ROWS)


def test_checks_of_the_contract_find_what_was_planted(first: Run) -> None:
    checks = {check: first.checks[f"{said.asset}.{check}"] for check, said in CHECKS.items()}
    assert set(first.checks) == {
        *(f"{said.asset}.{check}" for check, said in CHECKS.items()),
        *(f"{table}.self_check" for table in TABLES),
        *(f"subset.{check}" for check in CHECKED),
    }
    for name, count in planted(ROWS).items():
        check = checks[name]
        metadata = {key: value.value for key, value in check.metadata.items()}
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert not check.blocking
        assert metadata["failing_rows"] == count
        assert metadata["rows"] == ROWS
        assert metadata["failing_percent"] == pytest.approx(100 * count / ROWS, rel=0.01)
        examples = metadata["examples"]
        assert isinstance(examples, list)
        assert len(examples) == min(count, 20)
        assert all("url" in row and "text" in row and "shard" in row for row in examples)
        assert check.description
        assert f"{count:,} of {ROWS:,}" in check.description
    blocking = {name for name, check in checks.items() if check.blocking}
    assert blocking == {
        "schema_as_contracted",
        "every_source_row_loaded",
        "every_row_accounted_for",
        "size_orientation",
        "rows_retained",
    }
    assert all(checks[name].passed for name in blocking)


def test_of_a_first_revision_there_is_nothing_to_compare_with(first: Run, data: Path) -> None:
    drift = {name for name, check in CHECKS.items() if check.asset == "revision_drift"}
    assert drift == {f"{what}_drift" for what in ("rows", *SCORES)}
    for name in drift:
        check = first.checks[f"revision_drift.{name}"]
        assert check.passed
        assert check.metadata["status"].value == "nothing to compare with"
        assert "no other revision" in str(check.description)
    assert query(data, "SELECT * FROM revision_diff") == []
    assert query(data, "SELECT count(DISTINCT revision) FROM release_history") == [(1,)]


def test_every_table_checks_itself(first: Run) -> None:
    for name in TABLES:
        check = first.checks[f"{name}.self_check"]
        assert check.passed
        assert check.blocking


def test_shards_metadata(first: Run) -> None:
    said = first.metadata["shards"]
    assert (said["release"], said["shards"], said["new"]) == (RELEASE, 3, 3)
    assert (said["changed"], said["unchanged"], said["removed"]) == (0, 0, 0)
    assert len(said["revision"]) == 40
    assert "local folder" in said["origin"]
    assert said["bytes_fetched"] == 0
    assert said["bytes_reused"] == said["bytes"] > 0
    files = [record.data for record in said["files"]]
    assert len(files) == 3
    assert all(len(str(file["sha256"])) == 64 for file in files)


def test_pairs_metadata(first: Run) -> None:
    said = first.metadata["pairs"]
    assert said["dagster/row_count"] == ROWS
    assert said["valid_rows"] == ROWS - BROKEN
    assert said["quarantined_rows"] == BROKEN
    assert (said["shards_loaded"], said["rows_loaded"]) == (3, ROWS)
    assert said["revision"] == first.metadata["shards"]["revision"]
    schema = said["dagster/column_schema"]
    names = "url text width height similarity hash punsafe pwatermark aesthetic shard_id defects"
    assert [column.name for column in schema.columns] == names.split()
    assert all(column.description for column in schema.columns)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_tables_metadata(first: Run, data: Path, name: str) -> None:
    said = first.metadata[name]
    file = data / RELEASE / "tables" / f"{name}.parquet"
    rows = query(data, f"SELECT count(*) FROM {name}")[0][0]
    assert said["dagster/row_count"] == rows == pq.read_metadata(file).num_rows
    assert rows or name in NOTHING_TO_COMPARE
    assert said["revision"] == first.metadata["shards"]["revision"]
    assert said["release"] == RELEASE
    assert TABLES[name].sql in said["sql"]
    described = [tuple(row[:2]) for row in query(data, f"DESCRIBE {name}")]
    schema = said["dagster/column_schema"]
    assert [(column.name, column.type) for column in schema.columns] == described
    assert pq.read_schema(file).names == [column for column, _ in described]
    lineage = said["dagster/column_lineage"].deps_by_column
    assert set(lineage) == {column for column, _ in described}
    assert {dep.asset_key.to_user_string() for deps in lineage.values() for dep in deps} <= ASSETS


def test_every_asset_tells_how_long_it_took(first: Run) -> None:
    assert first.metadata.keys() == ASSETS
    for said in first.metadata.values():
        assert 0 < said["seconds"] < 600
    rated = {name for name, said in first.metadata.items() if "rows_per_second" in said}
    assert rated == {"pairs", "quarantine", *TABLES}
    summary = first.metadata["score_summary"]
    assert summary["rows_per_second"] * summary["seconds"] == pytest.approx(
        first.metadata["pairs"]["valid_rows"], rel=0.02
    )
    assert str(summary["seconds"]) == f"{summary['seconds']:.3g}", "no more digits than are of use"


def test_columns_say_where_they_are_from(first: Run) -> None:
    described = {
        (name, column.name): column.description
        for name in TABLES
        for column in first.metadata[name]["dagster/column_schema"].columns
    }
    assert all(described.values())
    assert described["resolution_counts", "width"] == "Width in px", "which says all there is"
    assert described["quarantine_counts", "shard"].endswith("(from shards.path)")
    assert "valid_pairs.aesthetic" in described["scores_by_shard", "bin"]
    assert "valid_pairs.aesthetic" in described["score_summary", "p99"]
    lineage = first.metadata["resolution_counts"]["dagster/column_lineage"].deps_by_column
    assert dg.TableColumnDep(dg.AssetKey("pairs"), "width") in lineage["width"]
    # Whoever opens the files without Dagster is told the same.
    assert described["resolution_counts", "width"] in _comments(first)["width"]


def _comments(first: Run) -> dict[str, str]:
    warehouse = Path(first.metadata["report"]["path"]).parent / "warehouse.duckdb"
    with duckdb.connect(warehouse, read_only=True) as connection:
        rows = connection.execute(
            "SELECT column_name, comment FROM duckdb_columns()"
            " WHERE table_name = 'resolution_counts'"
        ).fetchall()
    return dict(rows)


def test_parquet_files_say_what_they_are(first: Run, data: Path) -> None:
    for name in TABLES:
        said = pq.read_schema(data / RELEASE / "tables" / f"{name}.parquet").metadata
        revision = first.metadata["shards"]["revision"]
        assert said[b"laion_pipeline.revision"].decode() == revision
        assert json.loads(said[b"laion_pipeline.columns"])


def test_charts_are_in_dagsters_metadata(first: Run, data: Path) -> None:
    for chart in CHARTS:
        said = first.metadata[chart.name]
        png, svg = (data / RELEASE / "charts" / f"{chart.name}.{e}" for e in ("png", "svg"))
        assert (Path(said["png"]), Path(said["svg"])) == (png, svg)
        assert png.read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in svg.read_bytes()
        assert "data:image/png;base64," in said["chart"]
        assert said["finding"]


def test_report_is_one_page_that_says_it_all(first: Run, data: Path) -> None:
    path = Path(first.metadata["report"]["path"])
    page = path.read_text("utf-8")
    assert first.metadata["report"]["bytes"] == path.stat().st_size < 5_000_000
    assert first.metadata["shards"]["revision"][:12] in page
    assert f"{ROWS:,}" in page
    for check in CHECKS:
        assert check in page
    for tag in ("<script src", "<link", 'src="http', "@import", "url(http"):
        assert tag not in page
    assert page.count("data:image/png;base64,") >= len(CHARTS)


def test_assets_are_materialized_after_what_they_read(first: Run) -> None:
    order = list(first.metadata)
    for name, table in TABLES.items():
        assert order.index("shards") < order.index("pairs") < order.index(name)
        assert table.sources
    assert order[-1] == "report"


def table_files(data: Path) -> dict[str, Any]:
    """The published tables byte for byte, but for the column that says when."""
    files: dict[str, Any] = {
        file.name: file.read_bytes() for file in (data / RELEASE / "tables").iterdir()
    }
    history = pq.read_table(data / RELEASE / "tables" / "release_history.parquet")
    return files | {"release_history.parquet": history.drop_columns(["profiled_at"])}


def test_second_run_loads_nothing_and_finds_the_same(
    first: Run, data: Path, instance: dg.DagsterInstance
) -> None:
    tables = table_files(data)
    again = run(instance=instance)
    assert again.success
    said = again.metadata["pairs"]
    assert (said["shards_loaded"], said["rows_loaded"], said["shards_removed"]) == (0, 0, 0)
    assert said["dagster/row_count"] == ROWS
    shards = again.metadata["shards"]
    assert (shards["new"], shards["unchanged"]) == (0, 3)
    outcomes = {name: (c.passed, c.severity) for name, c in first.checks.items()}
    assert {name: (c.passed, c.severity) for name, c in again.checks.items()} == outcomes
    assert table_files(data) == tables
