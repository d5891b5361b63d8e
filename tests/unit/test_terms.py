"""Terms asked about: how a file names them, what its intervals are worth, and what is shown."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from laion_pipeline.charts import render_chart
from laion_pipeline.charts.terms import TERM_CURVES
from laion_pipeline.errors import SettingsError
from laion_pipeline.session import Session
from laion_pipeline.tables.table import materialize_table
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.provenance import Provenance
from laion_pipeline.warehouse.terms import TermGroups, hold_terms
from tests.builders import RAW, Row, change, fetch, load_rows, make_tables, pair, pairs, tables

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "terms.toml"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file or directory"),
        ("groups = 3", "groups: should be a valid dictionary"),
        ("[groups]", "names no terms: give some below [groups]"),
        ("[groups]\nnone = []", "names no terms: give some below [groups]"),
        ("", "names no terms: give some below [groups]"),
        ('[groups]\na = ["x", "?!"]', "groups: a has a term without a word in it: '?!'"),
        ('[groups]\na = ["x", "X"]', "groups: a has a term twice"),
        ('[groups]\na = "x"', "groups.a: should be a valid tuple"),
        ('[terms]\na = ["x"]', "terms: Extra inputs are not permitted"),
        (f"[groups]\na = {[str(n) for n in range(101)]}", "groups: there are 101 terms, and "),
        ("[groups", "not valid TOML: "),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_told_before_anything_is_made(
    content: str | None, complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "terms.toml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError) as raised:
        Session.open(terms=str(file), data_dir=str(tmp_path / "data"))
    assert str(raised.value).startswith(f"LAION_TERMS={file}: {complaint}")
    assert str(raised.value).isprintable()
    assert not (tmp_path / "data").exists()


def test_the_example_says_who_chose_its_terms() -> None:
    example = TermGroups.read(EXAMPLE)
    assert "arXiv 1607.06520" in example.source
    assert [len(terms) for terms in example.groups.values()] == [10, 10]


def test_other_terms_are_another_analysis(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, pairs(3))
    with warehouse.connect() as connection:
        provenance = Provenance.read(connection)
    without = Session.open(data_dir=str(tmp_path / "data"))
    asking = Session.open(data_dir=str(tmp_path / "data"), terms=str(EXAMPLE))
    versions = {each.finished_version(provenance, "sql") for each in (without, asking)}
    assert len(versions) == 2


def test_an_interval_holds_the_true_lift_19_times_in_20(tmp_path: Path) -> None:
    """Over made-up captions of two steps of a score, in which terms are as frequent as is known."""
    chance = np.random.default_rng(7)
    sizes, shares = (300, 700), (0.12, 0.05)
    terms = tuple(f"word{n}" for n in range(100))
    true = shares[0] / (sum(n * share for n, share in zip(sizes, shares, strict=True)) / sum(sizes))
    held = []
    for attempt in range(4):
        rows: list[Row] = []
        for size, share, aesthetic in zip(sizes, shares, (7.1, 7.3), strict=True):
            for having in chance.random((size, len(terms))) < share:
                text = " ".join(["caption", *np.array(terms)[having]])
                rows.append(pair(len(rows), aesthetic=aesthetic, text=text))
        warehouse = asked(tmp_path / str(attempt), rows, TermGroups(groups={"all": terms}))
        held += fetch(
            warehouse,
            "SELECT ? BETWEEN lift_low AND lift_high FROM term_lift"
            " WHERE score = 'aesthetic' AND score_from = 7",
            true,
        )
    assert len(held) == 400
    assert abs(sum(each for (each,) in held) / len(held) - 0.95) < 0.03


def asked(folder: Path, rows: Sequence[Row], terms: TermGroups) -> Warehouse:
    """A warehouse with `term_lift` of these terms."""
    warehouse = load_rows(folder, rows)
    make_tables(warehouse, folder / "tables", "scores_by_shard")
    with warehouse.connect() as connection:
        hold_terms(connection, terms)
    materialize_table(warehouse, tables()["term_lift"], folder / "tables")
    return warehouse


def test_nothing_is_drawn_where_nothing_was_asked(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, pairs(3))
    make_tables(warehouse, tmp_path / "tables", "scores_by_shard", "term_lift")
    change(warehouse, "DELETE FROM term_lift")
    drawing = render_chart(warehouse, TERM_CURVES, tmp_path / "charts").drawing
    assert drawing.title.startswith("No terms were asked about")


def test_the_chart_names_the_term_that_the_score_surely_favours(tmp_path: Path) -> None:
    rows = pairs(400, aesthetic=7.1, text="a car")
    rows += pairs(400, first=400, aesthetic=9.1, text="something")
    rows += [pair(900 + n, aesthetic=9.1, text="the blue sea") for n in range(200)]
    rows += [pair(1200 + n, aesthetic=7.1, text="some blue") for n in range(20)]
    warehouse = load_rows(tmp_path, rows)
    make_tables(warehouse, tmp_path / "tables", "scores_by_shard", "term_lift")
    drawing = render_chart(warehouse, TERM_CURVES, tmp_path / "charts").drawing
    lift = 200 / 600 / (220 / 1020)
    assert drawing.title.startswith(f"At aesthetic 9 to 9.25, 'blue' is {lift:.2g} times as")
    assert "relative to what the release kept" in drawing.title
    assert "no such word: too few captions" in drawing.alt


def test_more_terms_than_have_room_are_told_of(tmp_path: Path) -> None:
    many = TermGroups(groups={"<b>many</b>": tuple(f"$x^{n}$ \u202e" for n in range(30))})
    warehouse = asked(tmp_path, pairs(30), many)
    drawing = render_chart(warehouse, TERM_CURVES, tmp_path / "charts").drawing
    assert drawing.alt.endswith("6 more are in the table.")
    assert "\u202e" not in drawing.alt


def test_a_release_without_an_aesthetic_score_is_asked_about_others(tmp_path: Path) -> None:
    rows = [pair(n, similarity=0.3 + n / 1000, text="the blue car") for n in range(40)]
    warehouse = load_rows(tmp_path, rows, RAW)
    make_tables(warehouse, tmp_path / "tables", "scores_by_shard", "term_lift")
    assert fetch(warehouse, "SELECT DISTINCT score FROM term_lift") == [("similarity",)]
    drawing = render_chart(warehouse, TERM_CURVES, tmp_path / "charts").drawing
    assert "steps of similarity" in drawing.alt
    lifts = fetch(warehouse, "SELECT DISTINCT lift FROM term_lift WHERE term = 'blue'")
    assert lifts == [(1.0,)]
