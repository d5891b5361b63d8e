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

pytestmark = pytest.mark.usefixtures("either_store")

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
    "text as bytes": cast(table_of(ROWS), pa.binary(), "url", "text"),
    "a dictionary of bytes": cast(table_of(ROWS), pa.dictionary(pa.int32(), pa.binary()), "text"),
    "all in text": cast(table_of(ROWS), pa.string(), *CORE),
    "floats in text": cast(cast(table_of(ROWS), pa.float64(), "width"), pa.string(), "width"),
    "a column called as loading calls its own": table_of(ROWS)
    .append_column("laion_pipeline_file", pa.array(["a", "b"]))
    .append_column("Laion_Pipeline_File_", pa.array(["a", "b"])),
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
        " which is not a whole number; that value cannot be loaded as it is: correct it in the"
        " shard"
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("width", pa.array([b"640", b"480"])),
        ("text", pa.array([1, 2])),
        ("aesthetic", pa.array([True, False])),
        ("hash", pa.array([{"a": 1}, {"a": 2}])),
        ("width", pa.array([Decimal("1.0"), Decimal("2.0")])),
    ],
    ids=["bytes", "numbers", "truths", "structs", "decimals"],
)
def test_another_kind_of_value_is_refused(name: str, values: pa.Array, tmp_path: Path) -> None:
    table = replaced(table_of(pairs(2)), name, values)
    write_table(tmp_path / "shards", "part-0.parquet", table)
    with pytest.raises(LayoutError) as caught:
        load(tmp_path / "shards")
    assert str(caught.value).startswith(f"part-0.parquet: column {name} holds ")
    assert "LAION_RELEASE" in str(caught.value)


@pytest.mark.parametrize("missing", [[math.nan, None], [None, None]])
def test_a_text_column_that_pandas_wrote_as_numbers_is_one_of_nulls(
    missing: list[float | None], tmp_path: Path
) -> None:
    # As it does where a shard has no value of it at all.
    table = replaced(table_of(pairs(2), RAW.columns), "license", pa.array(missing, pa.float64()))
    write_table(tmp_path / "shards", "part-0.parquet", table)
    write_table(tmp_path / "shards", "part-1.parquet", table_of(pairs(2, license="?"), RAW.columns))
    warehouse = load(tmp_path / "shards", RAW)
    found = fetch(warehouse, "SELECT license FROM pairs ORDER BY shard_id")
    assert found == [(None,), (None,), ("?",), ("?",)]


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("  ", None), (None, None), ("NaN", None), (" 512 ", 512), ("512.0", 512),
     ("-9223372036854775808", -(2**63)), ("+7", 7)],
)  # fmt: skip
def test_whole_numbers_in_text_are_read(
    text: str | None, value: int | None, tmp_path: Path
) -> None:
    table = replaced(table_of(pairs(1)), "hash", pa.array([text], pa.string()))
    write_table(tmp_path / "shards", "part-0.parquet", table)
    assert fetch(load(tmp_path / "shards"), "SELECT hash FROM pairs") == [(value,)]


@pytest.mark.parametrize(
    ("name", "values", "wanted"),
    [
        ("width", ["512.5"], "which is not a whole number"),
        ("width", ["wide"], "which is not a whole number"),
        ("width", ["0x1F"], "which is not a whole number"),
        ("hash", ["9223372036854775808"], "that value cannot be loaded as it is"),
        ("similarity", ["0,3"], "which is not a number"),
        ("text", [0.5], "which is not text"),
        ("text", [b"\xff"], "UTF8"),
    ],
)
def test_a_value_that_would_lose_by_being_read_ends_the_load(
    name: str, values: list[object], wanted: str, tmp_path: Path
) -> None:
    write_table(tmp_path / "shards", "part-0.parquet", table_of(pairs(1)))
    table = replaced(table_of(pairs(1)), name, pa.array(values))
    write_table(tmp_path / "shards", "part-1.parquet", table)
    with pytest.raises(ShardError) as caught:
        load(tmp_path / "shards")
    told = str(caught.value)
    assert told.startswith("part-1.parquet: cannot be loaded: ")
    assert wanted in told
    assert "LINE 1" not in told
    assert "; " in told, "what to do"


def test_a_name_that_is_there_twice_is_ambiguous(tmp_path: Path) -> None:
    table = table_of(pairs(1)).append_column("url", pa.array(["b"]))
    write_table(tmp_path / "shards", "part-0.parquet", table)
    with pytest.raises(LayoutError, match="has url, url, all of one name: which one is url"):
        load(tmp_path / "shards")


@pytest.mark.parametrize("name", ["\ufeffURL", " url", "url\t"])
def test_a_name_that_would_fit_without_what_is_about_it_is_told(name: str, tmp_path: Path) -> None:
    table = replaced(table_of(pairs(1)), "url", pa.array(["http://a"]), name)
    write_table(tmp_path / "shards", "part-0.parquet", table)
    with pytest.raises(LayoutError) as caught:
        load(tmp_path / "shards")
    told = str(caught.value)
    assert told.isprintable()
    assert "would be url, but for the blanks or the byte-order mark about it" in told


def test_of_many_columns_a_few_are_named(tmp_path: Path) -> None:
    names = [f"column\x1b[31m{number}" for number in range(10_000)]
    write_table(tmp_path / "shards", "part-0.parquet", pa.table({name: [1] for name in names}))
    with pytest.raises(LayoutError, match="and 9,980 more") as caught:
        load(tmp_path / "shards")
    assert len(str(caught.value)) < 2000
    assert str(caught.value).isprintable()


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
    fitting = message.partition("of the catalogue ")[2].partition(" would fit")[0].split(", ")
    assert fitting == ["laion2B-en", "laion1B-nolang", "relaion400m"]
    assert "another release that has the same columns, describe yours in a .toml file" in message
    assert "\n" not in message


def test_columns_of_no_known_release_need_a_description(tmp_path: Path) -> None:
    write_table(tmp_path / "shards", "part-0.parquet", pa.table({"id": [1]}))
    with pytest.raises(LayoutError, match=r"no release of the catalogue has .*\.toml"):
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
