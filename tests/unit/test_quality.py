"""Holding `pairs` against the contract: every rule tells exactly what breaks it, and how badly."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mmh3
import pytest

from laion_pipeline.contract import CHECKS, Contract, QuarantineRule, RowRule, Threshold
from laion_pipeline.contract.check import Expected
from laion_pipeline.contract.rows import all_quarantine_rules
from laion_pipeline.errors import WarehouseError
from laion_pipeline.quality.results import CheckResult, Status
from laion_pipeline.quality.validation import validate
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.releases.release import Release
from laion_pipeline.sources.sample.shards import generate_sample, planted
from laion_pipeline.warehouse.connections import Warehouse
from tests.builders import (
    MEASURED,
    RAW,
    RULES,
    SAMPLE,
    Row,
    check,
    fetch,
    hashed,
    load,
    load_rows,
    pair,
    pairs,
    warehouse_at,
    write_shard,
)
from tests.row_rules import COUNTED, QUARANTINED, broken_rules

ON_PAIRS = tuple(name for name, each in CHECKS.items() if each.asset == "pairs")
# Every check applies to it, and a thousand rows are as many as were published.
STRICT = SAMPLE.model_copy(
    update={
        "published_rows": 1000,
        "filters": {**SAMPLE.filters, "aesthetic": Interval(at_least=7.25)},
    }
)
# What a row is like that breaks just the one rule.
BREAKING: Mapping[str, Row] = {
    "url_http": {"url": "http:///x"},
    "text_present": {"text": "\u3000\t "},
    "width_positive": {"width": 0},
    "height_positive": {"height": -1},
    "similarity_range": {"similarity": 1.5},
    "punsafe_range": {"punsafe": None},
    "pwatermark_range": {"pwatermark": float("nan")},
    "aesthetic_range": {"aesthetic": 7.0},
    "punsafe_filter": {"punsafe": 0.5},
    "pwatermark_filter": {"pwatermark": 0.8},
    "aesthetic_filter": {"aesthetic": 7.2},
    "similarity_cutoff": {"similarity": 0.2799},
    "sizes_known": {"width": None},
    "text_not_only_digits": {"text": "20231224"},
    "text_without_replacement_characters": {"text": "caf\ufffd"},
    "text_without_control_characters": {"text": "two\nlines"},
    "text_without_html_entities": {"text": "salt &amp; pepper"},
}
# Each value with the rule for rows that it breaks, if any: what is just inside is as telling.
VALUES: Mapping[str, Sequence[object]] = {
    "url": (
        "https://a", "HTTP://A/b", "https://{", "http://1.2.3.4", "https://[::1]/", "http://ü.de",
        None, "", " ", "http://", "https:///x", "http://?q", "http://#f", "ftp://a/b", "//a/b",
        "http:/a", "http://\tx", "http://\u3000x", " https://a", "\x00https://a", "javascript:1", "httpss://a",
    ),
    "text": (
        "a", "0a", "!", "\x7f", "\x00", "caf\ufffd", "\ufffd", "&amp;", "&", "& amp;", "&#39;",
        "&#x1F600;", "&#;", "&;", "&b;", "a&lt;b", "&frac12;", "R&D; x", "12", " 12\u3000", "1 2",
        "٣٤", "-1", "1.5", "a\nb", "a\u0085b", "é\u009f", "é", "\x1b[0m", "a\u202eb", "5\x00",
        None, "", " ", "\u3000", "\x1c", "\t\n", "\u2028", "\u200b", "\x85", "\ufeff", "🙂",
    ),
    "width": (640, 1, 2**62, None, 0, -1),
    "height": (480, 1, None, 0, -(2**62)),
    "similarity": (0.28, 0.3, 1.0, 0.2799999, -0.0, -1.0, 1.0000001, -1.1, None, float("nan"),
                   float("inf"), float("-inf")),
    "punsafe": (0.0, -0.0, 0.4999999, 0.5, 1.0, 1.1, -1e-300, None, float("nan"), float("inf")),
    "pwatermark": (0.0, 0.7999999, 0.8, 1.0, 1.1, -0.1, None, float("nan"), float("-inf")),
    "aesthetic": (7.25, 10.0, 7.0000001, 7.2, 7.0, 10.1, -0.0, None, float("nan"), float("inf")),
}  # fmt: skip


def breaks(row: Row, rule: str) -> bool:
    """Whether a row breaks a rule."""
    return rule in broken_rules(row, least_aesthetic=7.25)


def good(count: int, first: int = 0, **changes: object) -> list[dict[str, Any]]:
    """Rows that keep everything; each URL states the size that the columns do."""
    return hashed(
        {**pair(n), "url": f"https://www.host.example/{n}-640x480.jpg", **changes}
        for n in range(first, first + count)
    )


def load_shards(folder: Path, shards: Sequence[Sequence[Row]]) -> Warehouse:
    for number, rows in enumerate(shards):
        write_shard(folder / "shards", f"part-{number}.parquet", rows)
    return load(folder / "shards")


def statuses(results: Mapping[str, CheckResult]) -> dict[str, Status]:
    return {name: result.status for name, result in results.items()}


def with_status(**names: Status) -> dict[str, Status]:
    first_load: dict[str, Status] = {"rows_retained": "nothing to compare with"}
    return {name: (first_load | names).get(name, "passed") for name in ON_PAIRS}


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> dict[str, Status]:
    """What Great Expectations itself says of each check, as it says it."""
    from great_expectations import ValidationDefinition

    said: dict[str, Status] = {}
    run = ValidationDefinition.run

    def listening(self: ValidationDefinition, **options: Any) -> object:
        result = run(self, **options)
        for each in result.results:
            config = each.expectation_config
            assert config is not None
            name = config.meta["check"]
            severe: Status = "failed" if config.severity == "critical" else "warned"
            now: Status = "passed" if each.success else severe
            said[name] = max(
                said.get(name, "passed"), now, key=("passed", "warned", "failed").index
            )
        return result

    monkeypatch.setattr(ValidationDefinition, "run", listening)
    return said


def agrees(verdicts: Mapping[str, Status], results: Mapping[str, CheckResult]) -> bool:
    """Whether Great Expectations says the same of all that it can be asked."""
    told = {
        name: status
        for name, status in statuses(results).items()
        if status in ("passed", "warned", "failed") and name not in MEASURED
    }
    return told == dict(verdicts)


def test_good_rows_pass_every_check(tmp_path: Path, verdicts: Mapping[str, Status]) -> None:
    warehouse = load_shards(tmp_path, [good(500), good(500, 500)])
    results = check(warehouse, STRICT)
    assert tuple(results) == ON_PAIRS
    assert statuses(results) == with_status()
    assert agrees(verdicts, results)
    del results["rows_retained"]
    for result in results.values():
        assert (result.failing_rows, result.value, result.shards, result.examples) == (0, 0, (), ())
        assert result.sql
        assert result.advice
        assert result.threshold
    others = {"schema_as_contracted": 11, "every_source_row_loaded": 2, "shards_unique": 2}
    others |= {"rows_present": 1}
    assert {name: result.rows for name, result in results.items()} == {
        name: others.get(name, 1000) for name in results
    }


def test_every_rule_is_broken_here() -> None:
    rules = {name for name, each in CHECKS.items() if isinstance(each, RowRule)}
    assert rules == BREAKING.keys() == {*QUARANTINED, *COUNTED}
    for name, changes in BREAKING.items():
        assert broken_rules({**pair(), **changes}, least_aesthetic=7.25) == {name}


def test_each_rule_reports_exactly_the_rows_that_break_it(
    tmp_path: Path, verdicts: Mapping[str, Status]
) -> None:
    """The n-th rule is broken by 3 n rows and by no other, and those lie in seven shards."""
    bad = {
        rule: [
            {**row, **changes, "hash": hashed([{**row, **changes}])[0]["hash"]}
            for row in good(3 * place, 1000 * place)
        ]
        for place, (rule, changes) in enumerate(BREAKING.items(), 1)
    }
    rows = [row for each in bad.values() for row in each]
    random.Random(4).shuffle(rows)
    rows += good(1000 - len(rows))
    shards = [rows[number::7] for number in range(7)]
    warehouse = load_shards(tmp_path, shards)
    results = check(warehouse, STRICT)
    assert agrees(verdicts, results)
    for rule, broken in bad.items():
        result = results[rule]
        assert (result.failing_rows, result.rows, result.value) == (
            len(broken), 1000, len(broken) / 1000,
        )  # fmt: skip
        counts = {
            f"part-{n}.parquet": sum(row in broken for row in shard)
            for n, shard in enumerate(shards)
        }
        ranked = sorted(((p, n) for p, n in counts.items() if n), key=lambda x: (-x[1], x[0]))
        assert result.shards == tuple(ranked[:5])
        assert len(fetch(warehouse, result.sql)) == len(broken)
    warned = ("similarity_cutoff", "sizes_known", *(name for name in BREAKING if "text_" in name))
    expected: dict[str, Status] = {
        **dict.fromkeys(BREAKING, "failed"), **dict.fromkeys(warned, "warned"),
        "text_present": "failed",
        # Rows of a rule that is broken by another URL or caption share it.
        "urls_unique": "passed", "hashes_unique": "passed",
    }  # fmt: skip
    assert statuses(results) == with_status(**expected)


def test_a_rule_warns_up_to_one_in_a_thousand_and_fails_above(
    tmp_path: Path, verdicts: dict[str, Status]
) -> None:
    """Ten size-less rows in a thousand are no warning, eleven are; other notes never fail."""
    noted = ("similarity_cutoff", *(n for n in BREAKING if "text_" in n and n != "text_present"))
    for more in (0, 1):
        times = {"sizes_known": 10 + more, **dict.fromkeys(noted, 1 + 50 * more)}
        bad = [
            {**row, **changes}
            for place, (rule, changes) in enumerate(BREAKING.items(), 1)
            for row in good(times.get(rule, 1 + more), 1000 * place)
        ]
        verdicts.clear()
        rows = hashed([*bad, *good(1000 - len(bad))])
        results = check(load_shards(tmp_path / str(more), [rows[::2], rows[1::2]]), STRICT)
        found: dict[str, Status] = {
            **dict.fromkeys(BREAKING, "failed" if more else "warned"),
            **dict.fromkeys(noted, "warned"),
            "sizes_known": "warned" if more else "passed",
        }
        assert statuses(results) == with_status(**found)
        assert agrees(verdicts, results)


@pytest.mark.parametrize("seed", range(2))
def test_all_counts_are_those_of_an_oracle(
    seed: int, tmp_path: Path, verdicts: Mapping[str, Status]
) -> None:
    choose = random.Random(seed)
    rows = [
        {
            **pair(number),
            **{
                name: choose.choice(values)
                for name, values in VALUES.items()
                if choose.random() < 0.7
            },
        }
        for number in range(1500)
    ]
    for row in rows[::2]:
        row["hash"] = choose.choice([None, 0, 1, 2**63 - 1, -(2**63)])
    shards = [rows[:100], rows[100:700], rows[700:]]
    warehouse = load_shards(tmp_path, shards)
    results = check(warehouse, STRICT)
    assert agrees(verdicts, results)
    oracle = {name: sum(breaks(row, name) for row in rows) for name in BREAKING}
    for column, name in (("url", "urls_unique"), ("hash", "hashes_unique")):
        known = Counter(row[column] for row in rows if row[column] is not None)
        oracle[name] = known.total() - len(known)
    oracle["hash_matches"] = sum(
        row["hash"] != mmh3.hash64(f"{row['url'] or ''}{row['text'] or ''}".encode())[0]
        for row in rows
    )
    oracle["published_rows"] = 500
    assert {name: result.failing_rows for name, result in results.items()} == {
        name: oracle.get(name, 0) for name in ON_PAIRS
    }
    for name in BREAKING:
        assert len(fetch(warehouse, results[name].sql)) == oracle[name]
        assert results[name].shards == tuple(
            sorted(
                (
                    (f"part-{n}.parquet", sum(breaks(row, name) for row in shard))
                    for n, shard in enumerate(shards)
                ),
                key=lambda counted: (-counted[1], counted[0]),
            )
        )
    quarantined = {
        (str(row["url"]), row["text"], tuple(rule for rule in RULES if breaks(row, rule)))
        for row in rows
    }
    assert quarantined >= {
        (str(url), text, tuple(reasons))
        for url, text, reasons in fetch(warehouse, "SELECT url, text, reasons FROM quarantine")
    }


def test_great_expectations_and_the_mask_count_the_same(tmp_path: Path) -> None:
    generate_sample(tmp_path / "shards", rows=2000, shards=3)
    warehouse = load(tmp_path / "shards")
    results = check(warehouse)
    masked = Counter(
        reason
        for (reasons,) in fetch(warehouse, "SELECT reasons FROM quarantine")
        for reason in reasons
    )
    assert {name: results[name].failing_rows for name in RULES} == masked == {
        rule: count for rule, count in planted(2000).items() if rule in RULES
    }  # fmt: skip
    assert results["every_row_accounted_for"].status == "passed"


@pytest.mark.parametrize("side", ["predicate", "counted_by"])
@pytest.mark.parametrize("spoilt", ["url_http", "text_present", "width_positive", "punsafe_range"])
def test_two_counts_that_differ_are_seen_whichever_is_wrong(
    spoilt: str, side: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad row that the mask does not see, or that Great Expectations does not count."""
    rules = all_quarantine_rules

    def misjudging(release: Release) -> Iterator[QuarantineRule]:
        for rule in rules(release):
            if rule.name != spoilt:
                yield rule
            elif side == "predicate":
                yield replace(rule, predicate="true")
            else:
                yield replace(rule, counted_by=Expected("1"))

    monkeypatch.setattr("laion_pipeline.contract.rows.all_quarantine_rules", misjudging)
    monkeypatch.setattr("laion_pipeline.contract.contract.all_quarantine_rules", misjudging)
    rows = [{**pair(), **BREAKING[spoilt]}, *pairs(9, first=10)]
    account = check(load_rows(tmp_path, hashed(rows)))["every_row_accounted_for"]
    assert (account.status, account.failing_rows) == ("failed", 1)
    seen = {"predicate": (0, 1), "counted_by": (1, 0)}[side]
    assert account.examples == ({"rule": spoilt, "rows_marked": seen[0], "rows_counted": seen[1]},)


