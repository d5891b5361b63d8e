"""Layouts of shards: whatever a file's columns are called and typed, the right values get in."""

import json
import math
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laion_pipeline.errors import LayoutError, ShardError
from laion_pipeline.releases.columns import COLUMNS
from laion_pipeline.releases.release import Release, catalogue, find_release
from laion_pipeline.warehouse.layout import match_layout
from tests.builders import (
    CORE,
    RAW,
    SAMPLE,
    fetch,
    load,
    pair,
    pairs,
    replaced,
    table_of,
    write_table,
)

V1 = ("URL", "TEXT", "WIDTH", "HEIGHT", "similarity", "hash", "punsafe", "pwatermark", "aesthetic")
SELECT_CORE = f"SELECT {', '.join(CORE)} FROM pairs ORDER BY hash"
# Of values that a float32 holds too, so that a copy with scores of that type is no different.
ROWS = [
    pair(1, similarity=0.25, punsafe=0.125, pwatermark=0.5, aesthetic=7.25),
    pair(2, similarity=-1.0, punsafe=0.0, pwatermark=1.0, aesthetic=9.75, width=None, height=None),
]
VALUES = [tuple(row.values()) for row in ROWS]
FLOAT32 = ("similarity", "punsafe", "pwatermark", "aesthetic")


def cast(table: pa.Table, type_: pa.DataType, *names: str) -> pa.Table:
    for name in names:
        table = replaced(table, name, table[name].cast(type_))
    return table


