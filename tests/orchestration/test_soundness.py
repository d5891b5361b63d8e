"""Nothing is made from rows that a check has refused, or that have changed since."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.resources import RELEASE_TAG, REVISION_TAG
from laion_pipeline.charts import CHARTS
from laion_pipeline.sources.sample.shards import generate_sample
from tests import builders
from tests.orchestration.runs import (
    ASSETS,
    INGEST,
    RELEASE,
    TABULAR,
    Run,
    command,
    configured,
    query,
    run,
    tamper,
)
from tests.orchestration.test_checks import clean_columns, write

pytestmark = pytest.mark.slow

NO_CHECKS = dg.AssetSelection.all_asset_checks()
MADE_FROM_ROWS = sorted(ASSETS - {"shards", "pairs"})


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    with configured(tmp_path / "data", tmp_path / "source"):
        yield tmp_path / "data"


def sized(folder: Path, *, turned: bool) -> None:
    """Rows whose URLs state their sizes, as the columns do or the other way round."""
    columns = clean_columns(100)
    columns["URL"] = [f"https://host.example/{number}-640x480.jpg" for number in range(100)]
    sizes = ("HEIGHT", "WIDTH") if turned else ("WIDTH", "HEIGHT")
    for side, pixels in zip(sizes, (640, 480), strict=True):
        columns[side] = [pixels] * 100
    write(folder, columns)


def refusal(name: str) -> str:
    """Why an asset that is materialized alone fails."""
    done = run(dg.AssetSelection.assets(name))
    assert not done.success
    failure = done.failures[name].step_failure_data.user_failure_data
    assert failure is not None
    return str(failure.description)


def test_a_check_that_blocks_does_so_in_any_run(data: Path, tmp_path: Path) -> None:
    sized(tmp_path / "source", turned=True)
    done = run()
    assert list(done.failures) == ["pairs_contract"]
    failure = done.failures["pairs_contract"].step_failure_data.user_failure_data
    assert failure is not None
    told = str(failure.description)
    assert told.startswith("pairs.size_orientation: 100 of 100 sizes stated in URLs")
    assert "sizes_swapped" in told
    for name in MADE_FROM_ROWS:
        said = refusal(name)
        if name in ("quarantine", "quarantine_counts", "resolution_counts", "score_summary"):
            assert said == f"nothing is made from pairs while a check fails: {told}"
    assert {path.name for path in (data / RELEASE).iterdir()} == {"warehouse.duckdb", "data_docs",
                                                                 "shards"}  # fmt: skip
    sized(tmp_path / "source", turned=False)
    assert run(TABULAR).success
    assert run(dg.AssetSelection.assets("score_summary")).success


def test_rows_that_were_not_checked_since_they_changed_are_refused(
    data: Path, tmp_path: Path
) -> None:
    generate_sample(tmp_path / "source", rows=1000, shards=2)
    assert run(INGEST - NO_CHECKS).success
    assert refusal("score_summary") == ("pairs has not been checked yet; materialize `pairs` first")
    assert run(TABULAR).success
    write(tmp_path / "source", clean_columns(50), "zz.parquet")
    assert run(INGEST - NO_CHECKS).success
    changed = "pairs has not been checked since its rows changed; materialize `pairs` first"
    assert refusal("score_summary") == changed
    assert refusal("report") == changed


def test_tables_and_charts_of_other_rows_are_refused(data: Path, tmp_path: Path) -> None:
    generate_sample(tmp_path / "source", rows=1000, shards=2)
    assert run().success
    write(tmp_path / "source", clean_columns(50), "zz.parquet")
    assert run(INGEST).success
    for chart in CHARTS:
        tables = sorted(chart.tables)
        assert refusal(chart.name) == (
            f"made from rows that are not loaded any more: {', '.join(tables)}; materialize"
            f" {', '.join(f'`{table}`' for table in tables)} first"
        )
    assert run(dg.AssetSelection.assets("quarantine", *builders.tables())).success
    shown = CHARTS[0].name
    assert refusal("report") == (
        f"{shown} shows rows that are not loaded any more; materialize `{shown}` first"
    )
    assert run(dg.AssetSelection.groups("charts")).success
    assert run(dg.AssetSelection.assets("report")).success


def test_a_table_that_contradicts_itself_is_refused(data: Path, tmp_path: Path) -> None:
    generate_sample(tmp_path / "source", rows=1000, shards=2)
    assert run(TABULAR).success
    tamper(data, "UPDATE check_results SET status = 'failed' WHERE asset = 'score_histogram'")
    said = refusal("aesthetic_distribution")
    assert said.startswith("nothing is made from score_histogram while a check fails: ")


def data_version(done: Run, asset: str) -> str:
    for event in done.result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        if materialization.asset_key.to_user_string() == asset:
            return str((materialization.tags or {})["dagster/data_version"])
    raise KeyError(asset)


def test_what_is_loaded_decides_what_is_out_of_date(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate_sample(tmp_path / "source", rows=1000, shards=3)
    monkeypatch.setenv("LAION_MAX_SHARDS", "1")
    first = run(TABULAR)
    versions = [data_version(first, "pairs"), data_version(run(TABULAR), "pairs")]
    assert versions[0] == versions[1]
    monkeypatch.setenv("LAION_MAX_SHARDS", "2")
    second = run(TABULAR)
    # The revision is that of all three shards, and the same.
    assert first.metadata["pairs"]["revision"] == second.metadata["pairs"]["revision"]
    versions.append(data_version(second, "pairs"))
    own = tmp_path / "contract.toml"
    own.write_text("[similarity_range]\nerror_above = 0.5\n")
    monkeypatch.setenv("LAION_CONTRACT", str(own))
    versions.append(data_version(run(TABULAR), "pairs"))
    assert len(set(versions)) == 3
    tables = [data_version(done, "score_summary") for done in (first, second)]
    assert tables[0] != tables[1]


def test_every_run_and_every_asset_says_which_release_and_revision(
    data: Path, tmp_path: Path
) -> None:
    generate_sample(tmp_path / "source", rows=1000, shards=2)
    with dg.DagsterInstance.ephemeral() as instance:
        done = run(instance=instance)
        ((revision,),) = query(data, "SELECT revision FROM provenance")
        (record,) = instance.get_runs()
        assert record.tags[RELEASE_TAG] == RELEASE
        assert record.tags[REVISION_TAG] == revision
        for asset, metadata in done.metadata.items():
            assert (metadata["release"], metadata["revision"]) == (RELEASE, revision), asset


def test_a_run_that_fails_at_once_says_which_release(data: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with dg.DagsterInstance.ephemeral() as instance:
        assert not run(instance=instance).success
        (record,) = instance.get_runs()
        assert record.tags[RELEASE_TAG] == RELEASE


def test_the_log_of_a_run_ends_as_the_terminal_does(data: Path, tmp_path: Path) -> None:
    columns = clean_columns(2000)
    columns["similarity"][0] = 2.0
    write(tmp_path / "source", columns)
    with dg.DagsterInstance.ephemeral() as instance:
        done = run(instance=instance)
        said = [
            entry.user_message
            for entry in instance.all_logs(done.result.run_id)
            if not entry.is_dagster_event
        ]
    assert said[-1] == command().text
    assert "  warned: pairs.similarity_range: 1 of 2,000 rows fail: " in said[-1]
    assert said[-1].splitlines()[-1].startswith("report: ")


def test_the_same_rows_give_the_same_bytes(data: Path, tmp_path: Path) -> None:
    generate_sample(tmp_path / "source", rows=30_000, shards=16)
    found = []
    for number in range(3):
        with configured(tmp_path / f"data-{number}", tmp_path / "source"):
            assert run().success
        root = tmp_path / f"data-{number}" / RELEASE
        found.append({
            file.name: file.read_bytes()
            for file in [*(root / "tables").iterdir(), *(root / "charts").iterdir()]
            if file.stem != "release_history"  # which says when
        })  # fmt: skip
    assert found[0] == found[1] == found[2]