def test_a_lone_shard_s_nan_is_marked_as_great_expectations_finds_it(tmp_path: Path) -> None:
    """Its Parquet statistics leave NaN out, by which DuckDB takes all rows to be in range."""
    scores = [rule.removesuffix("_range") for rule in RULES if rule.endswith("_range")]
    bad = [pair(number, **{score: float("nan")}) for number, score in enumerate(scores)]
    results = check(load_rows(tmp_path, [*bad, *pairs(5, first=10)]))
    assert {results[f"{score}_range"].failing_rows for score in scores} == {1}
    assert {len(results[f"{score}_range"].examples) for score in scores} == {1}
    assert results["every_row_accounted_for"].status == "passed"


def test_examples_are_the_first_bad_rows_made_displayable(tmp_path: Path) -> None:
    rows = [pair(number, similarity=float(number)) for number in reversed(range(2, 42))]
    odd = pair(1, similarity=1.5, text="a\u202e\x00<b>" + "c" * 100)
    warehouse = load_rows(tmp_path, [*rows, odd, *pairs(10, first=100)])
    result = check(warehouse)["similarity_range"]
    expected = sorted((str(row["url"]), row["similarity"]) for row in [*rows, odd])[:20]
    assert [(row["url"], row["similarity"]) for row in result.examples] == expected
    assert {row["shard"] for row in result.examples} == {"part-0.parquet"}
    assert {tuple(row) for row in result.examples} == {("shard", "similarity", "url", "text")}
    (text,) = (row["text"] for row in result.examples if row["similarity"] == 1.5)
    assert text == "a\\u202e\\x00<b>" + "c" * 73 + "…"


