"""Releases: the catalogue is sound, and a release of one's own is checked and explained."""

from pathlib import Path

import duckdb
import pytest

from laion_pipeline.contract import SCORES, defects_expression
from laion_pipeline.errors import SettingsError
from laion_pipeline.releases import Release, catalogue, find_release

OWN = 'name = "own"\ncolumns = ["text", "url", "aesthetic"]\n'
NAMES = list(catalogue())


def described(folder: Path, text: str) -> Release:
    file = folder / "own.toml"
    file.write_text(text, "utf-8")
    return find_release(str(file))


@pytest.mark.parametrize("name", NAMES)
def test_every_release_of_the_catalogue_is_sound(name: str) -> None:
    release = find_release(name)
    assert release.name == name
    assert release.title
    assert (release.repo == "") == (name == "sample")
    assert {"url", "text", "width", "height"} <= set(release.columns)
    assert release.has_shard("part-00000-x-c000.snappy.PARQUET")
    assert not release.has_shard("README.md")
    assert release.scores == tuple(score for score in SCORES if score in release.columns)
    assert ("aesthetic" in release.columns) == bool(release.score_model)
    assert set(release.ranges) | set(release.filters) <= set(release.columns)
    assert {rule.column for rule in release.rules} <= set(release.columns)


@pytest.mark.parametrize("name", NAMES)
def test_rules_of_every_release_are_sql(name: str) -> None:
    release = find_release(name)
    empty = ", ".join(f"NULL::{c.sql_type} AS {c.name}" for c in release.canonical_columns)
    broken = sum(rule.mask for rule in release.rules if "or unknown" not in rule.description)
    with duckdb.connect() as connection:
        query = f"SELECT {defects_expression(release.rules)} FROM (SELECT {empty})"
        assert connection.execute(query).fetchall() == [(broken,)]


@pytest.mark.parametrize("name", ["laion2B-en", "laion2B-multi", "laion1B-nolang", "relaion400m"])
def test_raw_releases_have_their_sizes_swapped(name: str) -> None:
    spelled = {c.name: c.spellings for c in find_release(name).canonical_columns}
    assert spelled["width"][-1] == "height"
    assert spelled["height"][-1] == "width"


def test_the_other_releases_have_not() -> None:
    assert [name for name in NAMES if find_release(name).sizes_swapped] == [
        "laion2B-en", "laion2B-multi", "laion1B-nolang", "relaion400m",
    ]  # fmt: skip


def test_an_unknown_release_is_told_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match=r"^LAION_RELEASE=laion5B: no such release") as caught:
        find_release("laion5B")
    assert all(name in str(caught.value) for name in NAMES)


def test_a_file_describes_another_release(tmp_path: Path) -> None:
    release = described(
        tmp_path,
        OWN + 'spellings = {text = ["alt"]}\nfiles = "own/*.pq"\n'
        "[ranges]\naesthetic = {at_least = 1, below = 5}\n",
    )
    assert release.columns == ("url", "text", "aesthetic"), "in the contract's order"
    assert {c.name: c.spellings[0] for c in release.canonical_columns}["text"] == "alt"
    assert release.has_shard("own/A.PQ")
    (rule,) = [rule for rule in release.rules if rule.column == "aesthetic"]
    assert rule.description == "aesthetic is there and 1 <= x < 5"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('columns = ["url", "text"]', "name: Field required"),
        ('name = "own"', "columns: Field required"),
        (OWN + "colour = 1", "colour: Extra inputs are not permitted"),
        (OWN + 'published_rows = "many"', "published_rows: should be a valid integer"),
        (OWN + "published_rows = 0", "published_rows: should be greater than 0"),
        (OWN + "sizes_swapped = 7", "sizes_swapped: should be a valid boolean"),
        (OWN + "ranges.aesthetic = {at_least = 1, above = 2}",
         "ranges.aesthetic: give at_least or above, not both"),
        (OWN + "ranges.aesthetic = {at_most = 1, below = 2}",
         "ranges.aesthetic: give at_most or below, not both"),
        (OWN + "filters.aesthetic = {at_least = 1, above = 2}",
         "filters.aesthetic: give at_least or above, not both"),
        (OWN + "ranges.aesthetic = {atleast = 1}",
         "ranges.aesthetic.atleast: Extra inputs are not permitted"),
        (OWN + 'ranges.aesthetic = {at_least = "low"}',
         "ranges.aesthetic.at_least: should be a valid number"),
        (OWN + "ranges.beauty = {at_least = 1}", "ranges: unknown column: beauty"),
        (OWN + 'spellings = {caption = ["a"]}', "spellings: unknown column: caption"),
        ('name = "own"\ncolumns = ["url", "text", "size"]', "columns: unknown: size (known: url, "),
        ('name = "own"\ncolumns = ["url", "width"]', "columns: a release needs text"),
        ('name = "own"\ncolumns = []', "columns: a release needs text, url"),
        ('name = "own"\ncolumns = "url"', "columns: should be a valid tuple"),
        ('name = ""\ncolumns = ["url", "text"]', "name: String should match pattern"),
        ('name = "../up"\ncolumns = ["url", "text"]', "name: String should match pattern"),
        ('name = "a/b"\ncolumns = ["url", "text"]', "name: String should match pattern"),
        (OWN + "name", "not valid TOML: "),
        ("[own]\n" + OWN, "Field required"),
    ],
)  # fmt: skip
def test_a_wrong_description_is_told_in_one_line(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        described(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"LAION_RELEASE={tmp_path / 'own.toml'}: ")
    assert complaint in message
    assert "\n" not in message
    assert "Value error" not in message


@pytest.mark.parametrize("bound", ["inf", "-inf", "nan"])
def test_a_bound_is_a_finite_number(bound: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ranges\.aesthetic\.at_least: .*finite"):
        described(tmp_path, OWN + f"ranges.aesthetic = {{at_least = {bound}}}")


@pytest.mark.parametrize("name", ["width", "url", "punsafe"])
def test_a_range_that_no_rule_would_check_is_refused(name: str, tmp_path: Path) -> None:
    # Width and URL have no range rule, and this release has no punsafe.
    with pytest.raises(SettingsError, match=f"ranges.*{name}"):
        described(tmp_path, OWN + f"ranges.{name} = {{at_least = 1}}")


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be read: No such file"):
        find_release(str(tmp_path / "none.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"binary\.toml: cannot be read: not UTF-8"):
        find_release(str(tmp_path / "binary.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(SettingsError, match=r"folder\.toml: cannot be read: Is a directory"):
        find_release(str(tmp_path / "folder.toml"))