LAYOUTS: dict[str, pa.Table] = {
    "V1": cast(cast(table_of(ROWS), pa.int32(), "width", "height"), pa.float32(), *FLOAT32[1:])
    .rename_columns(V1),
    "shuffled": table_of(ROWS).select(sorted(CORE, reverse=True)),
    "upper case": table_of(ROWS).rename_columns([name.upper() for name in CORE]),
    "mixed case": table_of(ROWS).rename_columns([name.title() for name in CORE]),
    "sizes as floats": cast(table_of(ROWS), pa.float64(), "width", "height"),
    "sizes as float32": cast(table_of(ROWS), pa.float32(), "width", "height"),
    "unsigned sizes": cast(table_of(ROWS), pa.uint64(), "width", "height", "hash"),
    "small sizes": cast(table_of(ROWS), pa.int16(), "width", "height", "hash"),
    "scores as float32": cast(table_of(ROWS), pa.float32(), *FLOAT32),
    "scores as float16": cast(table_of(ROWS), pa.float16(), *FLOAT32),
    "dictionaries": cast(table_of(ROWS), pa.dictionary(pa.int32(), pa.string()), "url", "text"),
    "large strings": cast(table_of(ROWS), pa.large_string(), "url", "text"),
    "string views": cast(table_of(ROWS), pa.string_view(), "url", "text"),
    "V2": table_of(ROWS).rename_columns([*CORE[:-1], "AESTHETIC_SCORE"]),
    "more columns": table_of(ROWS)
    .append_column("top_caption", pa.array(["made", "up"]))
    .append_column("shard_id", pa.array([77, 78]))
    .append_column("defects", pa.array([255, 255]))
    .append_column("exif", pa.array([{"a": 1}, {"a": 2}])),
    "a column called filename": table_of(ROWS).append_column("filename", pa.array(["a", "b"])),
    "a caption column": table_of(ROWS).rename_columns(["url", "caption", *CORE[2:]]),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_values_are_found_whatever_the_layout(layout: str, tmp_path: Path) -> None:
    write_table(tmp_path / "shards", "part-0.parquet", LAYOUTS[layout])
    warehouse = load(tmp_path / "shards")
    assert fetch(warehouse, SELECT_CORE) == VALUES
    assert fetch(warehouse, "SELECT shard_id, defects FROM pairs") == [(0, 0), (0, 0)]


def test_layouts_mix_in_one_batch(tmp_path: Path) -> None:
    for number, table in enumerate(LAYOUTS.values()):
        if "filename" not in table.column_names:
            write_table(tmp_path / "shards", f"part-{number:02}.parquet", table)
    warehouse = load(tmp_path / "shards")
    shards = len(LAYOUTS) - 1
    found = fetch(warehouse, SELECT_CORE)
    assert found == [*[VALUES[0]] * shards, *[VALUES[1]] * shards]
    counts = fetch(warehouse, "SELECT shard_id, count(*) FROM pairs GROUP BY ALL ORDER BY ALL")
    assert counts == [(number, 2) for number in range(shards)]


def test_a_column_of_nothing_but_nulls_has_any_type(tmp_path: Path) -> None:
    table = table_of(pairs(2))
    for name in ("text", "width", "similarity"):
        table = replaced(table, name, pa.nulls(2))
    write_table(tmp_path / "shards", "part-0.parquet", table)
    warehouse = load(tmp_path / "shards")
    assert fetch(warehouse, "SELECT text, width, similarity FROM pairs") == [(None,) * 3] * 2


@pytest.mark.parametrize("type_", [pa.float32(), pa.float64()])
def test_a_size_that_is_not_a_number_is_unknown(type_: pa.DataType, tmp_path: Path) -> None:
    # As pandas writes it: not a null but a NaN.
    table = replaced(table_of(pairs(2)), "width", pa.array([math.nan, 512.0], type_))
    write_table(tmp_path / "shards", "part-0.parquet", table)
    warehouse = load(tmp_path / "shards")
    assert fetch(warehouse, "SELECT width, defects FROM pairs ORDER BY hash") == [
        (None, 0),
        (512, 0),
    ]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("width", pa.array([640, 512.5])),
        ("width", pa.array([640, math.inf])),
        ("height", pa.array([640, -math.inf])),
        ("width", pa.array([640, 9.3e18])),
        ("hash", pa.array([1, 2**63], pa.uint64())),
    ],
    ids=["fraction", "inf", "-inf", "too large", "too large unsigned"],
)
def test_a_number_that_does_not_fit_is_refused(name: str, values: pa.Array, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    write_table(shards, "part-0.parquet", table_of(pairs(2)))
    write_table(shards, "part-1.parquet", replaced(table_of(pairs(2)), name, values, name.upper()))
    with pytest.raises(ShardError) as caught:
        load(shards)
    assert str(caught.value).startswith("part-1.parquet: cannot be loaded: ")
    assert "\n" not in str(caught.value)


def test_a_fraction_is_refused_with_its_column_and_value(tmp_path: Path) -> None:
    table = replaced(table_of(pairs(2)), "width", pa.array([640, 512.5]), "It's WIDTH")
    write_table(tmp_path / "shards", "part-0.parquet", table)
    release = SAMPLE.model_copy(update={"spellings": {"width": ("it's width",)}})
    with pytest.raises(ShardError) as caught:
        load(tmp_path / "shards", release)
    assert str(caught.value) == (
        "part-0.parquet: cannot be loaded: column It's WIDTH holds 512.5,"
        " which is not a whole number"
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("width", pa.array(["640", "480"])),
        ("similarity", pa.array(["0.3", "0.3"])),
        ("text", pa.array([1, 2])),
        ("url", pa.array([b"https://a", b"https://b"])),
        ("aesthetic", pa.array([True, False])),
        ("hash", pa.array([{"a": 1}, {"a": 2}])),
        ("width", pa.array([Decimal("1.0"), Decimal("2.0")])),
    ],
    ids=["text", "digits", "numbers", "bytes", "truths", "structs", "decimals"],
)
def test_another_kind_of_value_is_refused(name: str, values: pa.Array, tmp_path: Path) -> None:
    table = replaced(table_of(pairs(2)), name, values)
    write_table(tmp_path / "shards", "part-0.parquet", table)
    with pytest.raises(LayoutError) as caught:
        load(tmp_path / "shards")
    assert str(caught.value).startswith(f"part-0.parquet: column {name} holds ")
    assert "LAION_RELEASE" in str(caught.value)


def test_a_missing_column_is_named_with_the_releases_that_would_fit(tmp_path: Path) -> None:
    columns = ("url", "text", "height", "width", "license", "nsfw", "similarity")
    table = table_of([], columns)
    write_table(tmp_path / "shards", "part-0.parquet", table)
    with pytest.raises(LayoutError) as caught:
        load(tmp_path / "shards")
    message = str(caught.value)
    assert message.startswith("part-0.parquet: lacks hash (hash), which sample has; ")
    assert f"columns found: {', '.join(columns)}; " in message
    wanted = message.partition("columns wanted: ")[2].partition("; ")[0].split(", ")
    assert len(wanted) == len(SAMPLE.columns)
    assert wanted[-1] == "aesthetic or aesthetic_score"
    known = message.partition("releases known: ")[2].partition("; ")[0].split(", ")
    assert known == list(catalogue())
    fitting = message.rpartition("use most of these columns: ")[2].split(", ")
    assert fitting == ["laion2B-en", "laion1B-nolang", "relaion400m"]
    assert "\n" not in message