def test_a_count_is_not_cut_off(tmp_path: Path) -> None:
    result = check(load_rows(tmp_path, pairs(1500, text="")))["text_present"]
    assert (result.failing_rows, result.rows, result.value, result.share) == (1500, 1500, 1.0, 1.0)


def test_thresholds_that_are_overridden_decide_and_are_told(
    tmp_path: Path, verdicts: Mapping[str, Status]
) -> None:
    overrides = {
        "text_present": Threshold(warn_above=0.3, error_above=0.5),
        "width_positive": Threshold(error_above=0.1),
        "sizes_known": Threshold(warn_above=0.2, error_above=0.3),
    }
    rows = [*good(3), *good(3, 10, text=""), *good(1, 20, width=0), *good(3, 30, width=None)]
    contract = Contract.of(STRICT, overrides)
    found = validate(load_rows(tmp_path, hashed(rows)), contract, "pairs")
    results = {result.name: result for result in found}
    assert statuses(results) == with_status(sizes_known="warned", published_rows="warned")
    assert agrees(verdicts, results)
    assert results["text_present"].threshold == (
        "a warning above 30 %, an error above 50 % of the rows"
    )
    assert results["width_positive"].threshold == "an error above 10 % of the rows"


def test_checks_that_a_release_cannot_be_held_to_say_so(tmp_path: Path) -> None:
    row = {**pair(), "license": "?", "nsfw": "UNLIKELY"}
    results = check(load_rows(tmp_path, [row], RAW), RAW)
    absent = {name for name, result in results.items() if result.status == "not in this release"}
    lacking = {name for name in BREAKING for score in ("punsafe", "pwatermark", "aesthetic")
               if name.startswith(score)}  # fmt: skip
    assert absent == lacking | {"hashes_unique", "hash_matches"}
    for name in absent:
        result = results[name]
        assert result.description.startswith(("it has no ", "its makers publish no "))
        assert (result.rows, result.failing_rows, result.sql) == (0, 0, "")


def test_there_must_be_a_warehouse(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path / "none.duckdb")
    with pytest.raises(WarehouseError, match="no warehouse yet"):
        check(warehouse)
    assert not warehouse.file.exists()


@pytest.mark.parametrize("folder", ["50%41 c# $HOME", "it's \"a;b&c=d x:y@z {0} [*]"])
def test_the_warehouse_may_lie_in_any_folder(folder: str, tmp_path: Path) -> None:
    write_shard(tmp_path / "shards", "part-0.parquet", [pair(0, text="")])
    (tmp_path / folder).mkdir()
    warehouse = load(tmp_path / "shards", file=tmp_path / folder / "warehouse.duckdb")
    assert check(warehouse)["text_present"].failing_rows == 1
    assert [file.name for file in (tmp_path / folder).iterdir()] == ["warehouse.duckdb"]
