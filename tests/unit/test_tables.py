"""Derived tables against the same computed another way, over the sample and over made-up rows."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from laion_pipeline.errors import WarehouseError
from laion_pipeline.releases import columns
from laion_pipeline.releases.release import Release
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.tables.table import check_table, materialize_table, read_tables
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.provenance import Provenance
from laion_pipeline.warehouse.suffixes import hold_suffixes
from tests.builders import (
    RAW,
    SCORES,
    Row,
    compare_cleaned,
    compute,
    fetch,
    load,
    load_rows,
    loaded_sources,
    make_tables,
    pair,
    pairs,
    table_of,
    tables,
    upstream,
    warehouse_at,
)
from tests.oracles import ORACLES, captions, filters, hosts, scores, sizes
from tests.oracles.rows import assert_close, numbers

COLUMNS = {
    "score_summary": "score pairs nulls minimum maximum mean stddev p01 p05 p25 p50 p75 p95 p99",
    "scores_by_shard": "shard_id score bin on_edge pairs",
    "score_histogram": "score bin_lower bin_upper pairs",
    "score_correlations": "measure other pairs pearson spearman",
    "score_joint_histogram": "x y x_lower x_upper y_lower y_upper pairs",
    "score_thresholds": "score keeps threshold pairs share",
    "resolution_counts": "rank width height pairs share",
    "resolution_summary": "measure place class pairs share",
    "crop_loss": "side method selection pairs share upscaled mean_cut p25_cut p50_cut p75_cut"
    " p95_cut",
    "similarity_by_size": "tenth lowest_similarity highest_similarity pairs mean_pixels"
    " median_pixels small_share effect_size",
    "similarity_by_caption": "tenth lowest_similarity highest_similarity pairs mean_characters"
    " median_characters short_share only_digits_share only_digits_ratio effect_size",
    "captions_by_shard": "shard_id measure value pairs",
    "caption_summary": "measure pairs share minimum p01 p05 p25 p50 p75 p95 p99 maximum mean",
    "term_lift": "term_group term score score_from score_to pairs having_it lift lift_low"
    " lift_high",
    "safety_overlay": "shard pairs without_hash removed removed_share",
    "caption_words": "rank word occurrences mean_aesthetic",
    "host_totals": "host pairs mean_aesthetic mean_punsafe mean_pwatermark watermarked_share",
    "host_counts": "rank host pairs share cumulative_share mean_aesthetic mean_punsafe"
    " mean_pwatermark watermarked_share",
    "domain_summary": "rank domain pairs share small_provider",
    "duplicates": "key value pairs",
    "duplicate_groups": "key rank value pairs",
    "duplicate_summary": "key place copies groups pairs removed removed_share",
    "training_filters": "recipe step condition pairs_alone share_alone pairs_together"
    " share_together source",
    "score_extremes": "score extreme rank url text width height similarity hash punsafe pwatermark"
    " aesthetic shard_id",
    "extreme_summary": "score extreme pairs median_pixels small_share only_digits_share top_words"
    " top_hosts",
    "quarantine_counts": "reason shard rows",
    "revision_diff": "previous_revision revision shard previous_rows rows added removed"
    " changed_text changed_scores",
    "release_history": "revision complete loaded_at profiled_at measure subject point value",
    "revision_drift": "previous_revision revision measure previous_rows rows value"
    " stability_index chance",
}
OF_VALID_PAIRS = [name for name in tables() if loaded_sources(name) == {"valid_pairs"}]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A small sample, with its planted defects, and every table made of its second revision."""
    folder = tmp_path_factory.mktemp("sample")
    *_, last = generate_sample(folder / "shards", rows=2000, shards=3)
    last.rename(folder / "aside")
    warehouse = load(folder / "shards")
    make_tables(warehouse, folder / "tables")
    (folder / "aside").rename(last)
    load(folder / "shards")
    compare_cleaned(warehouse, folder / "cleaned")
    make_tables(warehouse, folder / "tables")
    return warehouse


@pytest.fixture(scope="module")
def valid(sample: Warehouse) -> list[Row]:
    with sample.connect(read_only=True) as connection:
        rows: list[Row] = connection.execute("FROM valid_pairs").to_arrow_table().to_pylist()
    return rows


