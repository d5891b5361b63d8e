"""The code location as Dagster loads it: documented, light, and without side effects."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.definitions import defs
from assets.resources import Laion
from laion_pipeline.charts import CHARTS
from laion_pipeline.contract import CHECKS
from laion_pipeline.settings import Settings
from laion_pipeline.subsets.verifying import CHECKED
from laion_pipeline.tables.table import read_tables
from tests.orchestration.runs import ASSETS, GRAPH

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "assets" / "tables"
TABLES = read_tables(FOLDER)
SUBJECTS = [place.name for place in FOLDER.iterdir()]

NOT_OF_SQL = {"quarantine", "cleaned_hashes"}


def test_loads_as_a_valid_code_location() -> None:
    dg.Definitions.validate_loadable(defs)


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_every_asset_says_what_it_is_and_where_it_belongs(name: str) -> None:
    node = GRAPH.get(dg.AssetKey(name))
    assert node.description
    assert node.description[0].isupper()
    others = {"ingest", "quality", "charts", "report", "explore", "subsets"}
    assert node.group_name in {*others, *SUBJECTS}


def test_every_check_says_what_it_demands() -> None:
    keys = GRAPH.asset_check_keys
    expected = {(check.asset, name) for name, check in CHECKS.items()}
    expected |= {(table.name, "self_check") for table in TABLES}
    expected |= {("subset", name) for name in CHECKED}
    assert {(key.asset_key.to_user_string(), key.name) for key in keys} == expected
    for key in keys:
        assert GRAPH.get_check_spec(key).description, key


def test_what_would_make_everything_after_it_wrong_blocks_it_and_nothing_else_does() -> None:
    blocking = {key for key in GRAPH.asset_check_keys if GRAPH.get_check_spec(key).blocking}
    assert {key.name for key in blocking if key.name != "self_check"} == {
        "schema_as_contracted",
        "every_source_row_loaded",
        "every_row_accounted_for",
        "size_orientation",
        "rows_retained",
    }
    assert {key.asset_key.to_user_string() for key in blocking} == {
        "pairs",
        *(table.name for table in TABLES),
    }


def test_the_resource_shows_every_setting_that_decides_what_assets_make() -> None:
    of_the_ui = {"port", "automation", "schedule", "timezone", "poll_seconds"}
    of_the_ui |= {"alert_url", "history_url", "history_runs"}
    assert Laion.model_fields.keys() == Settings.model_fields.keys() - of_the_ui


def test_a_sql_file_is_an_asset_and_the_other_way_round() -> None:
    for subject in SUBJECTS:
        in_group = {key.to_user_string() for key in ASSETS_OF(subject)} - NOT_OF_SQL
        assert in_group == {file.stem for file in (FOLDER / subject).glob("*.sql")} != set()
    assert {k.to_user_string() for k in ASSETS_OF("charts")} == {c.name for c in CHARTS}
    for table in TABLES:
        spec = defs.resolve_assets_def(table.name)
        assert spec.code_versions_by_key[dg.AssetKey(table.name)] == table.code_version


def ASSETS_OF(group: str) -> set[dg.AssetKey]:  # noqa: N802
    return {key for key in GRAPH.get_all_asset_keys() if GRAPH.get(key).group_name == group}


def test_everything_comes_from_the_shards() -> None:
    assert {k.to_user_string() for k in GRAPH.root_executable_asset_keys} == {"shards"}
    report = GRAPH.get(dg.AssetKey("report"))
    above = {key.to_user_string() for key in GRAPH.get_ancestor_asset_keys(report.key)}
    # What is set apart is for people to take away; nothing is made from the file.
    assert above == (ASSETS | {"dataset"}) - {"report", "quarantine", "subset"}
    apart = GRAPH.get_ancestor_asset_keys(dg.AssetKey("quarantine"))
    assert {key.to_user_string() for key in apart} == {"dataset", "shards", "pairs"}


def test_one_process_a_run() -> None:
    job = defs.resolve_implicit_global_asset_job_def()
    assert job.executor_def.name == "in_process"


def test_the_library_does_not_know_the_orchestrator() -> None:
    for file in (PROJECT / "laion_pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [n for n in names if n.split(".")[0] in ("dagster", "assets")], file


_LOADING = """
import sys
import dagster, duckdb, pyarrow.parquet, pydantic_settings, sqlglot, jinja2, mmh3, numpy, tqdm
import matplotlib, matplotlib.figure, tenacity, dotenv
events = []
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        events.append(["write" if set(str(arguments[1])) & set("wax+") else "read", arguments[0]])
    elif event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir",
                   "os.rename", "os.remove", "os.system"):
        events.append([event, str(arguments)])
sys.addaudithook(hook)
import assets.definitions
import json
print(json.dumps({"modules": sorted(sys.modules), "events": events}))
"""


@pytest.fixture(scope="module")
def loading(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What loading the definitions does in a process of its own, in an empty folder."""
    folder = tmp_path_factory.mktemp("elsewhere")
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {
        **kept,
        "PYTHONPATH": str(PROJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
        "LAION_DATA_DIR": "/dev/null/nowhere",
        "LAION_RELEASE": "no such release",
        "LAION_THREADS": "wrong",
    }
    done = subprocess.run(
        [sys.executable, "-c", _LOADING],
        cwd=folder, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, list[Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_loading_imports_nothing_slow(loading: dict[str, list[Any]]) -> None:
    slow = {"great_expectations", "matplotlib.pyplot", "huggingface_hub", "sqlalchemy", "pandas"}
    assert not slow & set(map(str, loading["modules"]))


def test_loading_touches_nothing_but_code(loading: dict[str, list[Any]]) -> None:
    code = (str(PROJECT), sys.prefix, sys.base_prefix)
    assert [e for e in loading["events"] if e[0] != "read"] == []
    outside = [path for _, path in loading["events"] if not str(path).startswith(code)]
    assert outside == []
    assert not [path for _, path in loading["events"] if str(path).startswith(f"{PROJECT}/data")]
