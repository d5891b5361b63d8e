"""A local folder as a source: what in it is a shard, and what is said of the rest."""

import hashlib
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest

from laion_pipeline.errors import LaionError, SettingsError, SourceError
from laion_pipeline.sources.folder import FolderSource, require_folder
from laion_pipeline.sources.shards import Listing
from tests.builders import SAMPLE, list_folder, pairs, write_shard

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"


def refused(folder: Path) -> str:
    with pytest.raises(LaionError) as caught:
        FolderSource(SAMPLE, folder).list_shards()
    told = str(caught.value)
    assert told.startswith(f"LAION_SOURCE={folder}: ")
    assert told.isprintable()
    return told.removeprefix(f"LAION_SOURCE={folder}: ")


def test_what_is_hidden_is_passed_over_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_shard(tmp_path, "part-0.parquet", pairs(2))
    (tmp_path / "._part-0.parquet").write_bytes(b"\0\5\x16\7Mac OS X")
    write_shard(tmp_path, ".part-1.parquet", pairs(2))
    write_shard(tmp_path / ".ipynb_checkpoints", "part-0-checkpoint.parquet", pairs(2))
    with caplog.at_level(logging.INFO, "laion_pipeline"):
        listing = list_folder(tmp_path)
    assert [shard.path for shard in listing.shards] == ["part-0.parquet"]
    assert caplog.messages == ["shards: 2 hidden passed over, such as ._part-0.parquet"]


def test_pointers_of_git_lfs_are_no_shards(tmp_path: Path) -> None:
    for number in range(3):
        write_shard(tmp_path, f"part-{number}.parquet", pairs(2))
    (tmp_path / "part-1.parquet").write_bytes(POINTER)
    (tmp_path / "part-2.parquet").write_bytes(POINTER)
    assert refused(tmp_path) == (
        "2 of 3 files are git-lfs pointers, such as part-1.parquet: run git lfs pull in it"
    )


def test_shards_in_a_folder_below_are_pointed_to(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    write_shard(tmp_path / ".cache" / "data", "part-0.parquet", pairs(1))
    assert refused(tmp_path) == "no *.parquet file in this folder"
    for number in range(2):
        write_shard(tmp_path / "data" / "en", f"part-{number}.parquet", pairs(1))
    assert refused(tmp_path) == (
        f"no *.parquet file in this folder, but 2 in {tmp_path}/data/en: set LAION_SOURCE to that"
    )


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read whole, as they are."""
    names: list[str] = []
    digest = hashlib.file_digest

    def noted(stream: Any, name: str) -> Any:
        names.append(Path(stream.name).name)
        return digest(stream, name)

    monkeypatch.setattr(hashlib, "file_digest", noted)
    return names


def test_files_that_were_not_touched_are_not_hashed_again(
    tmp_path: Path, hashed: list[str]
) -> None:
    folder, published = tmp_path / "source", tmp_path / "listing.json"
    files = [write_shard(folder, f"part-{n}.parquet", pairs(2, first=n)) for n in range(4)]
    first = list_folder(folder)
    first.write(published)

    def again(place: Path = folder) -> Listing:
        hashed.clear()
        return FolderSource(SAMPLE, place, Listing.read_hashed(published, place)).list_shards()

    assert again() == first
    assert len(hashed) == 4, "files that were written just before could have been written since"
    long_after = time.time() + 60
    os.utime(published, (long_after, long_after))
    assert again() == first
    assert hashed == []
    # Of the same size, and of the same time; and one that is the same again.
    stat = files[1].stat()
    files[1].write_bytes(files[1].read_bytes().replace(b"number 1", b"number 9"))
    os.utime(files[1], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    files[2].write_bytes(files[2].read_bytes())
    files[3].rename(folder / "part-4.parquet")
    changed = again()
    assert set(hashed) == {"part-1.parquet", "part-2.parquet", "part-4.parquet"}
    assert changed == list_folder(folder) != first
    # What lies elsewhere is another folder's.
    folder.rename(tmp_path / "moved")
    again(tmp_path / "moved")
    assert len(hashed) == 4


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path, "part-0.parquet", pairs(1))
    with open(os.fsencode(tmp_path) + b"/caf\xe9.parquet", "wb"):  # noqa: PTH123 - bytes
        pass
    assert r"caf\udce9.parquet has a name whose bytes are not UTF-8 (rename it)" in refused(
        tmp_path
    )


def test_a_name_that_duckdb_cannot_open_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path, "a\\b*.parquet", pairs(1))
    assert "both a backslash and one of * ? [ in its path (rename it)" in refused(tmp_path)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("none", "no such folder"),
        ("part-0.parquet", "is a file; name the folder that it is in, {folder}: every *.parquet"),
        ("*.parquet", "no such folder; name {folder}: every *.parquet in it is a shard"),
        ("part-0.parquet/x", "no such folder"),
        ("x" * 300, "cannot be read: File name too long"),
    ],
)
def test_what_is_no_folder_is_told(place: str, told: str, tmp_path: Path) -> None:
    write_shard(tmp_path, "part-0.parquet", pairs(1))
    with pytest.raises(SettingsError) as caught:
        require_folder(tmp_path / place)
    assert f": {told.format(folder=tmp_path)}" in str(caught.value)


def test_a_folder_with_a_glob_sign_in_its_name_is_one(tmp_path: Path) -> None:
    write_shard(tmp_path / "a*b", "part-0.parquet", pairs(1))
    require_folder(tmp_path / "a*b")
    assert len(list_folder(tmp_path / "a*b").shards) == 1


def test_a_folder_without_shards_is_an_error_of_the_source(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no \*\.parquet file in this folder$"):
        list_folder(tmp_path)
