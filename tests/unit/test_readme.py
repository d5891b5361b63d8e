"""What the README and CONTRIBUTING say is so: settings, tables, checks, targets, folders."""

import re
import tomllib
from pathlib import Path

import pytest

from assets.definitions import defs
from laion_pipeline.charts import CHARTS
from laion_pipeline.contract import CHECKS
from laion_pipeline.contract.page import contract_page
from laion_pipeline.releases.release import catalogue, find_release
from laion_pipeline.settings import Settings
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.tables.table import read_tables

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text("utf-8")
CONTRIBUTING = (PROJECT / "CONTRIBUTING.md").read_text("utf-8")


def rows_of(heading: str) -> set[str]:
    """The names in the first column of the table with that first heading."""
    table = README.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    return {
        name
        for line in table.splitlines()[2:]
        for name in re.findall(r"`([^`]+)`", line.split("|")[1])
    }


def test_settings() -> None:
    described = {name for name in rows_of("variable") if name.startswith("LAION_")}
    assert described == {f"LAION_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_defaults(name: str) -> None:
    line = next(row for row in README.splitlines() if row.startswith(f"| `LAION_{name.upper()}`"))
    default = Settings.model_fields[name].default
    if default is not None:
        assert f"`{str(default).lower() if isinstance(default, bool) else default}`" in line


def test_releases() -> None:
    text = README.split("Releases known by name:", 1)[1].split("Scores, checks", 1)[0]
    assert set(re.findall(r"`([^`]+)`", text)) == set(catalogue())


def test_tables() -> None:
    described = {table.name for table in read_tables(PROJECT / "assets" / "tables")}
    assert rows_of("table") == described


def test_charts() -> None:
    assert rows_of("chart") == {chart.name for chart in CHARTS}


def test_checks() -> None:
    assert rows_of("check on `pairs`") == {n for n, c in CHECKS.items() if c.asset == "pairs"}
    assert all(f"`{name}`" in README for name in CHECKS)


def test_the_page_on_the_contract_is_up_to_date() -> None:
    assert (PROJECT / "docs" / "contract.md").read_text("utf-8") == contract_page()


def test_assets_are_all_named() -> None:
    names = {key.to_user_string() for key in defs.resolve_all_asset_keys()}
    assert all(name in README for name in names)


def test_make_targets() -> None:
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"make ([a-z]+)", README.split("## Work", 1)[0])) - {"itself"} <= targets
    assert set(re.findall(r"`make ([a-z]+)`", README)) <= targets


def test_the_description_of_a_release_is_one(tmp_path: Path) -> None:
    described = README.split("```toml\n", 1)[1].split("```", 1)[0]
    file = tmp_path / "release.toml"
    file.write_text(described)
    assert find_release(str(file)).name == "my-release"


def test_pictures_and_links_are_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (PROJECT / target).exists()


def test_the_map_of_folders_has_all_of_them_in_the_order_of_the_floors() -> None:
    mapped = re.findall(r"^\| `laion_pipeline/(\w+)/`", CONTRIBUTING, re.MULTILINE)
    folders = {init.parent.name for init in (PROJECT / "laion_pipeline").glob("*/__init__.py")}
    assert set(mapped) == folders
    contract, *_ = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
    assert mapped == [floor for floor in reversed(contract["layers"]) if floor in folders]


def test_what_contributing_names_is_there() -> None:
    for path in re.findall(r"`((?:assets|laion_pipeline|tests|\.ci)/[\w./]*)`", CONTRIBUTING):
        assert (PROJECT / path).exists(), path
    targets = set(
        re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
    )
    assert set(re.findall(r"`make ([a-z]+)`", CONTRIBUTING)) <= targets


def test_the_fields_of_a_subset_are_all_told() -> None:
    section = README.split("## Choose what to train on", 1)[1].split("\n## ", 1)[0]
    fields = SubsetFilter.model_fields.keys() - {"name"}
    assert fields <= set(re.findall(r"`?(\w+)`?", section))


def test_the_subset_is_one(tmp_path: Path) -> None:
    section = README.split("## Choose what to train on", 1)[1]
    file = tmp_path / "dogs.toml"
    file.write_text(section.split("```toml\n", 1)[1].split("```", 1)[0])
    assert SubsetFilter.read(file).name == "dogs"
