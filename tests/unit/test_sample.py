"""The sample release: its layout, what is planted in it, its distributions, and reruns."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mmh3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laion_pipeline.sources.sample.shards import (
    PLANTED,
    PLANTED_DUPLICATE_URLS,
    SAMPLE_ROWS,
    SAMPLE_SHARDS,
    generate_sample,
    planted,
    planted_duplicate_urls,
)
from tests.row_rules import QUARANTINED, broken_rules

Row = Mapping[str, Any]
LAYOUT = pa.schema(
    {
        "URL": pa.string(),
        "TEXT": pa.string(),
        "WIDTH": pa.int32(),
        "HEIGHT": pa.int32(),
        "similarity": pa.float64(),
        "hash": pa.int64(),
        "punsafe": pa.float32(),
        "pwatermark": pa.float32(),
        "aesthetic": pa.float32(),
    }
)
SMALL = 2000


def broken_in(row: Row) -> list[str]:
    """The rules that a row as it is in a shard breaks, and is quarantined for."""
    broken = broken_rules({name.lower(): value for name, value in row.items()})
    return [rule for rule in QUARANTINED if rule in broken]


def later_repeats(rows: list[Row]) -> list[tuple[Row, Row]]:
    """Each row whose URL an earlier row has, after the first such row."""
    first: dict[object, Row] = {}
    return [
        (first[row["URL"]], row)
        for row in rows
        if row["URL"] is not None and first.setdefault(row["URL"], row) is not row
    ]


def read(paths: tuple[Path, ...]) -> list[Row]:
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return generate_sample(tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module")
def full_rows(full: tuple[Path, ...]) -> list[Row]:
    return read(full)


@pytest.fixture(scope="module")
def full_broken(full_rows: list[Row]) -> list[list[str]]:
    return [broken_in(row) for row in full_rows]


@pytest.fixture(scope="module")
def valid_rows(full_rows: list[Row], full_broken: list[list[str]]) -> list[Row]:
    return [row for row, broken in zip(full_rows, full_broken, strict=True) if not broken]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return generate_sample(tmp_path_factory.mktemp("small"), rows=SMALL)


def share(rows: list[Row], holds: Callable[[Row], bool]) -> float:
    return sum(map(holds, rows)) / len(rows)


def test_shards_have_the_layout_of_v1(full: tuple[Path, ...]) -> None:
    assert [path.name for path in full] == [
        f"part-{n:05d}-9230b837-b1e0-4254-8b88-ed2976e9cee9-c000.snappy.parquet" for n in range(4)
    ]
    assert sorted(full[0].parent.iterdir()) == list(full), "nothing temporary stays behind"
    for path in full:
        metadata = pq.read_metadata(path)
        assert metadata.schema.to_arrow_schema().equals(LAYOUT, check_metadata=False)
        assert metadata.num_row_groups == 1
        group = metadata.row_group(0)
        assert {group.column(n).compression for n in range(9)} == {"SNAPPY"}
        assert "MADE UP" in metadata.metadata[b"note"].decode()


def test_rows_are_split_nearly_evenly(full: tuple[Path, ...]) -> None:
    sizes = [pq.read_metadata(path).num_rows for path in full]
    assert sum(sizes) == SAMPLE_ROWS
    assert len(set(sizes)) == SAMPLE_SHARDS
    assert max(sizes) < 1.1 * min(sizes)


def test_every_hash_is_that_of_url_and_text(small: tuple[Path, ...]) -> None:
    for row in read(small):
        text = f"{row['URL'] or ''}{row['TEXT'] or ''}"
        assert row["hash"] == mmh3.hash64(text.encode())[0]


def test_as_many_rows_break_each_rule_as_planted_and_none_breaks_two(
    small: tuple[Path, ...], full_broken: list[list[str]]
) -> None:
    for broken in (full_broken, [broken_in(row) for row in read(small)]):
        assert max(map(len, broken)) == 1
        assert Counter(rule for rules in broken for rule in rules) == planted(len(broken))


def test_planted_numbers_tell_the_rules_apart_and_stay_rare() -> None:
    assert planted(SAMPLE_ROWS) == PLANTED
    assert tuple(PLANTED) == QUARANTINED
    assert len(set(PLANTED.values())) == len(PLANTED)
    assert all(7 <= count <= 60 for count in PLANTED.values())
    assert planted(10 * SAMPLE_ROWS) == PLANTED


def test_every_rule_is_broken_in_every_shard(
    full: tuple[Path, ...], full_broken: list[list[str]]
) -> None:
    rest = iter(full_broken)
    for path in full:
        shard = islice(rest, pq.read_metadata(path).num_rows)
        assert {rule for rules in shard for rule in rules} == set(QUARANTINED)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("URL", [None, ""]),
        ("TEXT", [None, "", "   ", "\t\n"]),
        ("WIDTH", [0, -1]),
        ("HEIGHT", [0, -1]),
        ("similarity", [None, math.inf, -math.inf, 6016.0, -1.5]),
        ("punsafe", [None, math.inf, 1.25]),
        ("pwatermark", [None, -math.inf, -1.0, 1.5]),
        ("aesthetic", [None, 7.0, 6.5, 10.5, math.inf]),
    ],
)
def test_even_a_small_sample_breaks_rules_in_every_way(
    column: str, values: list[Any], small: tuple[Path, ...]
) -> None:
    found = [row[column] for row in read(small)]
    assert set(values) <= set(found)
    if isinstance(values[-1], float):
        assert any(isinstance(value, float) and math.isnan(value) for value in found)


def test_as_many_urls_repeat_as_planted_with_another_caption(
    small: tuple[Path, ...], full_rows: list[Row]
) -> None:
    for rows in (full_rows, read(small)):
        repeats = later_repeats(rows)
        assert len(repeats) == planted_duplicate_urls(len(rows))
        for earlier, later in repeats:
            assert earlier["TEXT"] != later["TEXT"]
            assert (earlier["WIDTH"], earlier["aesthetic"]) == (later["WIDTH"], later["aesthetic"])
    assert planted_duplicate_urls(SAMPLE_ROWS) == PLANTED_DUPLICATE_URLS


def test_sizes_are_unknown_together_in_some_rows(full_rows: list[Row]) -> None:
    unknown = [row for row in full_rows if row["WIDTH"] is None or row["HEIGHT"] is None]
    assert len(unknown) == 300
    assert all(row["WIDTH"] is None and row["HEIGHT"] is None for row in unknown)


def test_sizes_in_urls_are_the_right_way_round(valid_rows: list[Row]) -> None:
    sized = [
        (int(found[1]), int(found[2]), row["WIDTH"], row["HEIGHT"])
        for row in valid_rows
        if (found := re.search(r"-(\d+)x(\d+)\.jpg$", str(row["URL"]))) and row["WIDTH"] is not None
    ]
    assert 0.08 < len(sized) / len(valid_rows) < 0.12
    assert all((width, height) == (w, h) for width, height, w, h in sized)


def test_scores_are_distributed_like_v1(valid_rows: list[Row]) -> None:
    assert share(valid_rows, lambda row: row["aesthetic"] > 8) == pytest.approx(0.063, abs=0.0005)
    assert share(valid_rows, lambda row: row["aesthetic"] > 9) == pytest.approx(0.0009, abs=0.0002)
    assert share(valid_rows, lambda row: row["similarity"] < 0.28) == pytest.approx(
        0.0003, abs=0.0001
    )
    assert max(row["punsafe"] for row in valid_rows) < 0.5
    assert share(valid_rows, lambda row: row["punsafe"] < 0.05) > 0.7
    assert max(row["pwatermark"] for row in valid_rows) < 0.8


def test_images_and_captions_are_distributed_like_v1(valid_rows: list[Row]) -> None:
    known = [row for row in valid_rows if row["WIDTH"] is not None]
    for column, q05, q50, q95 in [("WIDTH", 132, 340, 1050), ("HEIGHT", 125, 320, 1014)]:
        sides = sorted(row[column] for row in known)
        quantiles = [sides[len(sides) * percent // 100] for percent in (5, 50, 95)]
        assert quantiles == pytest.approx([q05, q50, q95], rel=0.15)
    assert any(min(row["WIDTH"], row["HEIGHT"]) < 64 for row in known)
    assert any(row["WIDTH"] > 10 * row["HEIGHT"] for row in known)
    assert any(row["HEIGHT"] > 10 * row["WIDTH"] for row in known)
    lengths = [len(str(row["TEXT"])) for row in valid_rows]
    assert sum(lengths) / len(lengths) == pytest.approx(67, abs=5)
    assert 3000 < max(lengths) <= 5000


def test_low_similarity_goes_with_small_images_and_captions_of_digits(
    valid_rows: list[Row],
) -> None:
    ranked = sorted(
        (row for row in valid_rows if row["WIDTH"] is not None), key=lambda row: row["similarity"]
    )
    low, high = ranked[: len(ranked) // 4], ranked[-len(ranked) // 4 :]
    digits = [sum(str(row["TEXT"]).isdecimal() for row in part) for part in (low, high)]
    assert digits[0] > 5 * max(digits[1], 1)
    areas = [sorted(row["WIDTH"] * row["HEIGHT"] for row in part) for part in (low, high)]
    assert areas[0][len(low) // 2] < areas[1][len(high) // 2]


def test_urls_lead_nowhere_and_few_hosts_have_most_of_them(valid_rows: list[Row]) -> None:
    hosts = Counter(urlsplit(str(row["URL"])).netloc for row in valid_rows)
    assert all(host.endswith(".example") for host in hosts)
    assert hosts.most_common(1)[0][1] / len(valid_rows) == pytest.approx(0.1, abs=0.02)
    assert len(hosts) > 5000


@pytest.mark.parametrize(
    "dirt", ["<script>alert(1)</script>", "=1+1", "**bold**", "[link](http://x.example)"]
)
def test_hostile_captions_occur_once_whatever_the_size(
    dirt: str, small: tuple[Path, ...], full_rows: list[Row]
) -> None:
    for rows in (read(small), full_rows):
        assert [row["TEXT"] for row in rows].count(dirt) == 1


def test_captions_have_the_dirt_of_a_crawl(valid_rows: list[Row]) -> None:
    text = "\x00".join(str(row["TEXT"]) for row in valid_rows)
    for dirt in ('"', "&amp;", "<b>", "\n", "\t", "\ufffd", "\x00 ", " \x00", "거실", "の", "ж"):
        assert dirt in text
    assert text.count("\x00") == len(valid_rows) - 1, "no caption has a NUL of its own"


def test_the_same_arguments_give_the_same_bytes(small: tuple[Path, ...], tmp_path: Path) -> None:
    again = generate_sample(tmp_path, rows=SMALL)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in small]


def test_whole_shards_are_left_untouched(small: tuple[Path, ...]) -> None:
    before = [path.stat().st_mtime_ns for path in small]
    assert generate_sample(small[0].parent, rows=SMALL) == small
    assert [path.stat().st_mtime_ns for path in small] == before


@pytest.mark.parametrize("damage", ["truncated", "empty", "foreign", "missing", "garbled"])
def test_only_the_damaged_shard_is_generated_again(damage: str, tmp_path: Path) -> None:
    paths = generate_sample(tmp_path, rows=500)
    whole = paths[1].read_bytes()
    before = [path.stat().st_mtime_ns for path in paths]
    if damage == "foreign":
        pq.write_table(pa.table({"URL": ["https://www.a.example/"]}), paths[1])
    elif damage == "missing":
        paths[1].unlink()
    else:
        footer = int.from_bytes(whole[-8:-4], "little")
        garbled = whole[: -footer - 8] + bytes(footer) + whole[-8:]
        damaged = {"truncated": whole[:-100], "empty": b"", "garbled": garbled}
        paths[1].write_bytes(damaged[damage])
    generate_sample(tmp_path, rows=500)
    assert paths[1].read_bytes() == whole
    for other in (0, 2, 3):
        assert paths[other].stat().st_mtime_ns == before[other]


def test_other_arguments_replace_the_sample_and_leave_other_files(tmp_path: Path) -> None:
    generate_sample(tmp_path, rows=500, shards=5)
    foreign = tmp_path / "part-00009-9230b837-b1e0-4254-8b88-ed2976e9cee9-c000.snappy.parquet"
    foreign.write_bytes(b"not ours")
    paths = generate_sample(tmp_path, rows=600, shards=2)
    assert sorted(tmp_path.iterdir()) == [*paths, foreign]
    assert sum(pq.read_metadata(path).num_rows for path in paths) == 600


@pytest.mark.parametrize(("rows", "shards"), [(499, 1), (500, 0), (500, 6), (-1, 1)])
def test_impossible_samples_are_refused(rows: int, shards: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 500 rows"):
        generate_sample(tmp_path, rows=rows, shards=shards)
    assert list(tmp_path.iterdir()) == []
