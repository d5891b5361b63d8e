"""An export is just the subset, says where it is from, and is the same again."""

import csv
import hashlib
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import absl.logging
import mlcroissant
import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import DatasetCard

import laion_pipeline
from laion_pipeline.command import main
from laion_pipeline.errors import SettingsError, WarehouseError
from laion_pipeline.paths import Paths
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.presets import PRESETS
from tests.builders import load, pair, write_shard
from tests.oracles.subsets import subset

# mlcroissant's log closes the stream that it found when it was imported, here pytest's own, as soon
# as another library sets logging up anew while standard error is diverted.
absl.logging.get_absl_handler().python_handler.setStream(sys.__stderr__)

ODD = "=cmd|' /c calc'!A1 `code` | [a](javascript:x)"
FIELDS: dict[str, Any] = {
    "name": "views",
    "caption_any": ["photo", "view", "code"],
    "dedupe": ["url", "caption"],
    "order": "highest aesthetic",
    "limit": 200,
}


def materialized(data: Path, *, names: tuple[str, str] = ("aa", "zz")) -> Path:
    paths = Paths(data / "sample")
    generate_sample(paths.shards, rows=2000, shards=2)
    first, second = names
    write_shard(paths.shards, f"{first}.parquet", [
        pair(1, text=ODD, aesthetic=9.99, url="https://b`ad|.example/1"),
        pair(2, text="a view", width=300), pair(2, text="a view", width=301),
    ])  # fmt: skip
    for number, shard in enumerate(sorted(paths.shards.glob("part-*"))):
        shard.rename(shard.with_name(f"{second}{number}.parquet"))
    load(paths.shards).file.replace(paths.warehouse)
    return data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return materialized(tmp_path_factory.mktemp("data"))


def test_its_rows_are_those_of_the_subset_in_its_order(data: Path) -> None:
    made = laion_pipeline.subset("sample", data, **FIELDS).export(["csv", "jsonl"])
    assert made.folder == data / "sample" / "exports" / "views"
    rows = laion_pipeline.open("sample", data).table("valid_pairs").to_pylist()
    wanted = subset(rows, SubsetFilter.of(FIELDS, "given"))
    columns = ["url", "caption", "width", "height", "similarity", "punsafe", "pwatermark",
               "aesthetic", "hash"]  # fmt: skip
    expected = [[row["text" if n == "caption" else n] for n in columns] for row in wanted]
    table = pq.read_table(made.folder / "pairs.parquet")
    assert table.column_names == columns
    assert [list(row.values()) for row in table.to_pylist()] == expected
    assert made.pairs == len(expected) > 50
    lines = (made.folder / "pairs.jsonl").read_text("utf-8").splitlines()
    assert [list(json.loads(line).values()) for line in lines] == expected
    with (made.folder / "pairs.csv").open(encoding="utf-8", newline="") as stream:
        read = list(csv.DictReader(stream))
    assert [row["url"] for row in read] == [line[0] for line in expected]
    assert f"'{ODD}" in {row["caption"] for row in read}, "no formula for a spreadsheet"


def test_the_manifest_says_what_it_is(data: Path, tmp_path: Path) -> None:
    (tmp_path / "gone.txt").write_text("nobody.example\n")
    fields = {**FIELDS, "name": "listed", "opt_out_hosts": [tmp_path / "gone.txt"]}
    made = laion_pipeline.subset("sample", data, **fields).export()
    text = (made.folder / "manifest.json").read_text("utf-8")
    told = json.loads(text)
    reader = laion_pipeline.open("sample", data)
    assert (told["release"], told["revision"]) == ("sample", reader.provenance.revision)
    assert told["files"].keys() == {file.name for file in made.folder.iterdir()} - {"manifest.json"}
    for name, digest in told["files"].items():
        assert hashlib.sha256((made.folder / name).read_bytes()).hexdigest() == digest
    assert told["pairs"] == told["steps"][-1]["pairs"] == made.pairs
    assert told["filter"]["caption_any"] == ["photo", "view", "code"]
    digest = hashlib.sha256(b"nobody.example\n").hexdigest()
    assert told["lists"]["opt_out_hosts"] == {"gone.txt": digest}
    assert str(tmp_path) not in text
    # Each condition can be asked again.
    for step in told["steps"][1:3]:
        assert reader.sql(
            f"SELECT count(*) AS n FROM pair_captions WHERE {step['sql']}", step["values"]
        )["n"].to_pylist()[0] >= step["pairs"]  # fmt: skip


def test_the_manifest_says_which_version_of_a_preset_it_was(data: Path) -> None:
    made = laion_pipeline.subset("sample", data, preset="clean", name="clean").export()
    manifest = json.loads((made.folder / "manifest.json").read_text())
    assert manifest["filter"]["preset"] == "clean"
    assert manifest["preset_version"] == PRESETS["clean"].version
    assert manifest["filter"]["longer_to_shorter"] == {"at_most": 3.0}


