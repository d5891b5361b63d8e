"""The history of a release, and how far the data moved from one revision to the next."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laion_pipeline.contract import Contract, Threshold
from laion_pipeline.contract.drift import DRIFT
from laion_pipeline.errors import WarehouseError
from laion_pipeline.quality.results import CheckResult
from laion_pipeline.quality.validation import validate
from laion_pipeline.releases.release import Release
from laion_pipeline.tables.table import Table, check_table, materialize_table
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.loading import load_pairs
from tests.builders import (
    RAW,
    RULES,
    SAMPLE,
    SCORES,
    Row,
    accept_removal,
    change,
    check,
    fetch,
    list_folder,
    load,
    load_rows,
    make_tables,
    pair,
    pairs,
    provenance,
    reload,
    tables,
    warehouse_at,
    write_shard,
    write_table,
)
from tests.oracles import revisions, scores
from tests.oracles.rows import QUANTILES, numbers

HISTORY = "release_history"
Profile = dict[tuple[str, str, float | None], float]
Spread = Mapping[float, int]


def profile(warehouse: Warehouse) -> int:
    """Profile what is loaded, as a run does; how many profiles there are."""
    folder = warehouse.file.parent / "tables"
    make_tables(warehouse, folder, "score_summary", "scores_by_shard", "score_histogram", HISTORY)
    lines = fetch(warehouse, f"SELECT count(*) FROM {HISTORY}")[0][0]
    assert check_table(warehouse, tables()[HISTORY], lines).status == "passed"
    return len(fetch(warehouse, f"SELECT DISTINCT revision, complete FROM {HISTORY}"))


def drift(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """The table of what moved, as a run makes it, once it has passed its own check."""
    result = materialize_table(warehouse, tables()[DRIFT], warehouse.file.parent / "tables")
    assert check_table(warehouse, tables()[DRIFT], result.rows).status == "passed"
    return fetch(warehouse, "SELECT measure, previous_rows, rows, value FROM revision_drift")


def recorded(warehouse: Warehouse) -> Profile:
    lines = fetch(
        warehouse,
        "SELECT measure, subject, point, value FROM release_history"
        " WHERE measure NOT IN ('tenth', 'previous_tenth')",
    )
    found = {(str(m), str(s), p if p is None else float(str(p))): float(str(v))
             for m, s, p, v in lines}  # fmt: skip
    assert len(found) == len(lines), "nothing is told twice"
    return found


def expected(rows: Sequence[Row], valid: Sequence[Row], defects: Mapping[str, int],
             columns: Sequence[str]) -> Profile:  # fmt: skip
    lines: Profile = {
        ("rows", "source", None): len(rows),
        ("rows", "valid", None): len(valid),
        ("rows", "quarantined", None): len(rows) - len(valid),
        ("shards", "loaded", None): 1,
    }
    for name in columns:
        nulls = sum(row[name] is None for row in rows)
        lines["null_share", name, None] = nulls / len(rows) if rows else 0
    lines |= {("defects", rule, None): count for rule, count in defects.items()}
    for score in SCORES:
        values = numbers(valid, score) if score in columns else []
        if values:
            quantiles = np.quantile(np.array(values), QUANTILES).tolist()
            lines |= {("quantile", score, p): q for p, q in zip(QUANTILES, quantiles, strict=True)}
    known = [{**dict.fromkeys(SCORES), **{n: row[n] for n in columns}} for row in valid]
    for score, low, _, count in scores.score_histogram(known):
        lines["histogram", str(score), float(str(low))] = int(str(count))
    return lines


DIRTY: list[Row] = [
    *(pair(n, aesthetic=7.1 + n / 9, similarity=0.28 + n / 70, punsafe=n / 40) for n in range(20)),
    *pairs(3, first=20, width=None),
    pair(30, text=None),
    pair(31, text=" ", url=None),
    pair(32, aesthetic=7.0),
    pair(33, width=0, height=-1),
]
DIRTY_DEFECTS = {
    **dict.fromkeys(RULES, 0),
    "text_present": 2,
    "url_http": 1,
    "aesthetic_range": 1,
    "width_positive": 1,
    "height_positive": 1,
}
RAW_ROWS: list[Row] = [{**row, "license": "?", "nsfw": None} for row in pairs(9)]


@pytest.mark.parametrize(
    ("release", "rows", "valid", "defects"),
    [
        (SAMPLE, DIRTY, DIRTY[:23], DIRTY_DEFECTS),
        (SAMPLE, [], [], dict.fromkeys(RULES, 0)),
        (SAMPLE, [pair(text="")], [], {**dict.fromkeys(RULES, 0), "text_present": 1}),
        (RAW, RAW_ROWS, RAW_ROWS, dict.fromkeys(
            ("url_http", "text_present", "width_positive", "height_positive", "similarity_range"), 0
        )),
        (Release(name="bare", columns=("url", "text")), pairs(2), pairs(2),
         {"url_http": 0, "text_present": 0}),
    ],
    ids=["dirty", "no rows", "no valid rows", "few scores", "no scores"],
)  # fmt: skip
def test_a_profile_says_what_is_loaded(
    release: Release, rows: list[Row], valid: list[Row], defects: dict[str, int], tmp_path: Path
) -> None:
    warehouse = load_rows(tmp_path, rows, release)
    assert profile(warehouse) == 1
    wanted = expected(rows, valid, defects, release.columns)
    assert recorded(warehouse) == pytest.approx(wanted, rel=1e-12, abs=1e-12)
    kept = provenance(warehouse)
    assert fetch(warehouse, "SELECT DISTINCT revision, complete, loaded_at FROM release_history"
                 ) == [(kept.revision, True, kept.loaded_at)]  # fmt: skip


def test_tenths_are_of_the_valid_pairs_with_nothing_left_out(tmp_path: Path) -> None:
    skewed = [round(0.0001 * 1.02**n, 6) for n in range(300)]
    rows = [pair(n, punsafe=value) for n, value in enumerate(skewed)]
    warehouse = load_rows(tmp_path, [*rows, *pairs(40, first=900), pair(-1, punsafe=None)])
    profile(warehouse)
    lines = fetch(
        warehouse,
        "SELECT point, value FROM release_history"
        " WHERE measure = 'tenth' AND subject = 'punsafe' ORDER BY point",
    )
    edges, counts = zip(*lines, strict=True)
    known = [*skewed, *[0.01] * 40]
    assert list(counts) == [sum(value <= float(str(edge)) for value in known) for edge in edges]
    assert (counts[0], counts[-1], edges[-1]) == (0, 340, math.inf)
    spread = {value: known.count(value) for value in known}
    assert list(edges) == revisions.tenths(spread)


def test_a_value_that_most_pairs_have_is_not_all_of_the_sample(tmp_path: Path) -> None:
    """Of more than 400,000 pairs the tenths are those of a sample."""
    count = 450_000
    order = np.arange(count)
    spread = order * 40507 % count / count  # even, in no order
    rows: dict[str, Any] = {name: [value] * count for name, value in pair().items()}
    rows |= {"hash": order, "punsafe": spread, "pwatermark": np.where(order % 4, 0.0, spread)}
    write_table(tmp_path / "shards", "part-0.parquet", pa.table(rows))
    warehouse = load(tmp_path / "shards")
    profile(warehouse)
    lines = fetch(
        warehouse,
        "SELECT subject, point, value FROM release_history"
        " WHERE measure = 'tenth' AND point > 0 AND point < 1 ORDER BY subject, point",
    )
    found = {
        score: [(point, pairs_) for subject, point, pairs_ in lines if subject == score]
        for score in ("punsafe", "pwatermark")
    }
    points, counts = zip(*found["punsafe"][:9], strict=True)
    assert points == pytest.approx([k / 10 for k in range(1, 10)], abs=0.01)
    assert counts == tuple(int((spread <= point).sum()) for point in points)
    assert len(found["pwatermark"]) >= 9, "the few that differ are seen, beside a common zero"


def test_a_column_has_a_description(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, pairs(2))
    profile(warehouse)
    described = fetch(
        warehouse,
        "SELECT column_name, data_type, comment FROM duckdb_columns()"
        " WHERE table_name = 'release_history' ORDER BY column_index",
    )
    assert [(name, type_) for name, type_, _ in described] == [
        *(("revision", "VARCHAR"), ("complete", "BOOLEAN")),
        *(("loaded_at", "TIMESTAMP"), ("profiled_at", "TIMESTAMP")),
        *(("measure", "VARCHAR"), ("subject", "VARCHAR")),
        *(("point", "DOUBLE"), ("value", "DOUBLE")),
    ]
    assert all(comment for *_, comment in described)


def test_each_revision_has_one_profile_however_often_it_runs(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    for number in range(3):
        write_shard(folder, f"part-{number}.parquet", pairs(5, first=10 * number))
    warehouse = load(folder)
    first = provenance(warehouse).revision
    assert [profile(warehouse), profile(warehouse)] == [1, 1]
    once = recorded(warehouse)
    listing = list_folder(folder)
    some = replace(listing, shards=listing.shards[:2], complete=False)
    for _ in range(2):
        load_pairs(warehouse, SAMPLE, some)
        assert profile(warehouse) == 2, "one of all shards, and one of the first few"
    write_shard(folder, "part-2.parquet", pairs(9, first=50))
    reload(warehouse, folder)
    second = provenance(warehouse).revision
    assert [profile(warehouse), profile(warehouse)] == [3, 3]
    sources = fetch(
        warehouse,
        "SELECT revision, complete, value FROM release_history"
        " WHERE measure = 'rows' AND subject = 'source' ORDER BY value",
    )
    assert sources == [(first, False, 10), (first, True, 15), (second, True, 19)]
    file = tmp_path / "tables" / "release_history.parquet"
    in_file = pq.read_table(file).to_pylist()
    in_table = fetch(warehouse, "FROM release_history")
    assert sorted(map(str, (tuple(row.values()) for row in in_file))) == sorted(map(str, in_table))
    change(warehouse, f"DELETE FROM release_history WHERE revision = '{second}' OR NOT complete")
    assert recorded(warehouse) == once, "a later revision leaves what is known of earlier ones"


def test_history_needs_pairs_and_the_tables_of_scores(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="no warehouse yet"):
        materialize_table(warehouse_at(tmp_path / "none.duckdb"), tables()[HISTORY], tmp_path)
    warehouse = load_rows(tmp_path, pairs(2))
    with pytest.raises(WarehouseError, match=r"there is no score_\w+$"):
        make_tables(warehouse, tmp_path, HISTORY)
    assert not (tmp_path / "release_history.parquet").exists()
    assert profile(warehouse) == 1


# --- how far a score moved, from two histograms to the line in `revision_drift` ---


class Drifts:
    """The table `revision_drift` of histories that are made up."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        for statement in (
            "CREATE TABLE provenance AS SELECT 'new' AS revision, true AS complete",
            "CREATE TABLE previous_shards AS SELECT 'old' AS revision FROM range(3)",
            "CREATE TABLE release_history (revision VARCHAR, complete BOOLEAN, measure VARCHAR,"
            " subject VARCHAR, point DOUBLE, value DOUBLE)",
        ):
            connection.execute(statement)

    def of(self, old: Spread, new: Spread) -> tuple[float, float, float] | None:
        """The value, the index and what is chance of a score of which so many have which value."""
        self.connection.execute("DELETE FROM release_history")
        edges = revisions.tenths(old)
        for revision, measure, spread in (("old", "tenth", old), ("new", "previous_tenth", new)):
            self.connection.execute(
                "INSERT INTO release_history SELECT ?, true, ?, 'aesthetic', unnest(?), unnest(?)",
                [revision, measure, edges, [revisions.up_to(spread, edge) for edge in edges]],
            )
        found = self.connection.execute(tables()[DRIFT].sql).fetchall()
        assert all(line[:3] == ("old", "new", "aesthetic") for line in found)
        return found[0][5:] if found else None


