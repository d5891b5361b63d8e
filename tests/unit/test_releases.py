"""Releases: the catalogue is sound, and a release of one's own is checked and explained."""

import math
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from laion_pipeline.contract import Contract, QuarantineRule, RowRule, defects_expression
from laion_pipeline.errors import SettingsError
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.releases.release import Release, catalogue, find_release

OWN = 'name = "own"\ncolumns = ["text", "url", "aesthetic"]\n'
SIMILAR = 'name = "own"\ncolumns = ["text", "url", "similarity"]\n'
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
    assert {rule.column for rule in Contract.of(release).row_rules} <= set(release.columns)


@pytest.mark.parametrize("name", NAMES)
def test_rules_of_every_release_are_sql(name: str) -> None:
    release = find_release(name)
    rules = Contract.of(release).row_rules
    empty = ", ".join(f"NULL::{c.sql_type} AS {c.name}" for c in release.canonical_columns)
    wanting = {"url_http", "text_present", *(f"{score}_range" for score in release.scores)}
    counts = ", ".join(f"{rule.broken} AS {rule.name}" for rule in rules)
    with duckdb.connect() as connection:
        query = f"SELECT {defects_expression(release)}, {counts} FROM (SELECT {empty})"
        mask, *broken = connection.execute(query).fetchall()[0]
    assert mask == sum(
        rule.mask for rule in rules if rule.name in wanting and isinstance(rule, QuarantineRule)
    )
    found = {rule.name for rule, is_broken in zip(rules, broken, strict=True) if is_broken}
    assert found == wanting | {"sizes_known"}


def test_releases_have_the_filters_that_were_published() -> None:
    kept = {"punsafe": Interval(below=0.5), "pwatermark": Interval(below=0.8)}
    v1 = {"sample", "laion2B-en-aesthetic", "laion2B-multi-aesthetic", "laion1B-nolang-aesthetic"}
    for name, release in catalogue().items():
        assert release.filters == (kept if name in v1 else {}), name
    cutoffs = {name: release.similarity_cutoff for name, release in catalogue().items()}
    assert cutoffs == dict.fromkeys(cutoffs) | {
        **{f"laion2B-en{kind}": 0.28 for kind in ("", "-joined", "-aesthetic")},
        "sample": 0.28,
        **dict.fromkeys(["relaion2B-en-research", "relaion2B-en-research-safe"], 0.28),
        **{f"laion2B-multi{kind}": 0.26 for kind in ("", "-joined", "-aesthetic")},
        **{f"laion1B-nolang{kind}": 0.26 for kind in ("", "-joined", "-aesthetic")},
        "relaion400m": 0.3,
    }


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
    (rule,) = [rule for rule in Contract.of(release).row_rules if rule.column == "aesthetic"]
    assert rule.demands == "aesthetic is there, and 1 <= aesthetic < 5"


def test_a_file_says_what_its_makers_kept(tmp_path: Path) -> None:
    release = described(
        tmp_path,
        OWN.replace('"url"', '"url", "punsafe", "similarity"')
        + "similarity_cutoff = 0\nfilters.punsafe = {at_most = 0.25}\n"
        "filters.aesthetic = {at_least = 6}\n",
    )
    rules = {rule.name: rule for rule in Contract.of(release).row_rules}
    rows = "(VALUES (0.25, 6.0, 0.0), (0.26, 6.0, 0.0), (0.25, 5.9, 0.0), (0.25, 6.0, -0.01))"
    assert [
        broken_of(rules[name], f"{rows} AS rows (punsafe, aesthetic, similarity)")
        for name in ("punsafe_filter", "aesthetic_filter", "similarity_cutoff")
    ] == [[False, True, False, False], [False, False, True, False], [False, False, False, True]]
    assert rules["punsafe_filter"].demands.startswith("punsafe <= 0.25, ")


