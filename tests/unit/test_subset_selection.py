"""A filter keeps just the pairs that it says, whatever their captions."""

import math
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laion_pipeline.errors import SettingsError
from laion_pipeline.releases.release import find_release
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.subsets import selecting
from laion_pipeline.subsets.conditions import CHOSEN
from laion_pipeline.subsets.filter import ORDERS, SubsetFilter
from laion_pipeline.subsets.presets import PRESETS
from laion_pipeline.subsets.selecting import Selected, select
from tests.builders import SAMPLE, Row, load, load_rows, pair
from tests.end_to_end.command import NEEDS_REAL_ROWS, REAL_ROWS
from tests.oracles.subsets import subset

Connection = duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    folder = tmp_path_factory.mktemp("sample")
    generate_sample(folder / "shards", rows=3000, shards=2)
    with load(folder / "shards").connect(read_only=True) as connection:
        yield connection


def rows_of(connection: Connection) -> list[Row]:
    return list(connection.execute("FROM valid_pairs").to_arrow_table().to_pylist())


def found(
    connection: Connection, chosen: SubsetFilter, **options: Any
) -> tuple[Selected, list[Row]]:
    selected = select(connection, chosen, SAMPLE, **options)
    table = connection.execute(f"FROM {CHOSEN} ORDER BY place").to_arrow_table()
    return selected, table.to_pylist()


def assert_as_the_oracle_has_it(connection: Connection, chosen: SubsetFilter) -> None:
    selected, kept = found(connection, chosen)
    rows = rows_of(connection)
    wanted = subset(rows, chosen)
    assert [(row["url"], row["text"]) for row in kept] == [(r["url"], r["text"]) for r in wanted]
    counts = [step.pairs for step in selected.steps]
    assert counts[0] == len(rows)
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == len(wanted)
    assert not any(step.about for step in selected.steps)


def _ranges(low: float, high: float) -> st.SearchStrategy[dict[str, float]]:
    ends = st.tuples(st.floats(low, high), st.floats(low, high)).map(sorted)
    return st.one_of(
        ends.map(lambda pair: {"at_least": pair[0], "at_most": pair[1]}),
        ends.map(lambda pair: {"above": pair[0]}),
        ends.map(lambda pair: {"below": pair[1]}),
    )


TERMS = st.sampled_from(
    ["photo", "PHOTO", "a", "and", "with", "Port Alder", "für", "fur", "e", "chair", "oil painting",
     "#", "100", "modern", "no such word", "teal #", "طاولة", "&amp;"]
)  # fmt: skip
FILTERS = st.fixed_dictionaries(
    {"seed": st.integers(0, 3), "order": st.sampled_from(ORDERS)},
    optional={
        "caption_all": st.lists(TERMS, min_size=1, max_size=2),
        "caption_any": st.lists(TERMS, min_size=1, max_size=5),
        "caption_none": st.lists(TERMS, min_size=1, max_size=2),
        "caption_regex": st.sampled_from(["[0-9]{3}", "^[A-Z]", "(?i)PHOTO|view$"]),
        "whole_words": st.booleans(),
        "aesthetic": _ranges(7, 8), "similarity": _ranges(0.2, 0.4),
        "pwatermark": _ranges(0, 0.6), "punsafe": st.one_of(st.just("any"), _ranges(0, 0.3)),
        "shortest_side": _ranges(10, 900), "pixels": _ranges(1e3, 1e6),
        "aspect_ratio": _ranges(0.3, 3), "longer_to_shorter": _ranges(1, 4),
        "words": _ranges(1, 20), "characters": _ranges(1, 200),
        "hosts_allowed": st.lists(st.sampled_from(["pins.example", "example"]), min_size=1),
        "hosts_denied": st.lists(st.sampled_from(["i.pins.example", "STOCK.example"]), min_size=1),
        "dedupe": st.lists(st.sampled_from(["url", "hash", "caption"]), min_size=1, unique=True),
        "limit": st.integers(1, 400),
    },
)  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(FILTERS)
def test_every_filter_is_as_the_oracle_has_it(sample: Connection, fields: dict[str, Any]) -> None:
    with suppress(SettingsError):  # where it contradicts itself, which is another test's business
        chosen = SubsetFilter.of(fields, "given")
        select(sample, chosen, SAMPLE)
        assert_as_the_oracle_has_it(sample, chosen)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_as_the_oracle_has_it(sample: Connection, preset: str) -> None:
    word = {"caption_any": ["photo", "view"]} if preset == "regularization" else {}
    fields = {"preset": preset, **word, "aesthetic": {"at_least": 7.1}}
    assert_as_the_oracle_has_it(sample, SubsetFilter.of(fields, "given"))