def with_shard(rows: Sequence[Row]) -> pa.Table:
    return table_of(rows).append_column("shard_id", pa.array([0] * len(rows), pa.int32()))


def list_of(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value


def whole(value: object) -> int:
    assert isinstance(value, int)
    return value


def test_each_table_has_an_expectation() -> None:
    assert tables().keys() == COLUMNS.keys(), "give the table's columns in COLUMNS here"


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_are_in_order_and_documented(name: str, sample: Warehouse) -> None:
    wanted = COLUMNS[name].split()
    assert [column.name for column in tables()[name].columns] == wanted
    described = fetch(
        sample,
        "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = ?"
        " ORDER BY column_index",
        name,
    )
    assert described == [(c.name, c.documentation) for c in tables()[name].columns]
    assert all(comment for _, comment in described)


@pytest.mark.parametrize("name", ORACLES)
def test_a_table_of_the_sample_is_right(name: str, sample: Warehouse, valid: list[Row]) -> None:
    assert_close(fetch(sample, f"FROM {name}"), ORACLES[name](valid))
    assert 1900 < len(valid) < 2000


@pytest.mark.parametrize("name", COLUMNS)
def test_the_parquet_file_equals_the_table(name: str, sample: Warehouse) -> None:
    file = sample.file.parent / "tables" / f"{name}.parquet"
    rows = [tuple(row.values()) for row in pq.read_table(file).to_pylist()]
    assert rows == fetch(sample, f"FROM {name}") != []
    metadata = pq.read_schema(file).metadata
    with sample.connect(read_only=True) as connection:
        assert metadata[b"laion_pipeline.revision"].decode() == Provenance.read(connection).revision
    assert metadata[b"laion_pipeline.sql"].decode() == tables()[name].sql
    assert list(file.parent.glob(".*")) == [], "nothing temporary stays behind"


@pytest.mark.parametrize("name", COLUMNS)
def test_the_same_rows_give_the_same_bytes(name: str, sample: Warehouse, tmp_path: Path) -> None:
    result = materialize_table(sample, tables()[name], tmp_path)
    again = tmp_path / f"{name}.parquet"
    before = sample.file.parent / "tables" / f"{name}.parquet"
    if name == "release_history":  # which says when each profile was made
        tables_of = [pq.read_table(file).drop_columns("profiled_at") for file in (again, before)]
        assert tables_of[0].equals(tables_of[1])
    else:
        assert again.read_bytes() == before.read_bytes()
    assert result.rows == len(fetch(sample, f"FROM {name}"))
    assert list(result.types) == COLUMNS[name].split()


def test_the_quarantine_is_counted_by_reason_and_shard(sample: Warehouse) -> None:
    broken = fetch(sample, "SELECT path, reasons FROM quarantine JOIN shards USING (shard_id)")
    expected = Counter((reason, path) for path, reasons in broken for reason in list_of(reasons))
    lines = fetch(sample, "FROM quarantine_counts")
    assert {(reason, shard): rows for reason, shard, rows in lines} == expected
    keys = [(str(reason), -whole(rows), str(shard)) for reason, shard, rows in lines]
    assert keys == sorted(keys), "the shards with most come first"
    result = check_table(sample, tables()["quarantine_counts"], len(lines))
    assert result.status == "passed"


@pytest.mark.parametrize("name", OF_VALID_PAIRS)
@pytest.mark.parametrize(
    "rows",
    [[], [pair()], [pair()] * 3, [pair(width=None), pair(1, height=None)],
     [pair(n, text="" if n % 2 else "a", punsafe=math.nan) for n in range(9)]],
    ids=["no rows", "one row", "equal rows", "no sizes", "no valid rows"],
)  # fmt: skip
def test_tables_of_few_or_equal_rows(name: str, rows: list[Row], tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, rows)
    with warehouse.connect() as connection:
        valid = connection.execute("FROM valid_pairs").to_arrow_table().to_pylist()
    for source in upstream(name):
        materialize_table(warehouse, tables()[source], tmp_path)
    result = materialize_table(warehouse, tables()[name], tmp_path)
    found = fetch(warehouse, f"FROM {name}")
    if name in ORACLES:
        assert_close(found, ORACLES[name](valid))
    elif name == "score_extremes":
        assert len(found) == 2 * len(SCORES) * min(100, len({row["url"] for row in valid}))
    assert check_table(warehouse, tables()[name], result.rows).status == "passed"


@pytest.mark.parametrize("score", SCORES)
def test_a_score_that_is_no_number_is_in_no_table(score: str, tmp_path: Path) -> None:
    """Even if all others of its shard are good, so that the footer says so of the column."""
    warehouse = load_rows(tmp_path, [*pairs(5), pair(5, **{score: math.nan})])
    assert fetch(warehouse, "SELECT hash, reasons FROM quarantine") == [(5, [f"{score}_range"])]
    make_tables(warehouse, tmp_path, "score_summary", "scores_by_shard", "score_histogram")
    for name in ("score_summary", "score_histogram"):
        counted = fetch(warehouse, f"SELECT sum(pairs) FROM {name} GROUP BY score")
        assert counted == [(5,)] * len(SCORES)


def test_scores_that_a_release_lacks_have_no_rows(tmp_path: Path) -> None:
    rows = [{**row, "license": "?", "nsfw": "UNLIKELY"} for row in pairs(20)]
    warehouse = load_rows(tmp_path, rows, RAW)
    for name in ("score_summary", "scores_by_shard", "score_histogram", "score_extremes"):
        result = materialize_table(warehouse, tables()[name], tmp_path)
        assert fetch(warehouse, f"SELECT DISTINCT score FROM {name}") == [("similarity",)]
        assert check_table(warehouse, tables()[name], result.rows).status == "passed"
    urls = fetch(warehouse, "SELECT url FROM score_extremes WHERE extreme = 'top' ORDER BY rank")
    assert urls == sorted((row["url"],) for row in rows), "ties without hashes go by URL"


# Few values, so that there are ties; edges of bins, and their neighbours, which rounding moves.
EDGES = [0.0, -0.0, 0.15, 0.29, 0.305, 0.3, 0.57, 0.58, 1.0, -0.005, -0.29, -1.0, 5e-324, -5e-324]
SIMILARITIES = st.none() | st.sampled_from(
    [near for edge in EDGES for near in (edge, math.nextafter(edge, 9), math.nextafter(edge, -9))]
)
PROBABILITIES = st.none() | st.sampled_from([0.0, 0.29, 0.57, 0.58, 1.0, 0.07]) | st.floats(0, 1)
AESTHETICS = st.none() | st.sampled_from([7.05, 7.15, 8.15, 10.0, 0.15]) | st.floats(0, 10)
ROWS = st.lists(
    st.builds(
        pair,
        st.integers(0, 9),
        width=st.none() | st.sampled_from([1, 2, 640]),
        height=st.none() | st.sampled_from([1, 2, 480]),
        similarity=SIMILARITIES | st.floats(-1, 1),
        hash=st.none() | st.integers(-2, 2),
        punsafe=PROBABILITIES,
        pwatermark=PROBABILITIES,
        aesthetic=AESTHETICS,
    ),
    max_size=40,
)


def test_the_extremes_show_every_score() -> None:
    shown = {column.name for column in tables()["score_extremes"].columns}
    assert columns.SCORES.keys() <= shown, "select it in score_extremes.sql"


@given(ROWS)
def test_a_summary_of_any_rows_is_right(rows: list[Row]) -> None:
    found, expected = compute("score_summary", with_shard(rows)), scores.score_summary(rows)
    assert_close(found, expected)
    assert [line[3:5] for line in found] == [line[3:5] for line in expected], "ends are exact"


@given(ROWS)
@example([pair(similarity=value) for value in EDGES])
@example([pair(similarity=k / 200) for k in range(-200, 201)])
@example([pair(aesthetic=k / 20) for k in range(201)])
@example([pair(punsafe=math.nextafter(k / 100, 0)) for k in range(101)])
def test_a_histogram_of_any_rows_is_right(rows: list[Row]) -> None:
    assert compute("score_histogram", with_shard(rows)) == scores.score_histogram(rows)


VARIED_ROWS = st.lists(
    st.builds(
        pair, text=st.sampled_from(["a", "bc", "d" * 40]),
        width=st.none() | st.sampled_from([1, 20, 300]),
        height=st.none() | st.sampled_from([1, 20, 300]),
        similarity=st.sampled_from([-1.0, 0.25, 0.3]), punsafe=st.sampled_from([0.0, 0.5, 1.0]),
        pwatermark=st.none() | st.sampled_from([0.0, 1.0]), aesthetic=st.integers(0, 10).map(float),
        hash=st.none() | st.integers(-9, 9),
    ),
    max_size=40,
)  # fmt: skip


@given(VARIED_ROWS)
@example([pair(n, aesthetic=float(n), punsafe=1 - n / 9) for n in range(10)])
def test_correlations_of_any_rows_are_right(rows: list[Row]) -> None:
    found, expected = (
        compute("score_correlations", with_shard(rows)),
        scores.score_correlations(rows),
    )
    assert [line[:3] for line in found] == [line[:3] for line in expected]
    for line, other in zip(found, expected, strict=True):
        for value, wanted in zip(line[3:], other[3:], strict=True):
            assert value == (None if wanted is None else pytest.approx(wanted, abs=1e-6))


def test_of_many_rows_a_sample_is_ranked() -> None:
    """By hash, here of every other row; by URL where there is none."""
    rows = [pair(hash=n, aesthetic=float(n % 2), punsafe=n / 10**6) for n in range(600_000)]
    bare = [{**row, "hash": None, "url": f"https://a.com/{n}"} for n, row in enumerate(rows)]
    for given_, varies in ((rows, False), (bare, True)):
        found = {line[:2]: line[2:] for line in compute("score_correlations", with_shard(given_))}
        pairs_, pearson, spearman = found["aesthetic", "punsafe"]
        assert pairs_ == 600_000
        assert pearson == pytest.approx(0, abs=1e-4), "of all rows"
        assert (spearman is not None) == varies, "even hashes have one and the same score"


def test_the_correlations_show_every_score() -> None:
    measures = {line[0] for line in compute("score_correlations", with_shard(pairs(3)))}
    measures |= {line[1] for line in compute("score_correlations", with_shard(pairs(3)))}
    assert columns.SCORES.keys() <= measures, "compare it in score_correlations.sql"


@given(ROWS)
@example([pair(similarity=value, aesthetic=7.05) for value in EDGES])
@example([pair(similarity=k / 200, aesthetic=k / 20 + 10) for k in range(-200, 1)])
@example([pair(width=2**k, height=n) for k in range(12) for n in (1, 2, 3)])
def test_a_joint_histogram_of_any_rows_is_right(rows: list[Row]) -> None:
    found = compute("score_joint_histogram", with_shard(rows))
    assert found == scores.score_joint_histogram(rows)


@given(ROWS)
@example([pair(similarity=value) for value in EDGES])
@example([pair(similarity=k / 50) for k in range(-50, 51)])
@example([pair(aesthetic=k / 4) for k in range(41)])
@example([pair(punsafe=math.nextafter(k / 20, 1)) for k in range(20)])
@example([pair(pwatermark=math.nextafter(k / 20, 0)) for k in range(21)])
def test_thresholds_of_any_rows_are_right(rows: list[Row]) -> None:
    found, expected = compute("score_thresholds", with_shard(rows)), scores.score_thresholds(rows)
    assert_close(found, expected)


@given(ROWS)
def test_bins_are_half_open_and_touch(rows: list[Row]) -> None:
    found = compute("score_histogram", with_shard(rows))
    for score in SCORES:
        bins = [(low, high, count) for name, low, high, count in found if name == score]
        assert [high for _, high, _ in bins][:-1] == [low for low, _, _ in bins][1:]
        for low, high, count in bins:
            assert count == sum(low <= value < high for value in numbers(rows, score))


# Common sizes, edges of classes and buckets, and what lies beside them.
LENGTHS = st.integers(1, 5000) | st.sampled_from(
    [256, 512, 768, 1024, 1, 2, 480, 640, 1080, 1920, 1280, 720, 576, 1664, 2048, 11, 12, 21, 65535]
)
SIZED_ROWS = st.lists(
    st.builds(
        pair, width=st.none() | LENGTHS, height=st.none() | LENGTHS,
        similarity=st.none() | st.sampled_from([0.28, 0.3, 0.31]) | st.floats(-1, 1),
    ),
    max_size=30,
)  # fmt: skip
SQUARES = [pair(width=side + near, height=side) for side in sizes.SIDES for near in (-1, 0, 1)]
BUCKET_SIZES = [pair(width=64 * w - n, height=64 * h) for w, h in sizes.BUCKETS for n in (0, 1)]
# Just between two buckets: as wide and as high as both their geometric mean.
BETWEEN = [
    pair(width=w * w2 * 16, height=int(math.sqrt(w * h * w2 * h2)) * 16)
    for (w, h), (w2, h2) in pairwise(sizes.BUCKETS)
]
MILLIONS = [pair(width=500 + near, height=n) for n in (200, 500, 1000, 2000) for near in (0, -1)]


@pytest.mark.parametrize(
    "name", ["resolution_counts", "resolution_summary", "crop_loss", "similarity_by_size"]
)
@given(rows=SIZED_ROWS)
@example(rows=[pair(n, width=100 + n // 7, similarity=n // 3 / 100) for n in range(70)])
@example(rows=SQUARES)
@example(rows=BUCKET_SIZES)
@example(rows=BETWEEN)
@example(rows=MILLIONS)
def test_a_table_of_any_sizes_is_right(name: str, rows: list[Row]) -> None:
    assert_close(compute(name, with_shard(rows)), ORACLES[name](rows))


# Blanks of all kinds, entities and what looks like them, letters of several scripts, and signs.
PIECES = st.sampled_from(
    ["a", "Red", "CAR", "\u2113", "ß", "7", "42", "\u0663", "é", "\u0416", "世", "&amp;", "&#x27;",
     "& ;", "&;", "\ufffd", "-", "(b)", "...", "x-y", "' '", " ", "  ", "\t", "\n",
     "\u00a0", "\u3000", "\x1f"]
)  # fmt: skip
TEXTS = st.lists(PIECES, min_size=1, max_size=9).map("".join).filter(str.strip)
CAPTIONED_ROWS = st.lists(
    st.builds(
        pair, text=TEXTS, similarity=st.none() | st.sampled_from([0.28, 0.3]) | st.floats(-1, 1),
        aesthetic=st.none() | st.floats(0, 10),
    ),
    max_size=30,
)  # fmt: skip


@pytest.mark.parametrize(
    "name", ["similarity_by_caption", "caption_summary", "caption_words", "term_lift"]
)
@given(rows=CAPTIONED_ROWS)
@example(rows=[pair(text="1" if n % 3 else "one two", similarity=n / 100) for n in range(45)])
@example(rows=[pair(text=f"w{n} w{n % 7} (w{n % 5})") for n in range(250)])
@example(
    rows=[pair(text=text) for text in ("12", " 12 ", "1 2", "12.", "A", "A1 B", "1", "ÀÉ", "Àé")]
)
def test_a_table_of_any_captions_is_right(name: str, rows: list[Row]) -> None:
    assert_close(compute(name, with_shard(rows)), ORACLES[name](rows))


def in_shards(rows: Sequence[Row]) -> pa.Table:
    numbers = pa.array([place % 3 for place in range(len(rows))], pa.int32())
    return table_of(rows).append_column("shard_id", numbers)


@given(rows=CAPTIONED_ROWS)
def test_captions_of_any_shards_are_counted(rows: list[Row]) -> None:
    table = in_shards(rows)
    found = [line for line in compute("captions_by_shard", table) if line[1] != "filters"]
    assert found == captions.captions_by_shard(table.to_pylist())


@given(rows=CAPTIONED_ROWS)
@example([pair(punsafe=value, similarity=value) for value in EDGES if 0 <= value <= 1])
def test_scores_of_any_shards_are_counted(rows: list[Row]) -> None:
    table = in_shards(rows)
    assert compute("scores_by_shard", table) == scores.scores_by_shard(table.to_pylist())


def test_tables_by_shard_of_the_sample_are_right(sample: Warehouse, valid: list[Row]) -> None:
    assert fetch(sample, "FROM scores_by_shard") == scores.scores_by_shard(valid)
    found = fetch(sample, "FROM captions_by_shard WHERE measure <> 'filters'")
    assert found == captions.captions_by_shard(valid)


# What comes before, as, and after the host of a URL.
BEFORE = st.sampled_from(["http://", "https://", "HTTPS://", "http://me@", "https://me:p@w@"])
LABELS = st.sampled_from(["www", "cdn", "a-b", "x_y", "7", "Pins", "\u98df\u72ee"])
SUFFIXES = st.sampled_from(
    ["com", "co.uk", "uk", "ck", "www.ck", "a.ck", "city.kobe.jp", "x.kobe.jp", "kobe.jp", "no",
     "blogspot.com", "pvt.k12.ma.us", "k12.ma.us", "\u516c\u53f8.cn", "xn--55qx5d.cn", "zz", "x.zz"]
)  # fmt: skip
NAMES = st.builds(
    lambda labels, end: ".".join([*labels, end]), st.lists(LABELS, max_size=4), SUFFIXES
)
HOSTS = NAMES | st.sampled_from(["localhost", "10.0.0.1", "8.8.8.8", "[::1]", "[2001:db8::7]"])
AFTER = st.sampled_from(
    ["", "/", "/a/b.jpg", ":8080/x", ":80", "?q=http://y.com/", "#f", "./a", ".:1/"]
)
HOSTED_ROWS = st.lists(
    st.builds(
        pair, url=st.builds(lambda *parts: "".join(parts), BEFORE, HOSTS, AFTER),
        aesthetic=st.floats(0, 10), punsafe=st.floats(0, 1),
        pwatermark=st.sampled_from([0.5, 0.49]) | st.floats(0, 1),
    ),
    max_size=30,
)  # fmt: skip


@pytest.mark.parametrize("name", ["host_totals", "host_counts", "domain_summary"])
@given(rows=HOSTED_ROWS)
@example(rows=[pair(url=f"https://i{n}.h{n % 13}.com/{n}") for n in range(120)])
@example(rows=[pair(url=f"https://h{n}.com/{m}") for n in range(61) for m in range(n % 3 + 1)])
def test_a_table_of_any_hosts_is_right(name: str, rows: list[Row]) -> None:
    assert_close(compute(name, with_shard(rows)), ORACLES[name](rows))


REPEATED_ROWS = st.lists(
    st.builds(
        pair, url=st.integers(0, 5).map("https://a.com/{}".format),
        hash=st.none() | st.integers(-3, 9),
    ),
    max_size=40,
)  # fmt: skip


@pytest.mark.parametrize("name", ["duplicates", "duplicate_groups", "duplicate_summary"])
@given(rows=REPEATED_ROWS)
@example(rows=[pair(hash=n // 2, url=f"https://a.com/{n // 3}") for n in range(4000)])
@example(rows=[pair(hash=n % 40, url=f"https://a.com/{n // 101}") for n in range(450)])
def test_a_table_of_any_repetitions_is_right(name: str, rows: list[Row]) -> None:
    assert compute(name, with_shard(rows)) == ORACLES[name](rows)


FILTERED_ROWS = st.lists(
    st.builds(
        pair, width=st.none() | st.integers(190, 620), height=st.none() | st.integers(190, 620),
        text=TEXTS, aesthetic=st.none() | st.sampled_from([4.5, 5.0, 7.0]) | st.floats(0, 10),
        punsafe=st.none() | st.sampled_from([0.1, 0.5, 0.98]) | st.floats(0, 1),
        pwatermark=st.none() | st.sampled_from([0.5, 0.8]) | st.floats(0, 1),
    ),
    max_size=40,
)  # fmt: skip


@given(FILTERED_ROWS)
@example([pair(width=w, height=h) for w in (199, 200, 201, 511, 512, 600) for h in (200, 512, 600)])
def test_filters_of_any_rows_are_right(rows: list[Row]) -> None:
    found = compute("training_filters", with_shard(rows))
    assert_close([line[:-1] for line in found], filters.training_filters(rows))
    assert all(len(str(line[-1])) > 20 for line in found), "each says where it is from"


def test_filters_on_what_a_release_lacks_are_unknown(tmp_path: Path) -> None:
    warehouse = load_rows(
        tmp_path, pairs(20), Release(name="bare", columns=("url", "text", "punsafe"))
    )
    make_tables(warehouse, tmp_path, "captions_by_shard", "training_filters")
    found = {
        (recipe, step): (alone, together)
        for recipe, step, alone, together in fetch(
            warehouse, "SELECT recipe, step, pairs_alone, pairs_together FROM training_filters"
        )
    }
    assert found["DataComp basic", 2] == (20, 20)
    assert found["DataComp basic", 3] == (None, None)
    assert found["LAION-Aesthetics V1", 1] == (None, None)
    assert found["LAION-Aesthetics V1", 2] == (20, None), "after one that cannot be told"
    assert check_table(warehouse, tables()["training_filters"], 16).status == "passed"


def test_every_suffix_is_known() -> None:
    """Also those with most labels, which SQL looks for one number of labels after the other."""
    with duckdb.connect() as connection:
        hold_suffixes(connection)
        endings = [row[0] for row in connection.execute("FROM public_suffixes").fetchall()]
    assert max(ending.count(".") + 1 for ending in endings) == 4, "host_totals.sql looks at four"
    rows = [pair(url=f"http://b.a.{ending}/") for ending in endings]
    found = {host for host, *_ in compute("host_totals", with_shard(rows))}
    assert found == {hosts.registrable(row["url"]) for row in rows}
    assert len(found) > 7000


def test_a_table_needs_pairs(tmp_path: Path) -> None:
    for table in tables().values():
        with pytest.raises(WarehouseError, match="no warehouse yet"):
            materialize_table(warehouse_at(tmp_path / "w.duckdb"), table, tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("select 1 as a -- one", "two statements"),
        ("select 1 as a; select 2; select 3", "two statements"),
        ("-- T\nselect 1 as a, 2 as b -- two\n; select 3", "comment is missing behind a"),
        ("-- T\ndrop table pairs; select 3", "must be queries"),
    ],
)
def test_files_must_be_two_documented_queries(sql: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "bad.sql").write_text(sql)
    with pytest.raises(ValueError, match=complaint) as caught:
        read_tables(tmp_path)
    assert "bad.sql" in str(caught.value)


def test_a_table_is_described_once(tmp_path: Path) -> None:
    for subject in ("hosts", "sites"):
        (tmp_path / subject).mkdir()
        (tmp_path / subject / "t.sql").write_text("-- T\nselect 1 as one -- it\n; -- C\nselect 1")
    with pytest.raises(ValueError, match=r"sites/t\.sql: another file describes the table t"):
        read_tables(tmp_path)


def test_tables_come_after_those_they_read(tmp_path: Path) -> None:
    texts = {"a": "b", "b": "c", "c": "valid_pairs"}
    for name, source in texts.items():
        text = f"-- Hosts; by {name}\nselect url -- it; or 'not'\nfrom {source};\n-- None\nselect 1"
        (tmp_path / f"{name}.sql").write_text(text)
    read = read_tables(tmp_path)
    assert [table.name for table in read] == ["c", "b", "a"]
    assert [table.sources for table in read] == [{"valid_pairs"}, {"c"}, {"b"}]
    assert read[0].description == "Hosts; by c"
    assert read[0].columns[0].documentation == "it; or 'not'", "not from itself elsewhere"


def test_a_column_says_what_it_is_computed_from(tmp_path: Path) -> None:
    (tmp_path / "t.sql").write_text(
        "-- T\nselect url || text as both, -- Both\ntext as caption -- It\n"
        "from valid_pairs; -- C\nselect 1"
    )
    (table,) = read_tables(tmp_path)
    assert [column.documentation for column in table.columns] == [
        "Both (from valid_pairs.text, valid_pairs.url)", "It (from valid_pairs.text)",
    ]  # fmt: skip


def test_what_a_table_reads_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "t.sql").write_text("-- T\nselect url -- it\nfrom valid_pears; -- C\nselect 1")
    with pytest.raises(ValueError, match=r"^t\.sql: there is no table or view valid_pears$"):
        read_tables(tmp_path)


def test_the_code_version_follows_the_query_not_its_comments(tmp_path: Path) -> None:
    versions = []
    for query in ("select url -- it", "select\n  url -- that", "select text as url -- it"):
        (tmp_path / "t.sql").write_text(f"-- T\n{query}\nfrom valid_pairs; -- C\nselect 1")
        versions.append(read_tables(tmp_path)[0].code_version)
    assert versions[0] == versions[1] != versions[2]