def test_the_same_filter_gives_the_same_bytes_however_rows_were_loaded(
    data: Path, tmp_path: Path
) -> None:
    once = laion_pipeline.subset("sample", data, **FIELDS).export(["csv"]).files
    again = laion_pipeline.subset("sample", data, **FIELDS).export(["csv"]).files
    assert once == again
    other = materialized(tmp_path, names=("zz", "aa"))
    elsewhere = laion_pipeline.subset("sample", other, **FIELDS).export(["csv"]).files
    assert elsewhere["pairs.parquet"] == once["pairs.parquet"]
    assert elsewhere["pairs.csv"] == once["pairs.csv"]


def test_the_card_is_one_of_the_hub(data: Path) -> None:
    made = laion_pipeline.subset("sample", data, **FIELDS).export()
    text = (made.folder / "README.md").read_text("utf-8")
    fields = DatasetCard.load(made.folder / "README.md").data
    assert fields.license == "cc-by-4.0"
    assert fields.task_categories == ["text-to-image"]
    assert yaml.safe_load(text.split("---")[1])["configs"][0]["data_files"] == "pairs.parquet"
    assert "**Made-up data.**" not in text, "it came from a folder"
    shares = [float(share) for share in re.findall(r"\| ([\d.]+) % \|", text)]
    assert shares == sorted(shares, reverse=True)


def test_what_strangers_wrote_cannot_leave_its_cell(data: Path) -> None:
    made = laion_pipeline.subset("sample", data, name="odd", caption_all=["code"]).export()
    text = (made.folder / "README.md").read_text("utf-8")
    assert "| `b'ad/.example` | 1 | 100.00 % |" in text
    assert "javascript:" not in text


def test_croissant_reads_its_pairs_and_tells_their_columns(data: Path) -> None:
    made = laion_pipeline.subset("sample", data, **FIELDS).export()
    described = mlcroissant.Dataset(jsonld=made.folder / "croissant.json")
    assert not described.metadata.ctx.issues.errors
    read = list(described.records(record_set="pairs"))
    table = pq.read_table(made.folder / "pairs.parquet").to_pylist()
    assert [record["pairs/url"].decode() for record in read] == [row["url"] for row in table]
    told = json.loads((made.folder / "croissant.json").read_text("utf-8"))
    assert told["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    revision = laion_pipeline.open("sample", data).provenance.revision
    origins = {
        field["name"]: field["prov:wasDerivedFrom"]["@id"]
        for field in told["recordSet"][0]["field"]
    }
    assert origins["caption"] == f"urn:laion-pipeline:sample:{revision}#text"
    assert origins.keys() == table[0].keys()


def test_the_command_for_images_is_one_that_a_shell_reads(data: Path) -> None:
    made = laion_pipeline.subset("sample", data, **FIELDS).export()
    text = (made.folder / "README.md").read_text("utf-8")
    command = text.split("```sh\n", 1)[1].split("```", 1)[0]
    words = shlex.split(command.replace("\\\n", " "))
    assert words[0] == "img2dataset"
    given = dict(zip(words[1::2], words[2::2], strict=True))
    assert all(name.startswith("--") for name in given)
    assert (made.folder / given["--url_list"]).is_file()
    assert set(json.loads(given["--disallowed_header_directives"])) == {"noai", "noimageai", "noml"}
    columns = pq.read_schema(made.folder / "pairs.parquet").names
    assert set(json.loads(given["--save_additional_columns"])) <= set(columns)


def test_another_export_takes_the_place_of_what_it_wrote_and_of_nothing_else(data: Path) -> None:
    fields = {**FIELDS, "name": "again"}
    made = laion_pipeline.subset("sample", data, **fields).export(["csv", "jsonl"])
    (made.folder / "images").mkdir()
    (made.folder / "notes.txt").write_text("mine")
    laion_pipeline.subset("sample", data, **fields).export()
    assert {file.name for file in made.folder.iterdir()} == {
        "images", "notes.txt", "pairs.parquet", "README.md", "croissant.json", "manifest.json",
    }  # fmt: skip
    assert not list(made.folder.parent.glob(".*"))


def test_what_cannot_be_exported_leaves_nothing(data: Path, tmp_path: Path) -> None:
    nobody = laion_pipeline.subset("sample", data, name="none", caption_all=["no such word"])
    with pytest.raises(WarehouseError, match="none: no pair is left; see with preview"):
        nobody.export()
    with pytest.raises(SettingsError, match="format xml: there are csv, jsonl"):
        nobody.export(["xml"])
    assert not (data / "sample" / "exports" / "none").exists()


def test_the_command_writes_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAION_RELEASE", "sample")
    monkeypatch.setenv("LAION_DATA_DIR", str(data))
    monkeypatch.chdir(tmp_path)
    Path("photos.toml").write_text('caption_all = ["photo"]\nlimit = 5\n')
    assert main(["subset", "export", "photos.toml", "--format", "jsonl"]) == 0
    folder = data / "sample" / "exports" / "photos"
    assert capsys.readouterr().out.startswith(
        f"5 pairs in {folder}: README.md, croissant.json, pairs.jsonl, "
    )
    assert main(["subset", "export", "photos.toml", "--format", "xml"]) == 2
