"""What Explore finds is what a subset of the same conditions has, computed another way."""

import struct
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from laion_pipeline.errors import OutputError, SettingsError, WarehouseError
from laion_pipeline.explore import find_index, make_index
from laion_pipeline.explore.asked import PAGE_PAIRS, Asked
from laion_pipeline.explore.index import IndexFacts
from laion_pipeline.explore.numbers import double_of, whole_of, wholes_of
from laion_pipeline.explore.page import explore_app
from laion_pipeline.explore.search import COMMON_SHARE, WORDS_SHOWN, Explorer, Found
from laion_pipeline.paths import Paths
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.subsets.filter import ORDERS, SubsetFilter
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.loading import load_pairs
from laion_pipeline.warehouse.parquet_store import InParquet
from tests.builders import RAW, SAMPLE, list_folder, load, load_rows, pair, pairs, write_shard
from tests.oracles.subsets import has_term, subset

ODD = [
    "Café au lait, ŠKODA & straße", "cafe\u0301 noir", "БОЛЬШОЙ дом", "t-shirt/T_shirt 24x36",
    "日本語 テスト", "a\u00a0b\u2003c", "x" * 40_000, "<script>alert(1)</script> dog's",
    "it's -not- 'quoted' \"text\"",
    "lone \ufffd mark", "emoji 🐕 dog", "ǅ digraph ﬁ ligature", "١٢٣ digits", "dog",
    "DOG; drop table pairs",
]  # fmt: skip
ASKED: list[dict[str, str]] = [
    {"words": "cafe"}, {"words": "CAFÉ noir"}, {"words": "skoda strasse"}, {"words": "большой"},
    {"words": "shirt -24x36"}, {"words": "shirt", "punsafe_to": ""}, {"words": "t-shirt"},
    {"words": "日本語"}, {"words": "dog -s"}, {"words": "dog -drop -t-shirt"}, {"words": "the"},
    {"words": "of", "aesthetic_from": "7.5"}, {"aesthetic_from": "7.2", "aesthetic_to": "7.5"},
    {"similarity_from": "-0.1", "similarity_to": "0.31"}, {"pwatermark_to": "0"},
    {"punsafe_from": "0.05", "punsafe_to": ""}, {"shortest_side_from": "511.5"},
    {"shortest_side_from": "256", "shortest_side_to": "256.9", "punsafe_to": ""},
    {"host": "example", "words": "a"}, {"host": "WWW.host.example."}, {"host": "ost.example"},
    {"host": "host.example", "order": "highest aesthetic"}, {"words": "١٢٣"},
    {"words": "b"}, {"words": "alert script"}, {"words": "'\"; --"}, {"words": "ǆ"},
    *({"words": "a", "order": order} for order in ORDERS[1:]),
]  # fmt: skip


@dataclass(frozen=True)
class Indexed:
    rows: list[dict[str, Any]]
    explorer: Explorer
    facts: IndexFacts

    def find(self, **given: str) -> tuple[Asked, Found]:
        look = self.explorer.look()
        assert look is not None
        asked = Asked.read(given, look.facts)
        return asked, look.find(asked)


def _indexed(warehouse: Warehouse, place: Path, release: Any = SAMPLE) -> Indexed:
    with warehouse.connect(read_only=True) as connection:
        rows = connection.execute("FROM valid_pairs").to_arrow_table().to_pylist()
    return Indexed(rows, Explorer(place), make_index(warehouse, release, place))


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Indexed:
    folder = tmp_path_factory.mktemp("explore")
    generate_sample(folder / "shards", rows=3000, shards=2)
    odd = [pair(place, text=text) for place, text in enumerate(ODD)]
    odd += [
        pair(100, punsafe=None), pair(101, width=None), pair(102, width=None, height=None),
        pair(103, similarity=-0.0), pair(104, aesthetic=None),
        pair(105, text="quarantined", width=0),
        pair(106, url="http://user:pass@WWW.Host.Example:8080?x"), pair(107, similarity=0.0),
        pair(108, url="https://xhost.example/a.jpg"), pair(109, pwatermark=5e-324),
    ]  # fmt: skip
    write_shard(folder / "shards", "zz.parquet", odd)
    return _indexed(load(folder / "shards"), folder / "index")


