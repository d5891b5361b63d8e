"""Each check on an export fails on an export that is not as it says."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import laion_pipeline
from laion_pipeline.paths import Paths
from laion_pipeline.subsets.export import Export
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.verifying import CHECKED, verify
from tests.builders import load, pair, write_shard


@pytest.fixture
def made(tmp_path: Path) -> tuple[Export, SubsetFilter]:
    paths = Paths(tmp_path / "sample")
    rows = [pair(n, url=f"https://h{n}.example/{n}", punsafe=n / 100) for n in range(20)]
    write_shard(paths.shards, "part-0.parquet", rows)
    load(paths.shards).file.replace(paths.warehouse)
    (tmp_path / "urls.txt").write_text("https://h3.example/3\n")
    (tmp_path / "hosts.txt").write_text("h4.example\n")
    subset = laion_pipeline.subset(
        "sample", tmp_path, opt_out_urls=[tmp_path / "urls.txt"],
        opt_out_hosts=[tmp_path / "hosts.txt"],
    )  # fmt: skip
    return subset.export(), subset.chosen


def write(made: Export, table: pa.Table) -> None:
    pq.write_table(table, made.folder / "pairs.parquet")


def test_what_is_as_it_says_passes(made: tuple[Export, SubsetFilter]) -> None:
    assert made[0].pairs == 9
    assert verify(*made) == dict.fromkeys(CHECKED, "")


@pytest.mark.parametrize("kind", ["changed", "fewer"])
def test_files_that_changed(made: tuple[Export, SubsetFilter], kind: str) -> None:
    if kind == "changed":
        (made[0].folder / "README.md").write_text("")
    else:
        manifest = made[0].folder / "manifest.json"
        manifest.write_text(
            manifest.read_text().replace('"pairs": 9,\n  "files"', '"pairs": 8,\n  "files"')
        )
    said = verify(*made)["files_as_in_manifest"]
    assert (
        said == {"changed": "README.md: not as the manifest says", "fewer": "9 pairs, not 8"}[kind]
    )


@pytest.mark.parametrize(
    "url", ["https://h3.example/3", "https://H4.example:8/x", "http://a.h4.example"]
)
def test_somebody_who_opted_out(made: tuple[Export, SubsetFilter], url: str) -> None:
    table = pq.read_table(made[0].folder / "pairs.parquet")
    urls = pa.array([url, *table["url"].to_pylist()[1:]])
    write(made[0], table.set_column(0, "url", urls))
    assert verify(*made)["nobody_who_opted_out"] == f"1 pairs, such as {url}"


@pytest.mark.parametrize("score", [0.11, None])
def test_something_unsafe(made: tuple[Export, SubsetFilter], score: float | None) -> None:
    table = pq.read_table(made[0].folder / "pairs.parquet")
    at = table.column_names.index("punsafe")
    scores = pa.array([score, *table["punsafe"].to_pylist()[1:]], pa.float64())
    write(made[0], table.set_column(at, "punsafe", scores))
    assert verify(*made)["none_unsafe"] == "1 pairs"
    assert pc.count(scores).as_py() >= 8
