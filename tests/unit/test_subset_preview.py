"""A look at a subset: numbers, hosts and first pairs, as text that is safe to print."""

import os
import re
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import laion_pipeline
from laion_pipeline.command import main
from laion_pipeline.paths import Paths
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.subsets import preview
from laion_pipeline.subsets.presets import PRESETS
from laion_pipeline.subsets.telling import told
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.loading import load_pairs
from laion_pipeline.warehouse.parquet_store import InParquet
from laion_pipeline.warehouse.stores import IN_WAREHOUSE
from tests.builders import SAMPLE, list_folder, pair, write_shard

HOSTILE = "\x1b[31m\u202e'; drop table pairs; --"


@pytest.fixture(scope="module", params=[False, True], ids=["in the warehouse", "in Parquet"])
def data(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    data = tmp_path_factory.mktemp("data")
    paths = Paths(data / "sample")
    generate_sample(paths.shards, rows=2000, shards=2)
    odd = [pair(1, text=HOSTILE, punsafe=0.05), pair(2, text="an unsafe caption", punsafe=0.9)]
    write_shard(paths.shards, "zz.parquet", odd)
    store = InParquet(paths.pairs, "1GB") if request.param else IN_WAREHOUSE
    load_pairs(
        Warehouse(paths.warehouse, "1GB", 2, reads=paths.pairs),
        SAMPLE,
        list_folder(paths.shards),
        store=store,
    )
    return data


@pytest.fixture(autouse=True)
def settings(data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAION_RELEASE", "sample")
    monkeypatch.setenv("LAION_DATA_DIR", str(data))
    monkeypatch.chdir(tmp_path)


def shown(text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    Path("mine.toml").write_text(text, "utf-8")
    status = main(["subset", "preview", "mine.toml"])
    out, err = capsys.readouterr()
    return status, out, err


def test_numbers_are_those_of_the_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = laion_pipeline.subset(caption_any=["photo"], order="lowest pwatermark").preview()
    rows = laion_pipeline.open().sql(
        "SELECT * FROM valid_pairs WHERE punsafe <= 0.1"
        r" AND regexp_matches(text, '(?i)(^|[^\p{L}\p{N}])photo($|[^\p{L}\p{N}])')"
    )
    assert wanted.pairs == wanted.steps[-1].pairs == rows.num_rows > 10
    values = rows["aesthetic"].to_pylist()
    assert wanted.quantiles["aesthetic"][2] == pytest.approx(statistics.median(values))
    assert sum(each.pairs for each in wanted.hosts) <= rows.num_rows
    first = sorted(rows["pwatermark"].to_pylist())[:10]
    assert [row["pwatermark"] for row in wanted.examples] == first
    status, out, err = shown('caption_any = ["photo"]\norder = "lowest pwatermark"\n', capsys)
    assert (status, err) == (0, "")
    assert out == told(wanted).replace("subset, of", "mine, of") + "\n"
    assert re.search(rf"caption has any of photo +{rows.num_rows:,} ", out)


BARE = [
    {"caption_any": ["photo"], "order": "lowest pwatermark"},
    {"caption_all": ["stock"], "caption_none": ["view"], "words": {"at_least": 4}, "seed": 4},
    {"words": {"at_least": 6}, "hosts_denied": ["pins.example"], "punsafe": "any"},
    {"aesthetic": {"at_least": 7.2}, "shortest_side": {"at_least": 400}},
    {"caption_all": ["no such word"]},
]


@pytest.mark.parametrize("fields", BARE)
def test_of_a_large_warehouse_few_texts_are_read(
    fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = laion_pipeline.subset(**fields).preview()
    monkeypatch.setattr(preview, "_BARE_FROM", 0)
    monkeypatch.setattr(preview, "_FEW", 5000)
    few = laion_pipeline.subset(**fields).preview()
    assert few.looked_at == whole.pairs < preview._FEW
    assert replace(few, looked_at=None) == whole
    # The limit is not what hosts and captions are of, but all else.
    cut = laion_pipeline.subset(**fields, limit=7).preview()
    monkeypatch.setattr(preview, "_BARE_FROM", 10_000)
    whole_cut = laion_pipeline.subset(**fields, limit=7).preview()
    assert (cut.steps[-1].pairs, cut.examples) == (whole_cut.pairs, whole_cut.examples)
    assert cut.quantiles["similarity"] == whole_cut.quantiles["similarity"] if cut.pairs else True
    # And fewer are told of as what they are.
    monkeypatch.setattr(preview, "_BARE_FROM", 0)
    monkeypatch.setattr(preview, "_FEW", 5)
    fewest = laion_pipeline.subset(**fields).preview()
    assert fewest.looked_at == min(5, whole.pairs)
    assert [replace(step, sql="") for step in fewest.steps] == [
        replace(step, sql="") for step in whole.steps
    ]
    said = f"characters, words and hosts are of {fewest.looked_at} pairs, the first ones loaded"
    assert (said in told(fewest)) == (whole.pairs > 0)
    assert said not in told(whole)


def test_a_caption_may_hold_sql_and_is_printed_without_harm(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, _ = shown('caption_all = ["\'; drop table pairs; --"]\n', capsys)
    assert status == 0
    assert r"\x1b[31m\u202e'; drop table pairs; --" in out
    assert not set(out) & set("\x1b\u202e")
    assert laion_pipeline.open().sql("SELECT count(*) AS n FROM pairs")["n"].to_pylist() == [2002]


def test_captions_of_what_is_unsafe_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = shown('caption_all = ["unsafe"]\npunsafe = "any"\n', capsys)
    assert status == 0
    assert "(probably unsafe)" in out
    assert "an unsafe caption" not in out
    _, out, _ = shown('caption_all = ["unsafe"]\n', capsys)
    assert "no pair is left; loosen the condition after which there are none" in out


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("caption_all = [", "error: mine.toml: not valid TOML: "),
        (
            "captions = ['a']",
            "error: mine.toml: captions: there is no such field; there are name, ",
        ),
        ("aesthetic = { at_least = 12 }", "error: aesthetic: 12 <= aesthetic leaves no pair: in "),
        ("name = 'x'", "error: mine.toml: it keeps every pair: give at least one condition"),
    ],
)
def test_a_wrong_filter_is_one_line(
    text: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = shown(text, capsys)
    assert (status, out) == (2, "")
    assert err.startswith(line)
    assert err.count("\n") == 1


def test_a_file_or_a_warehouse_that_is_not_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert main(["subset", "preview", "none.toml"]) == 2
    assert "none.toml: cannot be read: No such file" in capsys.readouterr().err
    monkeypatch.setenv("LAION_DATA_DIR", str(tmp_path))
    Path("mine.toml").write_text('caption_all = ["a"]')
    assert main(["subset", "preview", "mine.toml"]) == 1
    assert "no warehouse yet" in capsys.readouterr().err


def test_a_reader_may_stop_before_the_end() -> None:
    command = [sys.executable, "-m", "laion_pipeline", "subset", "presets"]
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_presets_are_listed_with_their_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["subset", "presets"]) == 0
    out = capsys.readouterr().out
    for name, preset in PRESETS.items():
        assert name in out
        assert preset.about in out
        assert preset.source in out