@pytest.mark.parametrize("given", ASKED, ids=str)
def test_it_finds_what_the_subset_has(indexed: Indexed, given: dict[str, str]) -> None:
    asked, found = indexed.find(**given)
    text = asked.toml(indexed.facts)
    if not text:  # nothing but signs: every safe pair
        assert found.pairs == sum(safe(row) for row in indexed.rows)
        return
    chosen = SubsetFilter.of(tomllib.loads(text), "the page")
    wanted = subset(indexed.rows, chosen)
    assert found.pairs == len(wanted)
    if not asked.score:
        first = [(row["url"], row["text"]) for row in wanted[:PAGE_PAIRS]]
        assert [(row["url"], row["text"]) for row in found.rows] == first
        return
    having = [row for row in wanted if row[asked.score] is not None]
    assert found.ordered == len(having)
    ranked = sorted((row[asked.score] for row in having), reverse=asked.order.startswith("highest"))
    assert [row[asked.score] for row in found.rows] == ranked[:PAGE_PAIRS]


def safe(row: Mapping[str, Any]) -> bool:
    return row["punsafe"] is not None and row["punsafe"] <= 0.1


def test_every_pair_comes_just_once_over_all_pages(indexed: Indexed) -> None:
    pages = [indexed.find(words="the", punsafe_to="", page=str(page))[1] for page in range(1, 9)]
    seen = [(row["url"], row["text"]) for found in pages for row in found.rows]
    assert len(seen) == len(set(seen)) == min(pages[0].pairs, 8 * PAGE_PAIRS) > PAGE_PAIRS
    assert indexed.find(words="the", page="200")[1].rows == []


def test_rows_are_as_the_warehouse_has_them(indexed: Indexed) -> None:
    by_place = {(row["url"], row["text"]): row for row in indexed.rows}
    seen = 0
    for page in range(1, 11):
        for row in indexed.find(punsafe_to="", page=str(page))[1].rows:
            held = by_place[str(row["url"]), str(row["text"])]
            for name in ("width", "height", *SCORES):
                assert row[name] == held[name]
            assert row["shard"] == indexed.facts.shards[held["shard_id"]]
            seen += 1
    assert seen == 10 * PAGE_PAIRS


def test_hosts_and_words_are_counted(indexed: Indexed) -> None:
    _, found = indexed.find(words="blue", punsafe_to="")
    rows = [row for row in indexed.rows if has_term(row["text"], "blue", whole=True)]
    hosts = Counter(str(urlsplit(row["url"]).hostname) for row in rows)
    assert len(rows) == found.pairs == found.words_of > PAGE_PAIRS
    assert [each.pairs for each in found.hosts] == sorted(hosts.values(), reverse=True)[:10]
    assert {each.name: each.pairs for each in found.hosts}.items() <= hosts.items()
    assert len(found.words) == WORDS_SHOWN
    assert [each.pairs for each in found.words] == sorted(
        (each.pairs for each in found.words), reverse=True
    )
    for each in found.words:
        assert each.name != "blue"
        assert each.pairs == sum(has_term(row["text"], each.name, whole=True) for row in rows)
        everywhere = sum(has_term(row["text"], each.name, whole=True) for row in indexed.rows)
        assert everywhere <= COMMON_SHARE * len(indexed.rows)


