"""Shards with a known number of each defect: all of them found, set apart, told, and not counted.

Once with the sample, and once with rows that are written by hand.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from laion_pipeline.contract import CHECKS
from laion_pipeline.sources.sample.shards import generate_sample, planted, planted_duplicate_urls
from tests.builders import hashed, pair, pairs, write_shard
from tests.oracles import ORACLES, scores
from tests.oracles.rows import assert_close
from tests.orchestration.planted import NAMES, by_shard, failing, reasons, source_rows
from tests.orchestration.runs import RELEASE, Run, asking, configured, query, run
from tests.row_rules import COUNTED, QUARANTINED, broken_rules

pytestmark = pytest.mark.slow

SAMPLE_ROWS = 1500
NAN, INFINITE = math.nan, math.inf
EVIL = "<img src=x onerror=alert(1)> **bold** [x](javascript:alert(1)) ```\x07\u202e"

# A rule of the contract, and what each of the rows that break it has instead of a good row's.
PLANTED_BY_HAND: dict[str, list[dict[str, Any]]] = {
    "url_http": [
        {"url": url}
        for url in (
            *(None, "", "   ", "ftp://host.example/a.jpg", "//host.example/a.jpg", "http:///a.jpg"),
            *("http://", "https:host.example/a.jpg", "data:image/gif;base64,R0lGODlhAQABAIAA"),
            *(f"www.host.example/{number}.jpg" for number in range(20)),
        )
    ],
    "text_present": [
        {"text": text}
        for text in (None, "", " ", "\t\r\n", "\u00a0\u2003\u3000", "\u0085\u2028\u001f")
    ],
    "width_positive": [{"width": width} for width in (0, -1, -(2**31))],
    "height_positive": [{"height": height} for height in (0, -1)],
    "similarity_range": [
        {"similarity": value} for value in (None, NAN, INFINITE, -INFINITE, 1.001, -1.001, 6016.0)
    ],
    "punsafe_range": [{"punsafe": value} for value in (None, NAN, 1.001, -0.001)],
    "pwatermark_range": [{"pwatermark": value} for value in (None, NAN, INFINITE, -1e-300)],
    "aesthetic_range": [{"aesthetic": value} for value in (None, 7.0, 6.9, 10.001, -0.0)],
    "punsafe_filter": [{"punsafe": 0.5}, {"punsafe": 1.0}],
    "pwatermark_filter": [{"pwatermark": 0.8}],
    "similarity_cutoff": [{"similarity": value} for value in (0.2799, -0.0, -1.0)],
    "sizes_known": [{"width": None}, {"height": None}, {"width": None, "height": None}],
    "text_not_only_digits": [{"text": text} for text in ("1", " 2021 ", "\u00a0007")],
    "text_without_replacement_characters": [{"text": "caf\ufffd"}],
    "text_without_control_characters": [{"text": text} for text in ("a\tb", "bell\x07", "\x9f?")],
    "text_without_html_entities": [{"text": text} for text in ("&amp;", "R&#38;B", "it&#x27;s")],
}
AT_THE_BOUNDARY: list[dict[str, Any]] = [
    {"url": "HTTP://h"},
    {"text": "."},
    {"width": 1, "height": 1},
    {"similarity": 1.0},
    {"similarity": 0.28},
    {"punsafe": 0.0},
    {"punsafe": -0.0},
    {"punsafe": math.nextafter(0.5, 0)},
    {"pwatermark": math.nextafter(0.8, 0)},
    {"aesthetic": math.nextafter(7, 8)},
    {"aesthetic": 10.0},
    {"text": "12 apples"},
    {"text": "R&B; AT & T"},
    {"text": "zero\u200bwidth"},
]
# Each breaks several rules at once, and is one row of quarantine.
MANIFOLD: list[dict[str, Any]] = [
    {"url": "javascript:1", "text": " ", "width": 0, "height": -5, "similarity": NAN},
    {"url": None, "text": None, "aesthetic": None, "punsafe": 2.0, "pwatermark": -2.0},
    {"url": "javascript://host", "width": 0, "text": EVIL},
]


def write_by_hand(folder: Path) -> None:
    """Seven shards; of addresses that break their rule each has one more than the one before."""
    addresses, rest = [*PLANTED_BY_HAND["url_http"]], [*AT_THE_BOUNDARY, *MANIFOLD]
    rest += [row for rule in tuple(PLANTED_BY_HAND)[1:] for row in PLANTED_BY_HAND[rule]]
    for shard in range(7):
        bad = [addresses.pop() for _ in range(shard + 1)] if shard < 6 else [*addresses]
        changed = [*bad, *rest[shard::7]]
        first = 1000 * shard
        rows = [pair(first + place, **changes) for place, changes in enumerate(changed)]
        rows = hashed([*rows, *pairs(60, first + 500)])
        sizes = {0: (360, 240), 1: (240, 360), 2: (360, 240)}.get(shard)
        if sizes:  # the second is turned
            url = "https://host.example/a-360x240.jpg"
            rows += hashed([pair(first + 900, url=url, width=sizes[0], height=sizes[1])])
        if shard == 3:
            rows[-1]["hash"] = 1
            rows[-2]["hash"] = None
        write_shard(folder, f"part-{shard}.parquet", rows)


@dataclass(frozen=True)
class Planted:
    """A run of everything, and the rows it was run on."""

    data: Path
    rows: list[dict[str, Any]]
    run: Run

    @property
    def valid(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if not reasons(row)]

    @property
    def broken(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if reasons(row)]

    def metadata(self, check: str) -> dict[str, Any]:
        found = self.run.checks[f"{CHECKS[check].asset}.{check}"].metadata
        return {
            name: value.records if isinstance(value, dg.TableMetadataValue) else value.value
            for name, value in found.items()
        }


@pytest.fixture(scope="module", params=["sample", "by-hand"])
def done(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Planted]:
    folder = tmp_path_factory.mktemp("planted")
    if request.param == "sample":
        generate_sample(folder / "source", rows=SAMPLE_ROWS, shards=3)
    else:
        write_by_hand(folder / "source")
    with configured(folder / "data", folder / "source"), asking(folder):
        yield Planted(folder / "data", source_rows(folder / "source"), run())


BY_HAND = pytest.mark.parametrize("done", ["by-hand"], indirect=True, scope="module")


def test_the_oracle_finds_what_was_planted(done: Planted) -> None:
    found = failing(done.rows)
    if len(done.rows) == SAMPLE_ROWS:
        assert {rule: found[rule] for rule in QUARANTINED} == planted(SAMPLE_ROWS)
        assert found["urls_unique"] >= planted_duplicate_urls(SAMPLE_ROWS)
        assert found["hash_matches"] == found["size_orientation"] == 0
    else:
        manifold = Counter(rule for row in MANIFOLD for rule in reasons({**pair(), **row}))
        for rule in (*QUARANTINED, *COUNTED):
            if not rule.startswith("text_without_control"):  # the hostile caption has one too
                assert found[rule] == len(PLANTED_BY_HAND.get(rule, ())) + manifold[rule], rule
        assert (found["size_orientation"], found["urls_unique"], found["hash_matches"]) == (1, 2, 2)
    assert not [row for row in AT_THE_BOUNDARY if broken_rules(pair(**row))]


def test_every_check_reports_exactly_what_is_there(done: Planted) -> None:
    assert done.run.success, done.run.failures
    told = {
        name: done.metadata(name).get("failing_rows", 0)  # none of what is not checked
        for name, check in CHECKS.items()
        if check.asset == "pairs"
    }
    assert told == failing(done.rows)
    for rule in QUARANTINED:
        assert done.metadata(rule)["rows"] == len(done.rows)


def test_quarantine_holds_just_those_rows_each_with_its_reasons(done: Planted) -> None:
    expected = Counter(
        repr(([r["shard"], *(r[n] for n in NAMES)], reasons(r))) for r in done.broken
    )
    columns = ", ".join(NAMES)
    view = query(
        done.data, f"SELECT path, {columns}, reasons FROM quarantine JOIN shards USING (shard_id)"
    )
    assert Counter(repr((list(row[:-1]), row[-1])) for row in view) == expected
    exported = pq.read_table(done.data / RELEASE / "tables" / "quarantine.parquet").to_pylist()
    assert (
        Counter(repr(([r["shard"], *(r[n] for n in NAMES)], r["reasons"])) for r in exported)
        == expected
    )
    assert [row["shard"] for row in exported] == sorted(row["shard"] for row in exported)


def test_quarantine_is_counted_by_reason_and_shard(done: Planted) -> None:
    counted = query(done.data, "SELECT reason, shard, rows FROM quarantine_counts")
    assert {(reason, shard): rows for reason, shard, rows in counted} == by_shard(done.rows)
    file = pq.read_table(done.data / RELEASE / "tables" / "quarantine_counts.parquet").to_pylist()
    assert [(row["reason"], row["shard"], row["rows"]) for row in file] == counted


def test_no_other_table_counts_them(done: Planted) -> None:
    valid = done.valid
    for name, oracle in ORACLES.items():
        assert_close(query(done.data, f"FROM {name}"), oracle(valid))
    value = "CASE score " + " ".join(f"WHEN '{s}' THEN {s}" for s in scores.BINS_PER_UNIT) + " END"
    extremes = query(
        done.data, f"SELECT score, extreme, rank, url, hash, {value} FROM score_extremes"
    )
    assert sorted(extremes) == sorted(scores.score_extremes(valid))
    history = query(
        done.data,
        "SELECT measure, subject, value FROM release_history WHERE measure IN ('rows', 'defects')",
    )
    counts = Counter(rule for row in done.rows for rule in reasons(row))
    assert {(measure, subject): rows for measure, subject, rows in history} == {
        ("rows", "source"): len(done.rows),
        ("rows", "valid"): len(valid),
        ("rows", "quarantined"): len(done.rows) - len(valid),
        **{("defects", rule): counts[rule] for rule in QUARANTINED},
    }


def test_every_result_says_what_was_found(done: Planted) -> None:
    for name, check in CHECKS.items():
        said = done.metadata(name)
        assert said["status"] in (
            *("passed", "warned", "failed", "not in this release", "nothing to compare with"),
        )
        if said["status"] not in ("passed", "warned", "failed"):
            description = str(done.run.checks[f"{check.asset}.{name}"].description)
            assert description.startswith(f"not checked: {said['status']}: ")
            assert said.keys() == {"status", "revision", "data_docs", "data_docs_path"}
            continue
        assert said["rule"]
        assert said["threshold"]
        assert isinstance(said["rows"], int)
        assert isinstance(said["failing_rows"], int)
        share = said["failing_rows"] / said["rows"] if said["rows"] else 0
        assert said["failing_percent"] == pytest.approx(100 * share, rel=0.01)
        if not check.value_of:
            assert said["value"] == pytest.approx(share, rel=0.01)
        assert said["data_docs"] == "http://127.0.0.1:3000/files/data_docs/index.html"
        assert said["data_docs_path"] == str(done.data / RELEASE / "data_docs" / "index.html")
        evaluation = done.run.checks[f"{check.asset}.{name}"]
        assert evaluation.passed == (said["status"] not in ("warned", "failed"))
        assert evaluation.blocking == check.blocking
        if said["status"] in ("warned", "failed"):
            severity = dg.AssetCheckSeverity.WARN if said["status"] == "warned" else "ERROR"
            assert evaluation.severity == dg.AssetCheckSeverity(severity)
            assert said["what_to_do"]
            assert said["examples"]
            assert said["sql"].startswith("```sql\n")
            if name != "published_rows":  # which is of no shard
                assert said["shards"]
        assert len(said.get("shards", ())) <= 5
        assert len(said.get("examples", ())) <= 20


def test_the_sql_of_a_result_finds_all_that_fails(done: Planted) -> None:
    for rule in (*QUARANTINED, *COUNTED):
        said = done.metadata(rule)
        if said.get("failing_rows"):
            sql = said["sql"].removeprefix("```sql\n").removesuffix("\n```")
            assert len(query(done.data, sql)) == said["failing_rows"], rule


@BY_HAND
def test_shards_are_those_with_most_failing_rows(done: Planted) -> None:
    counts = Counter({s: n for (rule, s), n in by_shard(done.rows).items() if rule == "url_http"})
    assert len(counts) == 7
    most = sorted(counts.items(), key=lambda shard: (-shard[1], shard[0]))[:5]
    shown = done.metadata("url_http")["shards"]
    assert [(line.data["shard"], line.data["failing"]) for line in shown] == most
    assert len(done.metadata("url_http")["examples"]) == 20


@BY_HAND
def test_strangers_words_are_shown_as_text_and_nothing_else(done: Planted) -> None:
    shown = EVIL.replace("\x07", "\\x07").replace("\u202e", "\\u202e")
    for rule in ("url_http", "width_positive"):
        check = done.run.checks[f"pairs.{rule}"].metadata["examples"]
        assert isinstance(check, dg.JsonMetadataValue)
        assert isinstance(check.value, list)
        assert shown in [row["text"] for row in check.value]
    for result in done.run.checks.values():
        for name, value in result.metadata.items():
            if name != "examples":
                assert "alert(1)" not in repr(value), name
        assert "alert(1)" not in str(result.description)
    for told in CHECKS:
        for row in done.metadata(told).get("examples", []):
            assert all(v is None or isinstance(v, str | int | float) for v in row.values())
            for text in (text for text in row.values() if isinstance(text, str)):
                assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")]
                assert len(re.sub(r"\\(x..|u....|U.{8}|[tnr])", "?", text)) <= 80