@pytest.fixture(scope="module")
def drifts() -> Iterator[Drifts]:
    with duckdb.connect() as connection:
        yield Drifts(connection)


def spread_of(values: npt.NDArray[np.float64], per_unit: int = 20) -> dict[float, int]:
    bins, counts = np.unique(np.floor(values * per_unit), return_counts=True)
    return {float(k) / per_unit: int(n) for k, n in zip(bins, counts, strict=True)}


def test_the_index_is_as_defined(drifts: Drifts) -> None:
    random = np.random.default_rng(4)
    for _ in range(60):
        old, new = (
            spread_of(random.normal(random.uniform(7, 8), random.uniform(0.01, 1), size))
            for size in random.integers(1, 3000, 2)
        )
        if random.random() < 0.3:
            old[20.0] = 0  # an empty bin is no bin
        value, index, chance = drifts.of(old, new) or (0.0, 0.0, 0.0)
        wanted, by_chance = revisions.stability_index(old, new)
        assert (index, chance) == pytest.approx((wanted, by_chance), rel=1e-9, abs=1e-12)
        assert value == pytest.approx(wanted if wanted > by_chance else 0, rel=1e-9, abs=1e-12)


def test_equal_histograms_have_not_moved(drifts: Drifts) -> None:
    for size in (1, 5, 50, 5000, 50_000_000):
        even = {7 + k / 20: size for k in range(40)}
        for spread in ({7.0: size}, even, {**even, 8.0: 100 * size}):
            value, index, _ = drifts.of(spread, spread) or (1.0, 1.0, 1.0)
            assert value == 0
            assert index == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("sizes", [(1, 1), (5, 5), (5, 50), (50, 50), (5, 500), (500, 5),
                                   (50, 5000), (1000, 1000), (100_000, 100_000)])  # fmt: skip
