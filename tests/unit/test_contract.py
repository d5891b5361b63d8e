"""The contract: which value breaks which rule, and where rows that break one end up."""

import html.entities
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_pipeline.contract import (
    CHECKS,
    Contract,
    QuarantineRule,
    RowRule,
    Threshold,
    defects_expression,
)
from laion_pipeline.releases.columns import CORE_COLUMNS
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.releases.release import Release, catalogue, find_release
from laion_pipeline.warehouse.connections import Warehouse
from tests.builders import (
    CORE,
    RAW,
    RULES,
    SAMPLE,
    Row,
    change,
    column,
    fetch,
    load_rows,
    pair,
    table_of,
)
from tests.row_rules import broken_rules

# The sample, with the one filter more that no release of the catalogue has.
FILTERED = SAMPLE.model_copy(
    update={"filters": {**SAMPLE.filters, "aesthetic": Interval(at_least=7.25)}}
)
ROW_RULES = {rule.name: rule for rule in Contract.of(FILTERED).row_rules}

INF, NAN = math.inf, math.nan
ABOVE_7, ABOVE_10, ABOVE_1 = math.nextafter(7, 8), math.nextafter(10, 11), math.nextafter(1, 2)
BELOW_0, BELOW_MINUS_1 = math.nextafter(0, -1), math.nextafter(-1, -2)
BELOW_CUTOFF, BELOW_KEPT = math.nextafter(0.28, 0), math.nextafter(7.25, 0)
# Python's own list of blanks, which is Unicode's White_Space and the four ASCII separators.
BLANKS = [chr(code) for code in range(0x110000) if chr(code).isspace()]
NOT_THERE = ["", " ", "\t\n\x85", "".join(BLANKS), None]
UNKNOWN = [None, NAN]

