"""The files of trainers: read as they read them, before the images are there and after."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import laion_pipeline
from laion_pipeline.errors import SettingsError
from laion_pipeline.paths import Paths
from laion_pipeline.releases.release import find_release
from laion_pipeline.subsets.buckets import bucket_of, buckets_of
from laion_pipeline.subsets.export import export as write_subset
from laion_pipeline.subsets.filter import SubsetFilter
from tests.builders import load, load_rows, pair, write_shard
from tests.oracles.trainers import READERS, Trained, buckets, everydream, kohya, simpletuner

SIDES = st.sampled_from([256, 512, 768, 1024, 1536])
LENGTHS = st.integers(1, 20_000)
SIZES = [(640, 480), (3000, 1500), (1024, 1024), (None, 300), (400, 4000), (1152, 896)]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Six pairs, from the lowest similarity to the highest, exported for all trainers."""
    paths = Paths(tmp_path / "sample")
    rows = [
        pair(n, text=f' "{n}" & ünï ', width=width, height=height, similarity=0.28 + n / 100)
        for n, (width, height) in enumerate(SIZES)
    ]
    write_shard(paths.shards, "part-0.parquet", rows)
    load(paths.shards).file.replace(paths.warehouse)
    return laion_pipeline.subset(
        "sample", tmp_path, order="lowest similarity", limit=6, formats=list(READERS)
    ).export().folder  # fmt: skip


def download(export: Path, numbers: list[int]) -> Path:
    """What img2dataset would leave of these, made up: their sizes are not those of the metadata."""
    images = export / "images"
    (images / "00000").mkdir(parents=True)
    rows = []
    for number in range(len(SIZES)):
        there = number in numbers
        if there:
            (images / "00000" / f"00000{number:04}.jpg").write_bytes(b"an image")
        rows.append(
            {
                "url": f"https://www.host.example/{number}.jpg",
                "key": f"00000{number:04}",
                "caption": f' "{number}" & ünï ',
                "status": "success" if there else "failed_to_download",
                "error_message": None if there else "HTTP Error 404: Not Found",
                "width": 800 if there else None,
                "height": 600 if there else None,
            }
        )
    pq.write_table(pa.Table.from_pylist(rows[::-1]), images / "00000.parquet")
    stats = {"count": len(rows), "end_time": 1_795_000_000.0}
    (images / "00000_stats.json").write_text(json.dumps(stats))
    return images


@given(SIDES)
def test_buckets_are_those_of_sd_scripts(side: int) -> None:
    assert buckets_of(side) == sorted(buckets(side))


@given(SIDES, LENGTHS, LENGTHS)
def test_a_bucket_is_the_nearest(side: int, width: int, height: int) -> None:
    chosen = bucket_of(width, height, side)
    if (width, height) in buckets(side):
        assert chosen == (width, height)
    else:
        off = {abs(w / h - width / height): (w, h) for w, h in sorted(buckets(side))}
        assert abs(chosen[0] / chosen[1] - width / height) == min(off)


def test_an_export_names_all_images_that_may_come(export: Path) -> None:
    folder = export / "images" / "00000"
    folder.mkdir(parents=True)
    files = [folder / f"00000{number:04}.jpg" for number in range(len(SIZES))]
    for file in files:
        file.write_bytes(b"an image")
    captions = [f' "{number}" & ünï ' for number in range(len(SIZES))]
    # The shorter side is resized to 1,024 px where it is longer.
    sized = [(640, 480), (2048, 1024), (1024, 1024), None, (400, 4000), (1152, 896)]
    cut = [(1152, 896), (1408, 704), (1024, 1024), None, (512, 2048), (1152, 896)]
    assert kohya(export / "kohya.toml") == {
        file: Trained(caption, size)
        for file, caption, size in zip(files, captions, cut, strict=True)
    }
    assert everydream(export / "everydream.json") == {
        file: Trained(caption.strip(), None) for file, caption in zip(files, captions, strict=True)
    }
    assert simpletuner(export / "simpletuner.json") == {
        file: Trained(caption.strip(), size)
        for file, caption, size in zip(files, captions, sized, strict=True)
        if size is not None
    }


def test_after_a_download_they_name_what_is_there(export: Path, tmp_path: Path) -> None:
    images = download(export, [0, 3, 5])
    laion_pipeline.open("sample", tmp_path).record_results(images)
    files = [images / "00000" / f"00000{number:04}.jpg" for number in (0, 3, 5)]
    for name, size in {"kohya": (1152, 896), "everydream": None, "simpletuner": (800, 600)}.items():
        file, read = READERS[name]
        found = read(images / file)
        assert list(found) == files
        assert {each.size for each in found.values()} == {size}
    assert not [file for file in images.iterdir() if file.name.startswith(".")]


def test_elsewhere_results_are_read_all_the_same(export: Path, tmp_path: Path) -> None:
    images = download(export, [0]).rename(tmp_path / "elsewhere")
    recorded = laion_pipeline.open("sample", tmp_path).record_results(images)
    assert recorded.results == len(SIZES)
    assert not list(images.glob("kohya*"))


def test_a_release_without_sizes_has_captions_all_the_same(tmp_path: Path) -> None:
    raw = find_release("relaion-coco").model_copy(update={"columns": ("url", "text")})
    filter_ = {"caption_all": ["caption"], "punsafe": "any", "formats": list(READERS)}
    with load_rows(tmp_path, [pair(1)], raw).connect(read_only=True) as connection:
        chosen = SubsetFilter.of(filter_, "given")
        folder = write_subset(connection, chosen, raw, tmp_path / "made").folder
    (folder / "images" / "00000").mkdir(parents=True)
    (folder / "images" / "00000" / "000000000.jpg").write_bytes(b"an image")
    (found,) = kohya(folder / "kohya.toml").values()
    assert found == Trained("a caption, number 1", None)
    assert simpletuner(folder / "simpletuner.json") == {}


def test_the_card_says_how_to_use_them(export: Path) -> None:
    card = (export / "README.md").read_text()
    assert "--output_format files" in card
    assert "--image_size 1024" in card
    for file, _ in READERS.values():
        assert f" {file}`" in card


def test_a_format_or_size_that_there_is_not_is_one_clear_line() -> None:
    with pytest.raises(SettingsError, match="there is no format koya; there are csv, jsonl, kohya"):
        SubsetFilter.of({"formats": ["koya"], "caption_all": ["a"]}, "mine.toml")
    with pytest.raises(SettingsError, match=r"mine\.toml: train_size: should be a multiple of 64"):
        SubsetFilter.of({"train_size": 1000, "caption_all": ["a"]}, "mine.toml")