def test_chance_alone_never_warns(sizes: tuple[int, int], drifts: Drifts) -> None:
    random = np.random.default_rng(sum(sizes))
    draws: list[Callable[[int], npt.NDArray[np.float64]]] = [
        lambda size: 7 + random.exponential(0.5, size),
        lambda size: random.normal(0.3, 0.03, size),
        lambda size: random.beta(0.2, 9, size),
        lambda size: random.uniform(0, 1, size),
    ]
    for _ in range(8):
        for draw in draws:
            old, new = (spread_of(draw(size), 100) for size in sizes)
            value, *_ = drifts.of(old, new) or (1.0,)
            assert value <= 0.1


@pytest.mark.parametrize("size", [1000, 5000, 1_000_000])
@pytest.mark.parametrize(
    ("old", "new"),
    [(range(140, 160), range(160, 180)), (range(140, 160), range(120, 140)),
     (range(140, 160), [140]), (range(140, 160), [159]), ([150], [151]), ([150], [149]),
     ([150], range(140, 160)), ([150, 151], [140]), ([150, 151], [160])],
    ids=["above", "below", "onto the first", "onto the last", "a constant up", "a constant down",
         "a constant spread", "few down", "few up"],
)  # fmt: skip
def test_a_total_shift_fails(
    old: Sequence[int], new: Sequence[int], size: int, drifts: Drifts
) -> None:
    before, after = ({k / 20: size // len(bins) for k in bins} for bins in (old, new))
    value, *_ = drifts.of(before, after) or (0.0,)
    assert value > 0.25


def test_a_real_shift_fails_and_a_mild_one_warns(drifts: Drifts) -> None:
    random = np.random.default_rng(9)
    old = spread_of(random.normal(8, 0.5, 20_000))
    values = []
    for shift in (0.0, 0.05, 0.2, 0.4):  # of a normal by s standard deviations the index is s * s
        new = spread_of(random.normal(8 + shift, 0.5, 20_000))
        values.append((drifts.of(old, new) or (9.0,))[0])
    assert values[0] <= values[1] < 0.1 < values[2] < 0.25 < values[3]


def test_one_shard_of_many_does_not_warn(drifts: Drifts) -> None:
    random = np.random.default_rng(128)
    shards = [random.normal(8, 0.5, 500) for _ in range(128)]
    one_other = [*shards[:-1], random.normal(7, 0.1, 500)]
    old, new = (spread_of(np.concatenate(each)) for each in (shards, one_other))
    value, *_ = drifts.of(old, new) or (9.0,)
    assert value < 0.1


@pytest.mark.parametrize(("old", "new"), [({}, {7.0: 5}), ({7.0: 5}, {}), ({}, {})])
def test_a_score_of_one_revision_alone_is_compared_with_nothing(
    old: Spread, new: Spread, drifts: Drifts
) -> None:
    assert drifts.of(old, new) is None


# --- from shards to what the checks say ---


def refreshed(folder: Path, *revisions: Sequence[Sequence[Row]]) -> Warehouse:
    """A warehouse that loaded revisions of several shards, and profiled each."""
    warehouse = warehouse_at(folder / "warehouse.duckdb")
    for shards in revisions:
        for file in (folder / "shards").glob("*"):
            file.unlink()
        for number, rows in enumerate(shards):
            write_shard(folder / "shards", f"part-{number}.parquet", rows)
        reload(warehouse, folder / "shards")
        accept_removal(warehouse)
        profile(warehouse)
    return warehouse


def scored(size: int, seed: int, first: int = 0) -> list[Row]:
    """Rows of random scores, each from a distribution of its own."""
    random = np.random.default_rng(seed)
    columns = (
        np.clip(random.normal(8, 0.3, size), 7.01, 10),
        np.clip(random.normal(0.33, 0.03, size), 0.28, 1),
        random.uniform(0, 0.4, size),
        random.uniform(0, 0.7, size),
    )
    names = ("aesthetic", "similarity", "punsafe", "pwatermark")
    return [
        pair(first + n, **dict(zip(names, map(float, values), strict=True)))
        for n, values in enumerate(zip(*columns, strict=True))
    ]


def statuses(results: Mapping[str, CheckResult]) -> dict[str, str]:
    return {name.removesuffix("_drift"): result.status for name, result in results.items()}


def test_of_a_first_revision_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    warehouse = refreshed(tmp_path, [pairs(9)])
    assert drift(warehouse) == []
    first = check(warehouse, asset=DRIFT)
    assert set(statuses(first).values()) == {"nothing to compare with"}
    assert {result.finding for result in first.values()} == {
        "not checked: nothing to compare with: no other revision was loaded completely before, or"
        " only a part of this one is now"
    }
    assert not any(result.is_bad for result in first.values())
    write_shard(tmp_path / "shards", "part-1.parquet", pairs(900))
    listing = list_folder(tmp_path / "shards")
    load_pairs(warehouse, SAMPLE, replace(listing, shards=listing.shards[1:], complete=False))
    profile(warehouse)
    assert drift(warehouse) == []


def test_one_changed_shard_passes_and_a_changed_release_fails(tmp_path: Path) -> None:
    shards = [scored(100, seed, 1000 * seed) for seed in range(16)]
    other = [*shards[:-1], scored(101, 99, 99_000)]
    warehouse = refreshed(tmp_path, shards, other)
    lines = {line[0]: line[1:] for line in drift(warehouse)}
    assert lines == {**dict.fromkeys(SCORES, (1600, 1601, 0)), "rows": (1600, 1601, 1 / 1600)}
    assert set(statuses(check(warehouse, asset=DRIFT)).values()) == {"passed"}
    moved = [
        [
            {**row, "aesthetic": min(10.0, row["aesthetic"] + 1), "punsafe": row["punsafe"] + 0.015}
            for row in rows
        ]
        for rows in shards[:-1]
    ]
    refreshed(tmp_path, moved)
    drift(warehouse)
    results = check(warehouse, asset=DRIFT)
    assert statuses(results) == {
        "rows": "warned",  # 101 of 1601 have gone
        "similarity": "passed",
        "punsafe": "warned",
        "pwatermark": "passed",
        "aesthetic": "failed",
    }
    rows = results["rows_drift"]
    assert (rows.failing_rows, rows.rows, rows.value) == (101, 1601, 101 / 1601)
    aesthetic = results["aesthetic_drift"]
    assert aesthetic.finding.startswith(f"population stability index {aesthetic.value:.3g}: ")
    assert aesthetic.advice
    (example,) = aesthetic.examples
    assert (example["previous_rows"], example["rows"]) == (1601, 1500)
    assert "above 0.1" in aesthetic.threshold
    assert "above 0.25" in aesthetic.threshold
    refreshed(tmp_path, shards)
    assert fetch(warehouse, "SELECT count(DISTINCT revision) FROM release_history") == [(3,)]
    lines = {line[0]: line[1:] for line in drift(warehouse)}
    assert lines["rows"] == (1500, 1600, 100 / 1500), "the first revision again, after the third"


def test_a_revision_taken_back_has_not_moved(tmp_path: Path) -> None:
    warehouse = refreshed(tmp_path, [pairs(9)])
    listing = list_folder(tmp_path / "shards")
    write_shard(tmp_path / "shards", "part-1.parquet", pairs(900))
    some = list_folder(tmp_path / "shards")
    load_pairs(warehouse, SAMPLE, replace(some, shards=some.shards[1:], complete=False))
    load_pairs(warehouse, SAMPLE, listing)
    profile(warehouse)
    lines = {line[0]: line[1:] for line in drift(warehouse)}
    assert lines == dict.fromkeys((*SCORES, "rows"), (9, 9, 0))


def test_a_revision_that_was_not_profiled_is_nothing_to_compare_with(tmp_path: Path) -> None:
    load_rows(tmp_path, pairs(9))
    warehouse = load_rows(tmp_path, pairs(12))
    profile(warehouse)
    assert drift(warehouse) == []


def test_scores_that_the_release_lacks_have_not_moved(tmp_path: Path) -> None:
    for count in (40, 42):
        rows = [{**row, "license": "?", "nsfw": "?"} for row in pairs(count)]
        warehouse = load_rows(tmp_path, rows, RAW)
        profile(warehouse)
    assert [line[0] for line in drift(warehouse)] == ["rows", "similarity"]
    absent = "not in this release"
    assert statuses(check(warehouse, RAW, DRIFT)) == {
        "rows": "passed",  # 5 % exactly
        "similarity": "passed",
        **dict.fromkeys(("punsafe", "pwatermark", "aesthetic"), absent),
    }


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A warehouse at its second revision, with a `revision_drift` to write other values into."""
    return refreshed(tmp_path_factory.mktemp("moved"), [pairs(50)], [pairs(51)])


def up(value: float) -> float:
    return math.nextafter(value, 9)


def judged(
    warehouse: Warehouse, counts: tuple[int, int], values: Mapping[str, float], **limits: Threshold
) -> dict[str, str]:
    """What the checks say of a table that holds these rows and values."""
    drift(warehouse)
    lines = ", ".join(f"('a', 'b', '{m}', 1, 1, {v!r}, {v!r}, 0)" for m, v in values.items())
    change(
        warehouse,
        "DELETE FROM revision_drift",
        f"INSERT INTO revision_drift VALUES {lines},"
        f" ('a', 'b', 'rows', {counts[0]}, {counts[1]}, {counts[1] / counts[0] - 1!r}, NULL, NULL)",
    )
    overrides = {f"{name}_drift": limit for name, limit in limits.items()}
    results = validate(warehouse, Contract.of(SAMPLE, overrides), DRIFT)
    return statuses({result.name: result for result in results})


def test_thresholds_are_passed_only_above_them(moved: Warehouse) -> None:
    values = {"similarity": 0.1, "punsafe": up(0.1), "pwatermark": 0.25, "aesthetic": up(0.25)}
    found = judged(moved, (2_000, 2_100), values)
    assert found == {
        "rows": "passed",
        "similarity": "passed",
        "punsafe": "warned",
        "pwatermark": "warned",
        "aesthetic": "failed",
    }
    values = {"similarity": 0.0, "punsafe": 5e-324, "pwatermark": 99.0, "aesthetic": 1e308}
    found = judged(moved, (2_000, 1_899), values)
    assert list(found.values()) == ["warned", "passed", "passed", "failed", "failed"]


def test_thresholds_can_be_others(moved: Warehouse) -> None:
    values = {"similarity": 0.3, "punsafe": 0.3, "pwatermark": 0.3, "aesthetic": 0.0}
    found = judged(
        moved,
        (1_000, 1_020),
        values,
        rows=Threshold(warn_above=0.01, error_above=0.02),
        similarity=Threshold(warn_above=0.3, error_above=0.3),
        punsafe=Threshold(warn_above=0.2, error_above=None),
        pwatermark=Threshold(error_above=0.5),
        aesthetic=Threshold(warn_above=0),
    )
    assert found == {
        "rows": "warned",
        "similarity": "passed",
        "punsafe": "warned",
        "pwatermark": "passed",
        "aesthetic": "passed",
    }


TAMPERINGS = [
    "UPDATE revision_drift SET rows = rows + 1 WHERE measure = 'rows'",
    "UPDATE revision_drift SET rows = NULL WHERE measure = 'rows'",
    "UPDATE revision_drift SET stability_index = -0.1 WHERE measure = 'punsafe'",
    "UPDATE revision_drift SET value = 'nan' WHERE measure = 'punsafe'",
    "UPDATE revision_drift SET value = 'inf' WHERE measure = 'punsafe'",
    "UPDATE revision_drift SET value = NULL WHERE measure = 'punsafe'",
    "UPDATE revision_drift SET stability_index = NULL WHERE measure = 'punsafe'",
    "DELETE FROM revision_drift WHERE measure = 'rows'",
    "DELETE FROM revision_drift",
]


def contradictions(warehouse: Warehouse, table: Table, tamperings: Sequence[str]) -> Iterator[int]:
    """How many lines a table's own check finds after each tampering."""
    result = materialize_table(warehouse, table, warehouse.file.parent / "tables")
    assert result.rows
    assert check_table(warehouse, table, result.rows).status == "passed"
    with warehouse.connect() as connection:
        for tampering in tamperings:
            connection.begin()
            connection.execute(tampering)
            yield len(connection.execute(table.check_sql).fetchall())
            connection.rollback()


def test_a_table_tampered_with_fails_its_check(moved: Warehouse) -> None:
    found = zip(TAMPERINGS, contradictions(moved, tables()[DRIFT], TAMPERINGS), strict=True)
    assert [tampering for tampering, lines in found if not lines] == []
    change(moved, TAMPERINGS[0])
    assert check_table(moved, tables()[DRIFT], 5).status == "failed"


def test_a_quarantine_counted_wrong_fails_its_check(tmp_path: Path) -> None:
    warehouse, counts = load_rows(tmp_path, DIRTY), tables()["quarantine_counts"]
    tamperings = [
        "UPDATE quarantine_counts SET rows = rows + 1 WHERE reason = 'url_http'",
        "UPDATE quarantine_counts SET rows = NULL WHERE reason = 'url_http'",
        "UPDATE quarantine_counts SET reason = 'text_present' WHERE reason = 'url_http'",
        "DELETE FROM quarantine_counts WHERE reason = 'url_http'",
        "DELETE FROM quarantine_counts",
        "INSERT INTO quarantine_counts VALUES ('no_such_rule', 'part-0.parquet', 3)",
    ]
    found = zip(tamperings, contradictions(warehouse, counts, tamperings), strict=True)
    assert [tampering for tampering, lines in found if not lines] == []