# A rule, the column it is about, values that break it and no other rule, and values that keep it.
CASES: list[tuple[str, str, list[Any], list[Any]]] = [
    (
        "url_http",
        "url",
        [
            *(*NOT_THERE, "ftp://x.example/a", "http:///x", "https://", "HTTPS://", "http:/x/a"),
            *("x.example/a", "//x.example/a", " https://x.example/a", "\nhttp://x.example"),
            *("http:// x.example/a", "httpss://x.example", "see http://x.example", "data:,http://"),
            *("https://?a=b", "https://#top", "https:\\\\x", "ｈttps://x", "http://", "https:/"),
        ],
        [
            *("https://x", "HTTP://x.example/a", "hTTpS://x.example", "http://x.example:80/a b"),
            *("http://[::1]/a", "https://bücher.example/ü", "https://x.example/\n", "http://x?a"),
            *("https://{a}", "https://a", "https://z", "https://Z", "http://a b", "http://{", "http://0"),
        ],
    ),
    (
        "text_present",
        "text",
        [*NOT_THERE, *BLANKS],
        ["a", " a ", "0", "\u200b", ".", "\ufffd", "\x00", "\x7f", "\u3000거실\u3000", "'", "~"],
    ),
    ("width_positive", "width", [0, -1, -(2**63)], [None, 1, 2**63 - 1]),
    ("height_positive", "height", [0, -1, -(2**63)], [None, 1, 2**63 - 1]),
    (
        "similarity_range",
        "similarity",
        [*UNKNOWN, INF, -INF, ABOVE_1, BELOW_MINUS_1, 6016.0],
        [-1.0, 1.0, 0.0, -0.0, 5e-324],
    ),
    (
        "punsafe_range",
        "punsafe",
        [*UNKNOWN, INF, -INF, ABOVE_1, BELOW_0, -1.0],
        [0.0, -0.0, 1.0, 5e-324],
    ),
    (
        "pwatermark_range",
        "pwatermark",
        [*UNKNOWN, INF, -INF, ABOVE_1, BELOW_0, -1.0],
        [0.0, -0.0, 1.0, 5e-324],
    ),
    (
        "aesthetic_range",
        "aesthetic",
        [*UNKNOWN, INF, -INF, 7.0, 0.0, -0.0, -7.5, ABOVE_10],
        [ABOVE_7, 10.0, 8.5],
    ),
    (
        "punsafe_filter",
        "punsafe",
        [0.5, math.nextafter(0.5, 1), 1.0],
        [math.nextafter(0.5, 0), 0.0, -0.0, *UNKNOWN, INF, -INF, ABOVE_1, BELOW_0],
    ),
    (
        "pwatermark_filter",
        "pwatermark",
        [0.8, 0.800000011920929, 1.0],
        [math.nextafter(0.8, 0), 0.0, -0.0, *UNKNOWN, INF, -INF, ABOVE_1, BELOW_0],
    ),
    (
        "aesthetic_filter",
        "aesthetic",
        [BELOW_KEPT, ABOVE_7],
        [7.25, 10.0, *UNKNOWN, INF, -INF, 7.0, 0.0, -0.0, ABOVE_10],
    ),
    (
        "similarity_cutoff",
        "similarity",
        [BELOW_CUTOFF, 0.0, -0.0, -1.0],
        [0.28, 1.0, *UNKNOWN, INF, -INF, ABOVE_1, BELOW_MINUS_1],
    ),
    ("sizes_known", "width", [None], [1, 0, -1]),
    ("sizes_known", "height", [None], [1, 0, -1]),
    (
        "text_not_only_digits",
        "text",
        ["0", "007", " 12 ", "\u300012\u2029", "9" * 500, "٣", "１２", "१२३"],
        [
            *("1a", "1 2", "1.5", "-1", "1,000", "a", "/", ":", "12\u200b", "12\x00", "\x7f1"),
            *("²", "½", "①", "Ⅷ", *NOT_THERE),
        ],
    ),
    (
        "text_without_replacement_characters",
        "text",
        ["\ufffd", "a\ufffdb", " \ufffd", "\ufffd" * 9],
        ["\ufffc", "\ufffe", "\uffff", "?", "&#65533;", "\\ufffd", *NOT_THERE],
    ),
    (
        "text_without_control_characters",
        "text",
        [
            *("\x00", "a\x00b", "a\tb", "line\nbreak", "\r\na", "a\x1f", "\x7f", "a\x7f", "~\x7f~"),
            *("\x80a", "a\x85b", "a\x9f", '"\n"', "\\\t\\", "거실\n", "😀\x1b", "\x1ca"),
        ],
        [
            *('"', "\\", 'a"b\\c', "\xa0a", "\xada", "\u200b", "\u2028a", "\u202ea", "é"),
            *("e\u0301", "😀", "a/b", "\\n", "\\u0000", "~", "</a>", "\ufeffa", "\U000e0001a"),
            *NOT_THERE,
        ],
    ),
    (
        "text_without_html_entities",
        "text",
        [
            *("&amp;", "a &lt; b", "&#39;", "&#x27;", "&#X2F;", "&#0;", "&quot;x"),
            *("&#0001234567;", "&#x0001234567;"),
            *("&CounterClockwiseContourIntegral;", "&frac12;", "&unknown;", "&&amp;", "&amp;amp;"),
            "&" + "a" * 32 + ";",
        ],
        [
            *("&", "a & b;", "fish &amp", "R&D", "&;", "&#;", "&#x;", "&#xg;", "& amp;", "&1a;"),
            *("&a;", "&a b;", "&é;", "＆amp;", "&amp；", "&#;", "&#x;", "&٣٣;"),
            *("&" + "a" * 33 + ";", *NOT_THERE),
        ],
    ),
]  # fmt: skip
VALUES = [
    (rule, name, value, broken)
    for rule, name, *both in CASES
    for broken, values in zip((True, False), both, strict=True)
    for value in values
]


# What a row breaks, in plain Python and by the contract's SQL.


def broken_in(row: Row) -> set[str]:
    return broken_rules(row, least_aesthetic=7.25)


def broken_by_sql(rows: Iterable[Row], release: Release = FILTERED) -> list[set[str]]:
    rules = Contract.of(release).row_rules
    table = table_of(list(rows))
    with duckdb.connect() as connection:
        connection.register("rows", table)
        found = connection.execute(f"SELECT {told(rules)} FROM rows").fetchall()
    return [set(names) for (names,) in found]