@NEEDS_REAL_ROWS
@pytest.mark.parametrize(
    "fields",
    [
        {"caption_any": ["한국", "서울", "the", "사진"]}, {"caption_all": ["사진"]},
        {"caption_any": ["년", "2020"], "whole_words": False, "dedupe": ["caption"]},
        {"caption_none": ["the", "사진"], "order": "highest aesthetic", "limit": 50},
        {"caption_regex": r"^\p{Hangul}", "words": {"at_least": 3}},
        {"words": {"at_least": 4, "at_most": 9}, "dedupe": ["url", "caption"]},
    ],
)  # fmt: skip
def test_real_captions(fields: dict[str, Any], tmp_path: Path) -> None:
    files = sorted(REAL_ROWS.rglob("*.parquet"))
    rows: list[Row] = []
    for file in files:
        for row in pq.read_table(file).to_pylist():
            row = {name.lower(): value for name, value in row.items()}
            if row.get("url") and row.get("text"):
                rows.append(pair(len(rows), url=row["url"], text=row["text"]))
        if len(rows) > 3000:
            break
    assert rows
    with load_rows(tmp_path, rows).connect(read_only=True) as connection:
        chosen = SubsetFilter.of({"punsafe": "any", **fields}, "given")
        if "caption_regex" in fields:
            _, kept = found(connection, chosen)
            assert kept
            assert all(unicodedata.name(row["text"][0]).startswith("HANGUL") for row in kept)
        else:
            assert_as_the_oracle_has_it(connection, chosen)


WORDS = [
    ("a dog runs", "dog", True), ("a DOG runs", "dog", True), ("hotdog", "dog", False),
    ("dogs", "dog", False), ("dog", "dog", True), ("(dog)", "dog", True), ("dog_a", "dog", True),
    ("dog2", "dog", False), ("Café au lait", "cafe", True), ("cafe", "CAFÉ", True),
    ("a golden retriever", "golden retriever", True), ("golden dog", "golden retriever", False),
    ("ΟΔΟΣ ΑΘΗΝΩΝ", "οδος", True), ("STRASSE", "straße", True), ("straße", "STRASSE", True),
    ("İstanbul", "istanbul", True), ("C++ code", "c++", True), ("c+", "c++", False),
    ("고양이 사진", "사진", True), ("고양이사진", "사진", False), ("x'; drop table pairs; -- y",
     "'; drop table pairs; --", True), ("a.c", "abc", False), ("abc", "a.c", False),
    ("Dreß", "dress", True), ("dreßed", "dress", False), ("a glaß bowl", "glass bowl", True),
    ("gla\u0308s\u0301s\u0323", "glass", True), ("\u212aelvin", "kelvin", True),
    ("ßs", "sss", True),
    ("100%", "100%", True), ("back\\slash", "k\\s", False), ("двери", "ДВЕРИ", True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "term", "has"), WORDS)
def test_terms_are_whole_words_without_case_and_accents(
    text: str, term: str, has: bool, tmp_path: Path
) -> None:
    with load_rows(tmp_path, [pair(1, text=text)]).connect(read_only=True) as connection:
        for fields, kept in (({"caption_all": [term]}, has), ({"caption_none": [term]}, not has)):
            assert len(found(connection, SubsetFilter.of(fields, "given"))[1]) == kept
            assert_as_the_oracle_has_it(connection, SubsetFilter.of(fields, "given"))


def test_lists_of_those_who_opted_out(sample: Connection, tmp_path: Path) -> None:
    rows = rows_of(sample)
    urls = [row["url"] for row in rows[::2]]
    (tmp_path / "urls.txt").write_text("# a remark\n\n" + "\n".join(urls))
    pq.write_table(pa.table({"HOST": ["pins.example"]}), tmp_path / "hosts.parquet")
    (tmp_path / "more.txt").write_text("https://us.stock.example/x\n")
    (tmp_path / "wanted.toml").write_text(
        'opt_out_urls = ["urls.txt"]\nopt_out_hosts = ["hosts.parquet", "more.txt"]\n'
    )
    chosen = SubsetFilter.read(tmp_path / "wanted.toml")
    assert chosen.name == "wanted"
    _, kept = found(sample, chosen)
    at = chosen.model_copy(update={"hosts_denied": ("pins.example", "us.stock.example")})
    wanted = subset(rows, at, urls)
    assert [row["url"] for row in kept] == [row["url"] for row in wanted] != []


def test_the_same_seed_gives_the_same_pairs_and_another_gives_others(sample: Connection) -> None:
    def urls(seed: int) -> list[Any]:
        fields = {"limit": 50, "seed": seed}
        return [row["url"] for row in found(sample, SubsetFilter.of(fields, "given"))[1]]

    assert urls(1) == urls(1)
    assert len(set(urls(1)) & set(urls(2))) < 20


def test_of_many_pairs_a_part_is_kept_and_counts_are_scaled(sample: Connection) -> None:
    chosen = SubsetFilter.of({"caption_none": ["photo"], "dedupe": ["url"]}, "given")
    exact, every = found(sample, chosen)
    part, some = found(sample, chosen, most_rows=500)
    assert 0 < len(some) < 900
    assert [s.pairs for s in part.steps[:-1]] == [s.pairs for s in exact.steps[:-1]]
    assert [s.about for s in part.steps] == [False] * (len(part.steps) - 1) + [True]
    assert math.isclose(part.steps[-1].pairs, exact.steps[-1].pairs, rel_tol=0.3)
    assert {row["url"] for row in some} <= {row["url"] for row in every}