def broken_of(rule: RowRule, rows: str) -> list[bool]:
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {rule.broken} FROM {rows}").fetchall()
    return [broken for (broken,) in found]


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
        (OWN + "filters.aesthetic = {atleast = 1}",
         "filters.aesthetic.atleast: Extra inputs are not permitted"),
        (OWN + "filters.aesthetic = 1", "filters.aesthetic: "),
        (OWN + "filters = 1", "filters: "),
        (OWN + "filters.beauty = {at_least = 1}", "filters: unknown column: beauty"),
        (OWN + "filters.punsafe = {below = 1}", "filters names punsafe, which is not in columns"),
        (OWN + "filters.text = {below = 1}",
         "filters is for punsafe, pwatermark, aesthetic, not text"),
        (SIMILAR + "filters.similarity = {at_least = 0.3}",
         "filters is for punsafe, pwatermark, aesthetic, not similarity; use similarity_cutoff"),
        (OWN + "similarity_cutoff = 0.3",
         "similarity_cutoff is given, but similarity is not in columns"),
        (SIMILAR + 'similarity_cutoff = "low"', "similarity_cutoff: should be a valid number"),
        (SIMILAR + "similarity_cutoff = {at_least = 0.3}",
         "similarity_cutoff: should be a valid number"),
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
    with pytest.raises(SettingsError, match=r"filters\.aesthetic\.below: .*finite"):
        described(tmp_path, OWN + f"filters.aesthetic = {{below = {bound}}}")
    with pytest.raises(SettingsError, match=r"similarity_cutoff: .*finite"):
        described(tmp_path, SIMILAR + f"similarity_cutoff = {bound}")


@pytest.mark.parametrize("value", ["true", '"0.3"'])
@pytest.mark.parametrize(
    "setting", ["ranges.aesthetic.above", "filters.aesthetic.above", "similarity_cutoff"]
)
def test_a_number_is_written_as_one(setting: str, value: str, tmp_path: Path) -> None:
    columns = 'name = "own"\ncolumns = ["text", "url", "similarity", "aesthetic"]\n'
    assert described(tmp_path, f"{columns}{setting} = 0.3")
    with pytest.raises(SettingsError, match=f"{setting}: should be a"):
        described(tmp_path, f"{columns}{setting} = {value}")


@pytest.mark.parametrize("cutoff", [-1, 0, 0.3, 1])
def test_a_cut_off_lies_where_similarities_do(cutoff: float, tmp_path: Path) -> None:
    release = described(tmp_path, SIMILAR + f"similarity_cutoff = {cutoff}")
    assert release.similarity_cutoff == cutoff


def test_nothing_in_a_description_breaks_the_line(tmp_path: Path) -> None:
    for text in (OWN + '"a\\nb" = 1', OWN + 'ranges."a\\nb" = {}', OWN + '"a\\u001b[2J" = 1'):
        with pytest.raises(SettingsError) as caught:
            described(tmp_path, text)
        assert str(caught.value).isprintable(), text


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


@given(
    st.fixed_dictionaries(
        {},
        optional={bound: st.floats(-5, 5) for bound in ("at_least", "above", "at_most", "below")},
    ),
    st.lists(st.floats() | st.floats(-5, 5) | st.none(), max_size=20),
)
def test_an_interval_holds_what_lies_between_its_bounds(
    bounds: dict[str, float], values: list[float | None]
) -> None:
    if {"at_least", "above"} <= bounds.keys() or {"at_most", "below"} <= bounds.keys():
        with pytest.raises(ValidationError, match="not both"):
            Interval(**bounds)
        return
    low = max((bounds[name] for name in ("at_least", "above") if name in bounds), default=-6)
    high = min((bounds[name] for name in ("at_most", "below") if name in bounds), default=6)
    if not bounds or low > high:
        with pytest.raises(ValidationError, match=r"is above|give at_least"):
            Interval(**bounds)
        return
    tried = [*values, *bounds.values()]
    predicate = Interval(**bounds).predicate("x")
    with duckdb.connect() as connection:
        held = [
            connection.execute(f"SELECT ({predicate}) IS TRUE FROM (SELECT ?::DOUBLE AS x)", [x])
            .fetchall()[0][0]
            for x in tried
        ]  # fmt: skip
    assert held == [
        x is not None
        and not math.isnan(x)
        and bounds.get("at_least", -math.inf) <= x <= bounds.get("at_most", math.inf)
        and ("above" not in bounds or x > bounds["above"])
        and ("below" not in bounds or x < bounds["below"])
        for x in tried
    ]


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(above=7, at_most=10), "7 < x <= 10"),
        (Interval(at_least=-1, below=1), "-1 <= x < 1"),
        (Interval(at_least=4.5), "4.5 <= x"),
    ],
)
def test_an_interval_reads_like_mathematics(interval: Interval, text: str) -> None:
    assert interval.words("x") == text