def told(rules: Iterable[RowRule]) -> str:
    names = ", ".join(f"CASE WHEN {rule.broken} THEN '{rule.name}' END" for rule in rules)
    return f"list_filter([{names}], lambda name: name IS NOT NULL)"


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A row for each of VALUES, with its number there as hash."""
    rows = [pair(number, **{name: value}) for number, (_, name, value, _) in enumerate(VALUES)]
    return load_rows(tmp_path_factory.mktemp("edges"), rows, FILTERED)


@pytest.fixture(scope="module")
def broken(edges: Warehouse) -> Mapping[object, object]:
    return dict(fetch(edges, f"SELECT hash, {told(ROW_RULES.values())} FROM pairs"))


@pytest.fixture(scope="module")
def marked(edges: Warehouse) -> Mapping[object, object]:
    """For each row its mask and, if it is in quarantine, its reasons."""
    found = fetch(
        edges, "SELECT hash, defects, reasons FROM pairs LEFT JOIN quarantine USING (hash, defects)"
    )
    return {number: (mask, reasons or []) for number, mask, reasons in found}


def test_every_rule_has_cases() -> None:
    assert tuple(dict.fromkeys(rule for rule, *_ in CASES)) == tuple(ROW_RULES)
    assert (
        tuple(rule.name for rule in ROW_RULES.values() if isinstance(rule, QuarantineRule)) == RULES
    )


@pytest.mark.parametrize(
    "number",
    range(len(VALUES)),
    ids=[f"{rule}: {name} {str(value)[:40]!r}" for rule, name, value, _ in VALUES],
)
def test_a_value_breaks_just_its_rule_or_keeps_it(
    number: int, broken: Mapping[int, list[str]], marked: Mapping[int, object]
) -> None:
    rule, name, value, breaks = VALUES[number]
    if breaks:
        assert broken[number] == [rule]
    else:
        assert rule not in broken[number]
        assert set(broken[number]) == broken_in(pair(number, **{name: value}))
    reasons = [each for each in RULES if each in broken[number]]
    assert marked[number] == (sum(1 << RULES.index(reason) for reason in reasons), reasons)


def test_every_column_has_an_answer_for_what_is_no_value() -> None:
    scores = {
        score: [(None, "range"), (NAN, "range"), (INF, "range"), (-INF, "range"), (-0.0, zero)]
        for score, zero in (
            *(("similarity", "cutoff"), ("punsafe", ""), ("pwatermark", "")),
            ("aesthetic", "range"),
        )
    }  # fmt: skip
    answers = [
        *(("url", value, "url_http") for value in NOT_THERE),
        *(("text", value, "text_present") for value in NOT_THERE),
        *((side, value, rule) for side in ("width", "height")
          for value, rule in ((None, "sizes_known"), (0, f"{side}_positive"))),
        *(("hash", value, "") for value in (None, 0, -1)),
        *((score, value, rule and f"{score}_{rule}")
          for score, values in scores.items() for value, rule in values),
    ]  # fmt: skip
    assert {name for name, *_ in answers} == set(CORE)
    found = broken_by_sql({**pair(), name: value} for name, value, _ in answers)
    for (name, value, rule), broken in zip(answers, found, strict=True):
        assert broken == {rule} - {""}, f"{name} {value!r}"


# Strings in which the shortcuts could go wrong, whole or as part of others.
TRICKY = [
    *("http://", "https://", "HTTPS://", "https://{", "http://a b", "https://`", "https://a"),
    *("http", "&", "&amp;", "&#", "&#x", ";", "#", "x27", "12", "9", ":", "/", "!", "~", "a", "Z"),
    *("\x00", "\x1f", "\x7f", "\x80", "\x85", "\x9f", "\xa0", "\t", "\n", " ", "\x1c", "\u3000"),
    *('"', "\\", "\\u0000", "'", "\ufffd", "\ufeff", "\u200b", "\u2028", "\u202e", "\u0301"),
    *("😀", "👩‍👩‍👧", "🏳️‍🌈", "e\u0301", "거실", "٣", "１", "\ud7ff", "\ue000", "\U0010ffff"),
]  # fmt: skip
CAPTIONS = st.lists(
    st.sampled_from(TRICKY)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
    | st.text(max_size=3, alphabet=st.characters(max_codepoint=0xFF)),
    max_size=6,
).map("".join)
_BLANK = "".join(f"\\x{{{ord(blank):x}}}" for blank in BLANKS)
# The same rules without anything that decides sooner than the expression does; true where broken.
PLAIN = {
    "url_http": f"NOT regexp_matches(url, '^(?i:https?)://[^/?#{_BLANK}]')",
    "text_present": f"NOT regexp_matches(text, '[^{_BLANK}]')",
    "text_not_only_digits": f"regexp_matches(text, '^[{_BLANK}]*\\p{{Nd}}+[{_BLANK}]*$')",
    "text_without_replacement_characters": r"regexp_matches(text, '\x{fffd}')",
    "text_without_control_characters": (
        rf"regexp_matches(text, '\p{{Cc}}') AND regexp_matches(text, '[^{_BLANK}]')"
    ),
    "text_without_html_entities": (
        "regexp_matches(text, '&(?:#\\d+|#[xX][[:xdigit:]]+|[[:alpha:]][[:alnum:]]{1,31});')"
    ),
}


@given(st.lists(CAPTIONS, min_size=1, max_size=60))
def test_rules_for_text_decide_as_plain_python_does(strings: list[str]) -> None:
    rows = [pair(url=each, text=each) for each in strings]
    for row, found in zip(rows, broken_by_sql(rows), strict=True):
        assert found == broken_in(row), repr(row["text"])


@given(st.lists(CAPTIONS, min_size=1, max_size=60))
def test_shortcuts_decide_as_the_plain_expressions_do(strings: list[str]) -> None:
    with duckdb.connect() as connection:
        connection.register("rows", table_of([pair(url=each, text=each) for each in strings]))
        assert unlike_plain(connection) == dict.fromkeys(PLAIN)


def unlike_plain(connection: duckdb.DuckDBPyConnection) -> dict[str, str | None]:
    """For each of PLAIN a string of `rows` on which the rule decides otherwise, if there is one."""
    unlike = (
        f"min(url) FILTER (({ROW_RULES[rule].broken}) IS DISTINCT FROM ({plain}))"
        for rule, plain in PLAIN.items()
    )
    found = connection.execute(f"SELECT {', '.join(unlike)} FROM rows").fetchall()
    return dict(zip(PLAIN, found[0], strict=True))


@pytest.mark.parametrize("around", ["{}", "a{}", "{}7", "7{}", "https://{}", "&am{};"])
def test_shortcuts_decide_as_the_plain_expressions_do_for_every_character(around: str) -> None:
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("CREATE TABLE rows (url VARCHAR, text VARCHAR)")
        connection.execute(
            "INSERT INTO rows SELECT replace(?, '{}', chr(code::INTEGER)) AS url, url AS text"
            f" FROM range({0x110000}) AS codes (code) WHERE code NOT BETWEEN {0xD800} AND {0xDFFF}",
            [around],
        )
        assert unlike_plain(connection) == dict.fromkeys(PLAIN)


def test_every_entity_of_html_is_found() -> None:
    names = [name for name in html.entities.html5 if name.endswith(";")]
    assert len(names) > 2000
    for name, found in zip(names, broken_by_sql(pair(text=f"a &{n}") for n in names), strict=True):
        assert found == {"text_without_html_entities"}, name


@given(st.lists(st.floats() | st.none(), min_size=1, max_size=40))
def test_rules_for_scores_decide_as_plain_python_does(values: list[float | None]) -> None:
    scores = ("similarity", "punsafe", "pwatermark", "aesthetic")
    rows: list[Row] = [{**pair(), score: value} for value in values for score in scores]
    for row, found in zip(rows, broken_by_sql(rows), strict=True):
        assert found == broken_in(row), row


@pytest.mark.parametrize("rule", ROW_RULES.values(), ids=lambda rule: rule.name)
def test_what_a_person_runs_finds_all_rows_that_break_a_rule(
    rule: RowRule, edges: Warehouse, broken: Mapping[int, list[str]]
) -> None:
    found = fetch(edges, f"SELECT shard, hash FROM ({rule.finds}) ORDER BY hash")
    assert found == [("part-0.parquet", n) for n in sorted(broken) if rule.name in broken[n]]


def test_rows_are_valid_or_in_quarantine(edges: Warehouse) -> None:
    valid = column(edges, "SELECT hash FROM valid_pairs")
    quarantined = column(edges, "SELECT hash FROM quarantine")
    assert sorted(valid + quarantined) == list(range(len(VALUES)))
    assert sorted(valid) == sorted(column(edges, "SELECT hash FROM pairs WHERE defects = 0"))


def test_the_mask_of_a_row_is_just_the_rules_it_breaks_in_any_combination(tmp_path: Path) -> None:
    bad = {"url": "", "text": " ", "width": 0, "height": 0} | dict.fromkeys(CORE[4:])
    bad.pop("hash")
    rows = [
        pair(mask, **{name: bad[name] for bit, name in enumerate(bad) if mask & 1 << bit})
        for mask in range(2 ** len(RULES))
    ]
    warehouse = load_rows(tmp_path, rows)
    assert fetch(warehouse, "SELECT hash, defects, reasons FROM quarantine ORDER BY hash") == [
        (mask, mask, [rule for bit, rule in enumerate(RULES) if mask & 1 << bit])
        for mask in range(1, len(rows))
    ]
    assert column(warehouse, "SELECT hash FROM valid_pairs") == [0]


def test_a_row_that_is_null_throughout_breaks_what_asks_for_a_value(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, [dict.fromkeys(CORE)])
    assert fetch(warehouse, "SELECT reasons FROM quarantine") == [
        ([rule for rule in RULES if not rule.endswith("_positive")],)
    ]
    assert fetch(warehouse, "SELECT * FROM valid_pairs") == []


def test_quarantine_keeps_the_row_as_it_came(tmp_path: Path) -> None:
    row = pair(1, text="\t", width=-3, aesthetic=7.0)
    warehouse = load_rows(tmp_path, [row, pair(2)])
    columns = ", ".join(CORE)
    assert fetch(warehouse, f"SELECT {columns}, shard_id, reasons FROM quarantine") == [
        (*row.values(), 0, ["text_present", "width_positive", "aesthetic_range"])
    ]


def test_a_row_that_only_counts_is_valid(tmp_path: Path) -> None:
    dirty = pair(punsafe=0.9, pwatermark=0.9, similarity=0.1, width=None, text="1\ufffd\x00&amp;")
    assert broken_by_sql([dirty, pair(text="1")], SAMPLE) == [
        {
            *("punsafe_filter", "pwatermark_filter", "similarity_cutoff", "sizes_known"),
            *(rule for rule in ROW_RULES if rule.startswith("text_without")),
        },
        {"text_not_only_digits"},
    ]
    warehouse = load_rows(tmp_path, [dirty, pair(1, text="1")])
    assert column(warehouse, "SELECT defects FROM valid_pairs JOIN pairs USING (hash)") == [0, 0]


def test_bits_of_rules_never_change() -> None:
    # They are in warehouses and files that people have.
    bits = {rule.name: rule.bit for rule in CHECKS.values() if isinstance(rule, QuarantineRule)}
    assert bits == {
        "url_http": 0, "text_present": 1, "width_positive": 2, "height_positive": 3,
        "similarity_range": 4, "punsafe_range": 5, "pwatermark_range": 6, "aesthetic_range": 7,
    }  # fmt: skip


def test_a_release_without_scores_has_fewer_rules_with_the_same_bits(tmp_path: Path) -> None:
    raw = {
        rule.name: rule.bit
        for rule in Contract.of(RAW).row_rules
        if isinstance(rule, QuarantineRule)
    }
    assert raw == {name: bit for bit, name in enumerate(RULES[:5])}
    row = {**pair(), "license": "?", "nsfw": "UNLIKELY", "similarity": None}
    warehouse = load_rows(tmp_path, [row], RAW)
    assert fetch(warehouse, "SELECT defects, reasons FROM quarantine") == [
        (1 << RULES.index("similarity_range"), ["similarity_range"])
    ]


def test_other_releases_have_other_ranges(tmp_path: Path) -> None:
    release = find_release("aesthetics_v2_4.5")
    rows = [pair(1, aesthetic=4.5), pair(2, aesthetic=math.nextafter(4.5, 4)), pair(3)]
    warehouse = load_rows(tmp_path, rows, release)
    assert column(warehouse, "SELECT hash FROM quarantine") == [2]


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


@pytest.mark.parametrize("release", [SAMPLE, RAW], ids=lambda release: release.name)
def test_what_shards_say_may_be_null_and_what_loading_adds_may_not(
    release: Release, tmp_path: Path
) -> None:
    warehouse = load_rows(tmp_path, [], release)
    described = fetch(warehouse, "DESCRIBE pairs")
    assert [(name, type_, null) for name, type_, null, *_ in described] == [
        *((column.name, column.sql_type, "YES") for column in release.canonical_columns),
        ("shard_id", "INTEGER", "NO"),
        ("defects", "INTEGER", "NO"),
    ]
    for one, other in (("shard_id", "defects"), ("defects", "shard_id")):
        with pytest.raises(duckdb.ConstraintException, match=one):
            change(warehouse, f"INSERT INTO pairs BY NAME SELECT 0 AS {other}")


@pytest.mark.parametrize("release", catalogue().values(), ids=lambda release: release.name)
def test_every_release_has_every_check_or_says_why_not(release: Release) -> None:
    contract = Contract.of(release)
    assert [check.name for check in contract.checks] == list(CHECKS)
    assets = dict.fromkeys(check.asset for check in contract.checks)
    assert contract.checks == tuple(check for asset in assets for check in contract.on(asset))
    for check in contract.checks:
        assert contract[check.name] is check
        assert check.skip_reason or check.demands, check.name
        assert check.in_general, check.name
        assert check.advice.endswith("."), check.name
        assert check.threshold_in_words, check.name
        assert check.finds, check.name
        assert (check.name, check.asset, check.blocking, check.unit, check.threshold) == (
            (like := CHECKS[check.name]).name, like.asset, like.blocking, like.unit, like.threshold
        )  # fmt: skip
    absent = {check.name for check in contract.checks if check.skip_reason}
    assert absent == {
        *(f"{score}_{what}" for score in ("similarity", "punsafe", "pwatermark", "aesthetic")
          for what in ("range", "drift") if score not in release.columns),
        *(f"{score}_filter" for score in ("punsafe", "pwatermark", "aesthetic")
          if score not in release.filters),
        *(("similarity_cutoff",) if release.similarity_cutoff is None else ()),
        *(("published_rows",) if release.published_rows is None else ()),
        *(("hashes_unique", "hash_matches") if "hash" not in release.columns else ()),
    }  # fmt: skip
    held_to = [*contract.row_rules, *contract.measures("pairs")]
    assert absent.isdisjoint(check.name for check in held_to)


def test_a_release_of_addresses_and_captions_is_held_to_what_it_has() -> None:
    release = Release(name="own", columns=("url", "text"))
    contract = Contract.of(release)
    assert [rule.name for rule in contract.row_rules] == [
        *("url_http", "text_present", "text_not_only_digits"),
        *(f"text_without_{dirt}" for dirt in (
            "replacement_characters", "control_characters", "html_entities")),
    ]  # fmt: skip
    assert [measure.name for measure in contract.measures("pairs")] == [
        *("every_source_row_loaded", "rows_retained", "shards_unique", "rows_present"),
        "urls_unique",
    ]
    assert {c.skip_reason for c in contract.on("pairs") if c.name == "sizes_known"} == {
        "it has no width"
    }


def test_only_what_would_make_everything_after_it_wrong_blocks() -> None:
    assert [check.name for check in CHECKS.values() if check.blocking] == [
        *("schema_as_contracted", "every_source_row_loaded", "every_row_accounted_for"),
        *("size_orientation", "rows_retained"),
    ]


def test_thresholds_change_verdicts_and_never_which_rows_are_valid() -> None:
    lenient = Threshold(error_above=0.9)
    changed = Contract.of(SAMPLE, {"url_http": lenient, "rows_drift": lenient})
    usual = Contract.of(SAMPLE)
    differing = {
        ours.name for ours, theirs in zip(changed.checks, usual.checks, strict=True)
        if ours != theirs
    }  # fmt: skip
    assert differing == {"url_http", "rows_drift"}
    assert changed["url_http"].threshold == changed["rows_drift"].threshold == lenient
    assert changed["url_http"].threshold_in_words == "an error above 90 % of the rows"
    assert changed.row_rules[0].broken == usual.row_rules[0].broken


def test_a_check_that_there_is_not_has_no_place_in_the_mask() -> None:
    expression = defects_expression(Release(name="own", columns=("url", "text")))
    with duckdb.connect() as connection:
        rows = "(VALUES (NULL, NULL), ('https://a', NULL), ('', 'a'), ('https://a', 'a'))"
        found = connection.execute(f"SELECT {expression} FROM {rows} AS rows (url, text)")
        assert sorted(found.fetchall()) == [(0,), (1,), (2,), (3,)]