def test_of_very_many_pairs_the_texts_of_some_shards_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "_ONE_SHARD_IN", 3)
    monkeypatch.setattr(selecting, "_TELLING", 100)
    generate_sample(tmp_path / "shards", rows=4000, shards=12)
    with load(tmp_path / "shards").connect(read_only=True) as connection:
        for word, in_part in (("and", True), ("watercolor", False)):
            chosen = SubsetFilter.of({"caption_any": [word], "hosts_denied": ["a.org"]}, "given")
            exact, every = found(connection, chosen)
            part, some = found(connection, chosen, most_rows=1000)
            assert [step.about for step in part.steps] == [False, False, in_part, in_part]
            for step, exactly in zip(part.steps, exact.steps, strict=True):
                assert math.isclose(step.pairs, exactly.pairs, rel_tol=0.2 if in_part else 0)
            assert {row["url"] for row in some} <= {row["url"] for row in every}
            assert {row["shard_id"] for row in some} == (
                {0, 3, 6, 9} if in_part else {row["shard_id"] for row in every}
            )
            assert part.every == (3 if in_part else 1)


def test_a_list_leaves_no_more_than_there_were_where_a_part_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "_ONE_SHARD_IN", 3)
    monkeypatch.setattr(selecting, "_TELLING", 10)
    (tmp_path / "gone.txt").write_text("nobody.example\n", "utf-8")
    nobody = {"opt_out_hosts": [str(tmp_path / "gone.txt")]}
    generate_sample(tmp_path / "shards", rows=4000, shards=12)
    with load(tmp_path / "shards").connect(read_only=True) as connection:
        for fields in ({"caption_any": ["and"]}, {"aesthetic": {"at_least": 7.1}}):
            chosen = SubsetFilter.of({**fields, **nobody}, "given")
            steps = found(connection, chosen, most_rows=100)[0].steps
            assert steps[-1].about
            assert steps[-1].pairs == steps[-2].pairs


REFUSED = [
    ({}, "it keeps every pair: give at least one condition"),
    ({"order": "random", "seed": 3}, "it keeps every pair"),
    ({"nonsense": 1}, "nonsense: there is no such field; there are name, preset, "),
    ({"preset": "best"}, "there is no preset best; there are clean, "),
    ({"preset": "regularization"}, "regularization needs the word of its class"),
    ({"caption_all": ["a"], "caption_none": ["a"]}, "a is in caption_all and in caption_none"),
    ({"caption_any": ["a"], "caption_none": ["a", "b"]}, "all of caption_any is in caption_none"),
    ({"caption_all": [" "]}, "caption_all has a term of nothing but blanks"),
    ({"caption_regex": "("}, "caption_regex: missing )"),
    ({"hosts_allowed": ["a"], "hosts_denied": ["a"]}, "a is in hosts_allowed and in hosts_denied"),
    ({"aesthetic": {"at_least": 8, "at_most": 7}}, "aesthetic: 8 is above 7"),
    ({"aesthetic": {"at_least": 11}}, "aesthetic: 11 <= aesthetic leaves no pair: in this release"),
    ({"aesthetic": {"at_most": 7}}, "aesthetic: aesthetic <= 7 leaves no pair"),
    ({"aesthetic": {}}, "aesthetic: give at_least, above, at_most or below"),
    ({"aesthetic": 7}, "aesthetic: should be"),
    ({"limit": 0}, "limit: should be greater than or equal to 1"),
    ({"limit": 1, "order": "prettiest"}, "order is prettiest, but should be one of random, "),
    ({"limit": 1, "name": "../x"}, "name: "),
    ({"languages": ["en"]}, "languages: not with sample: it has no language"),
    ({"dedupe": ["colour"]}, "dedupe.0: should be 'url', 'hash' or 'caption'"),
    ({"opt_out_urls": ["/no/such/file"]}, "/no/such/file: cannot be read: No such file"),
]


@pytest.mark.parametrize(("fields", "words"), REFUSED)
def test_what_cannot_be_meant_is_one_clear_line(
    sample: Connection, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        select(sample, SubsetFilter.of(fields, "mine.toml"), SAMPLE)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_release_without_a_score_is_told_what_to_say(tmp_path: Path) -> None:
    raw = find_release("relaion-coco").model_copy(update={"columns": ("url", "text")})
    with load_rows(tmp_path, [pair(1)], raw).connect(read_only=True) as connection:
        with pytest.raises(
            SettingsError, match='say punsafe = "any" to take pairs of which nobody'
        ):
            select(connection, SubsetFilter.of({"limit": 3}, "given"), raw)
        chosen = SubsetFilter.of({"limit": 3, "punsafe": "any"}, "given")
        assert select(connection, chosen, raw).steps[-1].pairs == 1
        for fields in ({"order": "highest aesthetic"}, {"dedupe": ["hash"]}):
            refused = SubsetFilter.of({"limit": 3, "punsafe": "any", **fields}, "given")
            with pytest.raises(SettingsError, match="it has no "):
                select(connection, refused, raw)