def test_columns_of_no_known_release_need_a_description(tmp_path: Path) -> None:
    write_table(tmp_path / "shards", "part-0.parquet", pa.table({"id": [1]}))
    with pytest.raises(LayoutError, match=r"releases known: .* have these columns: none; .*\.toml"):
        load(tmp_path / "shards")


@pytest.mark.parametrize("twins", [("URL", "url"), ("Hash", "hASH")])
def test_names_that_differ_only_in_case_are_ambiguous(
    twins: tuple[str, str], tmp_path: Path
) -> None:
    one, other = twins
    table = table_of(pairs(1))
    values = table[one.lower()]
    table = replaced(table, one.lower(), values, one).append_column(other, values)
    write_table(tmp_path / "shards", "part-0.parquet", table)
    with pytest.raises(LayoutError, match=f"{one}, {other}, which differ only in case"):
        load(tmp_path / "shards")


def test_raw_releases_have_width_and_height_swapped(tmp_path: Path) -> None:
    table = pa.table(
        {
            "SAMPLE_ID": [7], "URL": ["https://a.example/x-360x240.jpg"], "TEXT": ["a"],
            "HEIGHT": [360], "WIDTH": [240], "LICENSE": ["?"], "NSFW": ["NSFW"],
            "similarity": [0.3],
        }
    )  # fmt: skip
    write_table(tmp_path / "shards", "part-0.parquet", table)
    warehouse = load(tmp_path / "shards", RAW)
    assert fetch(warehouse, "SELECT width, height, license, nsfw FROM valid_pairs") == [
        (360, 240, "?", "NSFW")
    ]


def test_the_original_size_is_preferred(tmp_path: Path) -> None:
    table = table_of([pair(1, width=256, height=192)], CORE[:8])
    table = table.append_column("original_width", [[640]]).append_column("Original_Height", [[480]])
    write_table(tmp_path / "shards", "part-0.parquet", table)
    warehouse = load(tmp_path / "shards", find_release("relaion2B-en-research"))
    assert fetch(warehouse, "SELECT width, height FROM pairs") == [(640, 480)]


def test_the_better_model_of_similarity_is_preferred(tmp_path: Path) -> None:
    table = pa.table(
        {
            "uid": ["a"], "url": ["https://a.example"], "text": ["a"], "original_width": [1],
            "original_height": [2], "clip_b32_similarity_score": [0.1],
            "clip_l14_similarity_score": [0.2], "face_bboxes": [[[0.5]]], "sha256": ["ab"],
        }
    )  # fmt: skip
    write_table(tmp_path / "shards", "part-0.parquet", table)
    warehouse = load(tmp_path / "shards", find_release("datacomp_1b"))
    assert fetch(warehouse, "SELECT width, height, similarity FROM pairs") == [(1, 2, 0.2)]


@pytest.mark.parametrize("release", catalogue().values(), ids=lambda release: release.name)
def test_every_spelling_of_the_contract_is_found(release: Release) -> None:
    canonical = {column.name: column for column in COLUMNS}
    for upper in (False, True):
        for last in (False, True):
            names = [canonical[name].spellings[-1 if last else 0] for name in release.columns]
            names = [name.upper() if upper else name for name in names]
            kinds = {"text": pa.string(), "whole": pa.int64(), "real": pa.float32()}
            schema = pa.schema(
                [
                    (spelled, kinds[canonical[name].kind])
                    for spelled, name in zip(names, release.columns, strict=True)
                ]
            )
            layout = match_layout(release, schema, "shard")
            found = {source.column.name: source.name for source in layout}
            swapped = {"width": "height", "height": "width"} if release.sizes_swapped else {}
            assert found == {
                swapped.get(name, name): spelled
                for name, spelled in zip(release.columns, names, strict=True)
            }


def test_the_index_that_pandas_leaves_does_no_harm(tmp_path: Path) -> None:
    table = table_of(ROWS).rename_columns([*CORE[:-1], "AESTHETIC_SCORE"])
    table = table.append_column("__index_level_0__", pa.array([4, 5])).replace_schema_metadata(
        {"pandas": json.dumps({"index_columns": ["__index_level_0__"]})}
    )
    write_table(tmp_path / "shards", "2B-en-4.5_1.parquet", table)
    assert b"pandas" in pq.read_schema(tmp_path / "shards" / "2B-en-4.5_1.parquet").metadata
    warehouse = load(tmp_path / "shards", find_release("aesthetics_v2_4.5"))
    assert fetch(warehouse, SELECT_CORE) == VALUES
