"""Real Dagster runs of the code location, in this process, on an instance of their own."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from assets.definitions import defs
from assets.run import materialize_everything
from laion_pipeline.outcome import Outcome
from laion_pipeline.session import Session
from tests.builders import TERMS

SETTINGS = (
    *("SOURCE", "REVISION", "MAX_SHARDS", "DOWNLOADS", "MEMORY_LIMIT", "THREADS"),
    *("ENGINE", "SPARK_MASTER", "PAIRS_FOLDER"),
    *("KEEP_SHARDS", "CONTRACT", "TERMS", "CLEANED", "ACCEPT_REMOVAL", "FETCH_IMAGES", "EXPLORE"),
)
RELEASE = "laion2B-en-aesthetic"
GRAPH = defs.resolve_asset_graph()
ASSETS = {key.to_user_string() for key in GRAPH.materializable_asset_keys}
INGEST = dg.AssetSelection.assets("shards", "pairs")
PAIRS_CHECKS = dg.AssetSelection.checks_for_assets(dg.AssetKey("pairs"))
# What takes half of a run's time: tests of something else do without.
PICTURES = dg.AssetSelection.groups("charts", "report")
TABULAR = dg.AssetSelection.all() - PICTURES | dg.AssetSelection.all_asset_checks()
DOWNSTREAM = dg.AssetSelection.all() - INGEST | PAIRS_CHECKS

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Run:
    """What a run did, by the names of assets."""

    result: dg.ExecuteInProcessResult

    @property
    def success(self) -> bool:
        return self.result.success

    @property
    def metadata(self) -> Mapping[str, Mapping[str, Any]]:
        """The metadata of each asset that was materialized."""
        found = {}
        for event in self.result.get_asset_materialization_events():
            materialization = event.step_materialization_data.materialization
            assert materialization.asset_key.to_user_string() not in found
            found[materialization.asset_key.to_user_string()] = {
                name: value.records if isinstance(value, dg.TableMetadataValue) else value.value
                for name, value in materialization.metadata.items()
            }
        return found

    @property
    def checks(self) -> Mapping[str, dg.AssetCheckEvaluation]:
        """The outcome of each check, by 'asset.check'."""
        evaluations = self.result.get_asset_check_evaluations()
        found = {f"{e.asset_key.to_user_string()}.{e.check_name}": e for e in evaluations}
        assert len(found) == len(evaluations)
        return found

    @property
    def failures(self) -> Mapping[str, dg.DagsterEvent]:
        """The events of the steps that failed."""
        return {str(event.step_key): event for event in self.result.get_step_failure_events()}


def run(
    selection: dg.AssetSelection | None = None,
    instance: dg.DagsterInstance | None = None,
    config: Mapping[str, Any] | None = None,
) -> Run:
    """Materialize everything, or what is selected, as 'Materialize all' does.

    `config` is that of assets, by their name, as the Launchpad has it.
    """
    everything = dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks()
    job = dg.define_asset_job("chosen", selection=everything if selection is None else selection)
    location = dg.Definitions.merge(defs, dg.Definitions(jobs=[job]))
    result = location.resolve_job_def("chosen").execute_in_process(
        instance=instance,
        run_config={
            **_QUIET,
            "ops": {name: {"config": given} for name, given in (config or {}).items()},
        },
        raise_on_error=False,
    )
    return Run(result)


def command(*, pictures: bool = True) -> Outcome:
    """Everything, as `python -m assets` does it, but for Dagster's storage, which is in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dg.DagsterInstance, "get", dg.DagsterInstance.ephemeral)
        if not pictures:
            patch.setattr("assets.run.defs", _without_pictures())
        return materialize_everything(Session.open())


def _without_pictures() -> dg.Definitions:
    pictures = PICTURES.resolve(GRAPH)
    assets = [
        asset
        for asset in defs.assets or ()
        if not (isinstance(asset, dg.AssetsDefinition) and asset.keys & pictures)
    ]
    return dg.Definitions(assets, asset_checks=defs.asset_checks, resources=defs.resources,
                          executor=defs.executor)  # fmt: skip


@contextmanager
def configured(data: Path, source: Path | None, release: str = RELEASE) -> Iterator[None]:
    """The environment of a run."""
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.setenv(f"LAION_{name}", "")
        patch.setenv("LAION_RELEASE", release)
        patch.setenv("LAION_DATA_DIR", str(data))
        if source:
            patch.setenv("LAION_SOURCE", str(source))
        yield


@contextmanager
def asking(folder: Path) -> Iterator[None]:
    """The environment of a run that asks about `TERMS`, in a file in a folder."""
    lines = [f"{json.dumps(name)} = {json.dumps(terms)}" for name, terms in TERMS.groups.items()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "terms.toml").write_text("\n".join(["[groups]", *lines]), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAION_TERMS", str(folder / "terms.toml"))
        yield


def query(data: Path, sql: str, release: str = RELEASE) -> list[tuple[Any, ...]]:
    """Ask the warehouse of a data folder."""
    with duckdb.connect(data / release / "warehouse.duckdb", read_only=True) as connection:
        return connection.execute(sql).fetchall()


def tamper(data: Path, sql: str, release: str = RELEASE) -> None:
    """Change the warehouse behind the pipeline's back."""
    with duckdb.connect(data / release / "warehouse.duckdb") as connection:
        connection.execute(sql)
