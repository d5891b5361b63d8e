"""The best and the worst pairs by each score: one a URL, ties settled, repetitions no matter."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laion_pipeline.sources.sample.shards import generate_sample
from tests.builders import CORE, SCORES, Row, compute, load, pair, pairs, table_of
from tests.oracles.rows import Line
from tests.oracles.scores import score_extremes

NAMES = ("score", "extreme", "rank", *CORE, "shard_id")


def extremes(rows: Sequence[Row]) -> list[dict[str, Any]]:
    table = table_of(rows).append_column("shard_id", pa.array(range(len(rows)), pa.int32()))
    found = [dict(zip(NAMES, line, strict=True)) for line in compute("score_extremes", table)]
    for line in found:
        source = rows[int(str(line["shard_id"]))]
        assert {name: line[name] for name in CORE} == source, "a line is one of the rows"
    return found


def ranking(found: list[dict[str, Any]]) -> list[Line]:
    return [
        (*(line[name] for name in ("score", "extreme", "rank", "url", "hash")),
         line[str(line["score"])])
        for line in found
    ]  # fmt: skip


def urls(found: list[dict[str, Any]], score: str, extreme: str) -> list[Any]:
    return [line["url"] for line in found if (line["score"], line["extreme"]) == (score, extreme)]


def test_extremes_of_the_sample_are_right(tmp_path: Path) -> None:
    generate_sample(tmp_path / "shards", rows=2000, shards=3)
    with load(tmp_path / "shards").connect() as connection:
        rows = connection.execute("FROM valid_pairs").to_arrow_table().select(CORE).to_pylist()
    found = ranking(extremes(rows))
    assert found == score_extremes(rows)
    assert len(found) == 2 * len(SCORES) * 100


FEW_SCORES = st.none() | st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0])
ROWS = st.lists(
    st.builds(
        pair,
        url=st.sampled_from(
            ["https://a", "https://b", "https://é", "https://c", "https://\U0001f600"]
        ),
        text=st.sampled_from("ab"),
        hash=st.none() | st.integers(-2, 2),
        **dict.fromkeys(SCORES, FEW_SCORES),
    ),
    max_size=25,
)


@given(ROWS)
def test_extremes_of_any_rows_are_right(rows: list[Row]) -> None:
    assert ranking(extremes(rows)) == score_extremes(rows)


@given(
    st.lists(st.tuples(st.integers(0, 149), st.integers(0, 20)), min_size=150, max_size=400),
    st.integers(0, 3),
)
@settings(max_examples=15)
def test_only_a_hundred_urls_are_kept(drawn: list[tuple[int, int]], extra: int) -> None:
    rows: list[Row] = [
        pair(url, hash=number, **dict.fromkeys(SCORES, value / 20))
        for number, (url, value) in enumerate(drawn)
    ]
    rows += pairs(extra, first=500)
    assert ranking(extremes(rows)) == score_extremes(rows)


def test_of_a_url_the_best_and_the_worst_row_count() -> None:
    rows = [pair(1, hash=n, aesthetic=value) for n, value in enumerate([8.0, 9.0, 7.5, 9.0])]
    best, worst = [line for line in extremes(rows) if line["score"] == "aesthetic"]
    assert (best["extreme"], best["aesthetic"], best["hash"]) == ("top", 9.0, 1)
    assert (worst["extreme"], worst["aesthetic"], worst["hash"]) == ("bottom", 7.5, 2)


def test_ties_go_to_the_lower_hash_then_the_lower_url() -> None:
    rows = [
        pair(3, hash=5, url="https://b"), pair(2, hash=5, url="https://a"), pair(1, hash=7),
        pair(0, hash=-1),
    ]  # fmt: skip
    expected = [pair(0)["url"], "https://a", "https://b", pair(1)["url"]]
    for extreme in ("top", "bottom"):
        assert urls(extremes(rows), "aesthetic", extreme) == expected


@pytest.mark.parametrize("repeats", [1899, 1900, 1901, 1999, 2000, 2001, 2500])
@pytest.mark.parametrize("others", [50, 150])
def test_a_url_that_repeats_thousands_of_times_takes_one_place(repeats: int, others: int) -> None:
    popular = [
        pair(10_000 + n, url="https://popular", aesthetic=9.5, punsafe=0.9) for n in range(repeats)
    ]
    rest = [
        pair(n, aesthetic=7.1 + n / 100, punsafe=n / 1000, similarity=n / 1000)
        for n in range(others)
    ]
    found = extremes([*popular, *rest])
    assert urls(found, "aesthetic", "top")[:3] == [
        "https://popular", rest[-1]["url"], rest[-2]["url"],
    ]  # fmt: skip
    assert ranking(found) == score_extremes([*popular, *rest])
    counts = Counter((line["score"], line["extreme"]) for line in found)
    assert set(counts.values()) == {min(100, others + 1)}


def test_many_urls_that_repeat_leave_room_for_the_others() -> None:
    rows = [
        pair(number, url=f"https://popular-{number % 99}", aesthetic=9 + number % 99 / 1000)
        for number in range(2600)
    ] + [pair(number, aesthetic=8.0) for number in range(5000, 5010)]
    found = extremes(rows)
    assert ranking(found) == score_extremes(rows)
    assert urls(found, "aesthetic", "top")[99] == pair(5000)["url"]


def test_thousands_of_equal_scores_are_settled_by_hash() -> None:
    rows = [pair(number, hash=-number) for number in range(3000)]
    found = extremes(rows)
    assert ranking(found) == score_extremes(rows)
    assert urls(found, "punsafe", "bottom")[0] == pair(2999)["url"]
