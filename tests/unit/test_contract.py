"""The contract: which value breaks which row rule, and where rows that break one end up."""

import math
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from laion_pipeline.contract import (
    CORE_COLUMNS,
    RULE_SUMMARIES,
    Interval,
    defects_expression,
    row_rules,
)
from laion_pipeline.releases import find_release
from laion_pipeline.warehouse import Warehouse
from tests.builders import CORE, RAW, RULES, SAMPLE, column, fetch, load_rows, pair

INF, NAN = math.inf, math.nan
ABOVE_7, ABOVE_10 = math.nextafter(7, 8), math.nextafter(10, 11)
BELOW_0, BELOW_MINUS_1 = math.nextafter(0, -1), math.nextafter(-1, -2)
ABOVE_1 = math.nextafter(1, 2)
# Python's own list of blanks, which is Unicode's White_Space and the four ASCII separators.
BLANKS = [chr(code) for code in range(0x110000) if chr(code).isspace()]

# For each rule the column it is about, values that break it and values that keep it.
CASES: dict[str, tuple[str, list[object], list[object]]] = {
    "url_http": (
        "url",
        [
            *(None, "", " ", "ftp://x.example/a", "http:///x", "https://", "http:/x.example/a"),
            *("x.example/a", "//x.example/a", " https://x.example/a", "\nhttp://x.example"),
            *(
                "http:// x.example/a",
                "httpss://x.example",
                "see http://x.example",
                "data:,http://x",
            ),
            *("https://?a=b", "https://#top"),
        ],
        [
            *("https://x", "HTTP://x.example/a", "hTTpS://x.example", "http://x.example:80/a b"),
            *("http://[::1]/a", "https://bücher.example/ü", "https://x.example/\n", "http://x?a"),
        ],
    ),
    "text_present": (
        "text",
        [None, "", " ", "   ", "\t\n", "".join(BLANKS), *BLANKS],
        ["a", " a ", "0", "\u200b", ".", "\ufffd", "\x00", "\u3000거실\u3000", "'"],
    ),
    "width_positive": ("width", [0, -1, -(2**63)], [None, 1, 2**63 - 1]),
    "height_positive": ("height", [0, -1, -(2**63)], [None, 1, 2**63 - 1]),
    "similarity_range": (
        "similarity",
        [None, NAN, INF, -INF, ABOVE_1, BELOW_MINUS_1, 6016.0],
        [-1.0, 1.0, 0.0, -0.0, 5e-324],
    ),
    "punsafe_range": (
        "punsafe",
        [None, NAN, INF, -INF, ABOVE_1, BELOW_0, -1.0],
        [0.0, -0.0, 1.0, 5e-324],
    ),
    "pwatermark_range": (
        "pwatermark",
        [None, NAN, INF, -INF, ABOVE_1, BELOW_0, -1.0],
        [0.0, -0.0, 1.0, 5e-324],
    ),
    "aesthetic_range": (
        "aesthetic",
        [None, NAN, INF, -INF, 7.0, 0.0, -0.0, -7.5, ABOVE_10],
        [ABOVE_7, 10.0, 8.5],
    ),
}
VALUES = [
    (rule, name, value, broken)
    for rule, (name, *both) in CASES.items()
    for broken, values in zip((True, False), both, strict=True)
    for value in values
]


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A row for each of VALUES, with its number there as hash."""
    rows = [pair(number, **{name: value}) for number, (_, name, value, _) in enumerate(VALUES)]
    return load_rows(tmp_path_factory.mktemp("edges"), rows)


@pytest.fixture(scope="module")
def reasons(edges: Warehouse) -> dict[object, object]:
    return dict(fetch(edges, "SELECT hash, reasons FROM quarantine"))


@pytest.fixture(scope="module")
def masks(edges: Warehouse) -> dict[object, object]:
    return dict(fetch(edges, "SELECT hash, defects FROM pairs"))


def test_every_rule_has_cases() -> None:
    assert tuple(CASES) == tuple(RULE_SUMMARIES) == RULES


@pytest.mark.parametrize(
    "number", range(len(VALUES)), ids=[f"{rule}: {value!r}" for rule, _, value, _ in VALUES]
)
def test_a_value_breaks_just_its_rule_or_none(
    number: int, masks: dict[object, object], reasons: dict[object, object]
) -> None:
    rule, _, _, broken = VALUES[number]
    assert reasons.get(number, []) == ([rule] if broken else [])
    assert masks[number] == (1 << RULES.index(rule) if broken else 0)


def test_rows_are_valid_or_in_quarantine(edges: Warehouse) -> None:
    valid = column(edges, "SELECT hash FROM valid_pairs")
    quarantined = column(edges, "SELECT hash FROM quarantine")
    assert sorted(valid + quarantined) == list(range(len(VALUES)))
    assert sorted(valid) == sorted(column(edges, "SELECT hash FROM pairs WHERE defects = 0"))


def test_a_row_that_breaks_every_rule_has_every_bit(tmp_path: Path) -> None:
    worst = dict.fromkeys(CORE) | {"width": 0, "height": 0}
    warehouse = load_rows(tmp_path, [worst])
    ((mask, reasons),) = fetch(warehouse, "SELECT defects, reasons FROM quarantine")
    assert mask == 2 ** len(RULES) - 1
    assert reasons == list(RULES)
    assert fetch(warehouse, "SELECT * FROM valid_pairs") == []


def test_quarantine_keeps_the_row_as_it_came(tmp_path: Path) -> None:
    row = pair(1, text="\t", width=-3, aesthetic=7.0)
    warehouse = load_rows(tmp_path, [row, pair(2)])
    columns = ", ".join(CORE)
    assert fetch(warehouse, f"SELECT {columns}, shard_id, reasons FROM quarantine") == [
        (*row.values(), 0, ["text_present", "width_positive", "aesthetic_range"])
    ]


def test_a_release_without_scores_has_fewer_rules_with_the_same_bits(tmp_path: Path) -> None:
    bits = {rule.name: rule.bit for rule in SAMPLE.rules}
    assert {rule.name: rule.bit for rule in RAW.rules} == {name: bits[name] for name in RULES[:5]}
    row = {**pair(), "license": "?", "nsfw": "UNLIKELY", "similarity": None}
    warehouse = load_rows(tmp_path, [row], RAW)
    assert fetch(warehouse, "SELECT defects, reasons FROM quarantine") == [
        (1 << bits["similarity_range"], ["similarity_range"])
    ]


def test_valid_pairs_always_has_the_core_columns(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, [{**pair(), "license": "?", "nsfw": "UNLIKELY"}], RAW)
    described = fetch(warehouse, "DESCRIBE valid_pairs")
    assert [(name, type_) for name, type_, *_ in described] == [
        *((column.name, column.sql_type) for column in CORE_COLUMNS),
        *(("license", "VARCHAR"), ("nsfw", "VARCHAR"), ("shard_id", "INTEGER")),
    ]
    assert fetch(warehouse, "SELECT hash, punsafe, pwatermark, aesthetic FROM valid_pairs") == [
        (None, None, None, None)
    ]


def test_other_releases_have_other_ranges(tmp_path: Path) -> None:
    release = find_release("aesthetics_v2_4.5")
    rows = [pair(1, aesthetic=4.5), pair(2, aesthetic=math.nextafter(4.5, 4)), pair(3)]
    warehouse = load_rows(tmp_path, rows, release)
    assert column(warehouse, "SELECT hash FROM quarantine") == [2]


def test_no_rules_mark_nothing() -> None:
    assert defects_expression(row_rules([], {})) == "0"


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
        and bounds.get("at_least", -INF) <= x <= bounds.get("at_most", INF)
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
        (Interval(), "x"),
    ],
)
def test_an_interval_reads_like_mathematics(interval: Interval, text: str) -> None:
    assert str(interval) == text