def test_what_is_quarantined_is_not_found(indexed: Indexed) -> None:
    assert indexed.find(words="quarantined", punsafe_to="")[1].pairs == 0
    assert indexed.facts.pairs == len(indexed.rows)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"aesthetic_from": "good"}, "aesthetic: good is not a number"),
        ({"aesthetic_from": "nan"}, "aesthetic: nan is not a number"),
        ({"punsafe_to": "1e999"}, "punsafe: 1e999 is not a number"),
        ({"aesthetic_from": "9", "aesthetic_to": "8"}, "aesthetic: 9 is above 8"),
        ({"order": "best"}, "order: should be one of random, highest"),
        ({"order": "highest beauty"}, "order: should be one of random, highest"),
        ({"page": "0"}, "page: should be from 1 to 200"),
        ({"page": "-1"}, "page"), ({"page": "99999"}, "page"), ({"page": "1e3"}, "page"),
        ({"host": "a b"}, "host: a b is not the name of a host"),
        ({"host": "http://x/"}, "is not the name of a host"),
        ({"host": ".*\u202e/"}, r"host: .*\u202e/ is not"),
        ({"words": "x" * 501}, "words: should be no more than 500 characters"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(indexed: Indexed, given: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Asked.read(given, indexed.facts)
    assert named in str(raised.value)


@pytest.mark.parametrize("host", [".*", "(", "[a-z]+", "www.host.examplE|x", "host.example)"])
def test_a_host_is_no_pattern(indexed: Indexed, host: str) -> None:
    assert indexed.find(host=host, punsafe_to="")[1].pairs == 0


def test_rows_that_are_kept_in_parquet_are_found_too(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "sample")
    write_shard(paths.shards, "part-0.parquet", pairs(7))
    warehouse = Warehouse(paths.warehouse, "1GB", 2, reads=paths.pairs)
    load_pairs(warehouse, SAMPLE, list_folder(paths.shards), store=InParquet(paths.pairs, "1GB"))
    assert _indexed(warehouse, paths.search_index).find(words="caption")[1].pairs == 7


def test_a_release_without_scores(tmp_path: Path) -> None:
    release = RAW.model_copy(update={"columns": ("url", "text")})
    warehouse = load_rows(tmp_path / "shards", pairs(60), release=release)
    indexed = _indexed(warehouse, tmp_path / "index", release)
    asked, found = indexed.find(words="caption")
    assert (found.pairs, len(found.rows)) == (60, PAGE_PAIRS)
    assert asked.toml(indexed.facts).splitlines() == [
        'caption_all = ["caption"]', 'punsafe = "any"', 'order = "random"',
    ]  # fmt: skip
    with pytest.raises(SettingsError, match=r"order: should be one of random$"):
        indexed.find(order="highest aesthetic")


def test_it_is_made_again_only_of_other_pairs(tmp_path: Path) -> None:
    place = tmp_path / "index"
    warehouse = load_rows(tmp_path / "shards", pairs(3))
    first = make_index(warehouse, SAMPLE, place)
    explorer = Explorer(place)
    assert facts_of(explorer) == first
    assert make_index(warehouse, SAMPLE, place) == first
    (place / ".index.json.1.0123456789abcdef.partial").write_text("left over")
    warehouse = load_rows(tmp_path / "shards", pairs(5))
    second = make_index(warehouse, SAMPLE, place)
    assert (second.pairs, facts_of(explorer)) == (5, second)
    assert {each.name for each in place.iterdir()} == {"index.json", second.version}


def test_it_reads_while_a_run_writes(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path / "shards", pairs(3))
    facts = make_index(warehouse, SAMPLE, tmp_path / "index")
    with warehouse.connect() as connection:
        connection.execute("BEGIN; DELETE FROM pairs")
        program = (
            "import sys; from pathlib import Path;"
            "from laion_pipeline.explore.search import Explorer, Asked;"
            "print(Explorer(Path(sys.argv[1])).look().find(Asked()).pairs)"
        )
        command = [sys.executable, "-c", program, str(tmp_path / "index")]
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert int(found.stdout) == facts.pairs == 3


def test_who_searches_keeps_what_was_open(tmp_path: Path) -> None:
    place = tmp_path / "index"
    explorer = Explorer(place)
    assert explorer.look() is None
    make_index(load_rows(tmp_path / "shards", pairs(3)), SAMPLE, place)
    first = explorer.look()
    make_index(load_rows(tmp_path / "shards", pairs(5)), SAMPLE, place)
    second = explorer.look()
    assert first is not None
    assert second is not None
    for look, count in ((first, 3), (second, 5)):
        found = look.find(Asked())
        assert (found.pairs, len(found.rows)) == (count, count)


def facts_of(explorer: Explorer) -> IndexFacts:
    look = explorer.look()
    assert look is not None
    return look.facts


def test_an_index_that_cannot_be_read_is_told_of_in_a_line(tmp_path: Path) -> None:
    place = tmp_path / "index"
    facts = make_index(load_rows(tmp_path / "shards", pairs(3)), SAMPLE, place)
    for file in (place / facts.version).iterdir():
        if file.suffix in (".store", ".fast", ".idx"):
            file.unlink()
    with pytest.raises(WarehouseError, match=r"the search index cannot be read: .*; delete this"):
        Explorer(place).look()
    page = TestClient(explore_app(place), base_url="http://127.0.0.1").get("/?words=a")
    assert page.status_code == 500
    assert "delete this folder, and make it again" in page.text


@pytest.mark.parametrize("text", ["", "{", '{"version": "x"}', "\x00"])
def test_a_damaged_index_is_none_and_is_made_again(tmp_path: Path, text: str) -> None:
    place = tmp_path / "index"
    warehouse = load_rows(tmp_path / "shards", pairs(3))
    facts = make_index(warehouse, SAMPLE, place)
    (place / "index.json").write_text(text)
    assert find_index(place) is None
    assert Explorer(place).look() is None
    again = make_index(warehouse, SAMPLE, place)
    assert (again.version, again.pairs) == (facts.version, 3)


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path / "shards", pairs(3))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        make_index(warehouse, SAMPLE, tmp_path / "file")


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_whole_numbers_stand_as_doubles_do(one: float, other: float) -> None:
    assert (whole_of(one) < whole_of(other)) == (one < other)
    assert double_of(whole_of(one)) == one
    assert wholes_of(pa.array([one, None, other])).to_pylist() == [
        whole_of(one), None, whole_of(other),
    ]  # fmt: skip
    assert -(2**63) <= whole_of(one) < 2**63
    assert struct.pack("<d", double_of(whole_of(-0.0))) == struct.pack("<d", 0.0)
