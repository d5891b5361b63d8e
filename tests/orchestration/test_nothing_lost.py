"""Rows stay what the source has: nothing unreadable is taken for gone, nothing stale for loaded."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import mmh3
import pytest

from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.warehouse import stores
from laion_pipeline.warehouse.shard_rows import select_rows
from tests.orchestration.runs import INGEST, TABULAR, Run, command, configured, query, run
from tests.orchestration.test_checks import clean_columns, write

pytestmark = pytest.mark.slow

NAMES = tuple(f"part-{number}.parquet" for number in range(4))
LISTED = dg.AssetSelection.assets("shards")
LOADED = dg.AssetSelection.assets("pairs") - dg.AssetSelection.all_asset_checks()
LEDGER = "SELECT path, sha256, rows FROM shards ORDER BY path"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        write(tmp_path / "source", rows_of(number, 50), name)
    return tmp_path / "source"


@pytest.fixture
def data(tmp_path: Path, source: Path) -> Iterator[Path]:
    with configured(tmp_path / "data", source):
        yield tmp_path / "data"


def rows_of(shard: int, rows: int) -> dict[str, list[Any]]:
    """Clean rows, different in each shard, whose captions are all as long."""
    columns = clean_columns(rows)
    columns["URL"] = [f"https://host.example/{shard}/{number:04}.jpg" for number in range(rows)]
    texts = zip(columns["URL"], columns["TEXT"], strict=True)
    columns["hash"] = [mmh3.hash64(f"{url}{text}".encode())[0] for url, text in texts]
    return columns


def _dangling(entry: Path) -> str:
    entry.unlink()
    entry.symlink_to(entry.with_name("a blob that is gone"))
    return "is a link to "


def _loop(entry: Path) -> str:
    entry.unlink()
    entry.symlink_to(entry)
    return "is a link to "


def _folder(entry: Path) -> str:
    file = entry.with_name("kept")
    entry.rename(file)
    entry.mkdir()
    file.rename(entry / "part-0.parquet")
    return "is a folder"


def _pipe(entry: Path) -> str:
    entry.unlink()
    os.mkfifo(entry)
    return "is no regular file"


@pytest.mark.parametrize("damage", [_dangling, _loop, _folder, _pipe])
def test_a_shard_that_cannot_be_read_is_named_and_keeps_its_rows(
    data: Path, source: Path, damage: Callable[[Path], str]
) -> None:
    assert run(INGEST).success
    before = query(data, LEDGER)
    words = damage(source / NAMES[2])
    done = command(pictures=False)
    assert done.exit_status == 1
    assert done.text.startswith(
        f"error: shards: LAION_SOURCE={source}: 1 of 4 *.parquet entries cannot be read as shards:"
        f" {NAMES[2]} {words}"
    )
    assert done.text.count("\n") == 0
    assert query(data, LEDGER) == before
    assert query(data, "SELECT count(*) FROM pairs") == [(200,)]


def reason(done: Run, step: str) -> str:
    data = done.failures[step].step_failure_data
    assert data.user_failure_data is not None
    return str(data.user_failure_data.description)


def test_a_shard_replaced_after_it_was_listed_is_not_loaded_as_what_it_was(
    data: Path, source: Path
) -> None:
    assert run(LISTED).success
    before = (source / NAMES[1]).stat()
    write(source, rows_of(7, 50), NAMES[1])
    os.utime(source / NAMES[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    done = run(LOADED)
    assert reason(done, "pairs").startswith(f"{NAMES[1]}: its content has changed since")
    assert run(INGEST).success
    assert query(data, "SELECT count(*) FROM pairs WHERE url LIKE '%/7/%'") == [(50,)]
    assert query(data, "SELECT count(*) FROM pairs WHERE url LIKE '%/1/%'") == [(0,)]


def test_a_shard_that_was_only_touched_is_loaded(data: Path, source: Path) -> None:
    assert run(LISTED).success
    os.utime(source / NAMES[1], (0, 0))
    (source / NAMES[2]).chmod(0o600)
    assert run(LOADED).success
    assert query(data, "SELECT count(*) FROM pairs") == [(200,)]


def test_a_shard_replaced_while_it_is_loaded_leaves_no_trace(
    data: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = select_rows

    def disturbed(*arguments: Any) -> object:
        """Replaces a shard at the last moment, as another program may."""
        write(source, rows_of(8, 50), NAMES[3])
        return read(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(stores, "select_rows", disturbed)
        done = run(INGEST)
    assert reason(done, "pairs").startswith(f"{NAMES[3]}: was changed while it was loaded")
    assert query(data, LEDGER) == []
    assert run(INGEST).success
    assert query(data, "SELECT count(*) FROM pairs WHERE url LIKE '%/8/%'") == [(50,)]


def test_a_shard_that_is_being_written_is_not_listed(tmp_path: Path) -> None:
    from laion_pipeline.errors import SourceError
    from laion_pipeline.sources import shards

    (file,) = generate_sample(tmp_path, rows=500, shards=1)
    digest = hashlib.file_digest

    def written_meanwhile(*arguments: Any) -> object:
        with file.open("ab") as stream:
            stream.write(b"more")
        return digest(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashlib, "file_digest", written_meanwhile)
        with pytest.raises(SourceError, match="is being written"):
            shards.describe_file(tmp_path, file.name)


def named(done: Run, check: str) -> tuple[bool, str]:
    found = done.checks[f"pairs.{check}"]
    return found.passed, str(found.metadata)


def test_the_same_file_under_two_names_is_told(data: Path, source: Path) -> None:
    copy = "part-3 (1).parquet"
    (source / copy).write_bytes((source / NAMES[3]).read_bytes())
    done = run(TABULAR)
    passed, found = named(done, "shards_unique")
    assert not passed
    assert NAMES[3] in found
    assert copy in found
    (source / copy).unlink()
    assert named(run(TABULAR), "shards_unique")[0]


def test_empty_shards_are_all_alike(data: Path, source: Path) -> None:
    for number in range(2):
        write(
            source,
            {name: values[:0] for name, values in rows_of(0, 1).items()},
            f"{number}.parquet",
        )
    assert named(run(TABULAR), "shards_unique")[0]


def summary(data: Path) -> list[tuple[Any, ...]]:
    return query(data, "FROM score_summary ORDER BY ALL")


def test_many_rows_leave_at_once_only_when_that_is_confirmed(
    data: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4, 40):
        write(source, rows_of(number, 50), f"part-{number}.parquet")
    assert command(pictures=False).exit_status == 0
    (source / "part-7.parquet").unlink()  # one in forty is a normal change
    assert command(pictures=False).exit_status == 0
    before = summary(data)
    for name in (*NAMES[:2], "part-8.parquet"):
        (source / name).unlink()
    for _ in range(2):  # to try again is not to confirm
        done = command(pictures=False)
        assert done.exit_status == 1
        assert "failed check: pairs.rows_retained: 150 of 1,950 previous rows fail" in done.text
        assert "LAION_ACCEPT_REMOVAL" in done.text
        assert summary(data) == before
    ((revision,),) = query(data, "SELECT revision FROM provenance")
    monkeypatch.setenv("LAION_ACCEPT_REMOVAL", "0" * 40)
    assert command(pictures=False).exit_status == 1
    monkeypatch.setenv("LAION_ACCEPT_REMOVAL", revision[:12])
    assert command(pictures=False).exit_status == 0
    assert query(data, "SELECT max(pairs) FROM score_summary") == [(1800,)]
    monkeypatch.setenv("LAION_ACCEPT_REMOVAL", "")


def test_the_next_change_does_not_make_up_for_a_loss(data: Path, source: Path) -> None:
    assert command(pictures=False).exit_status == 0
    (source / NAMES[0]).unlink()
    for checked in (True, False):
        if checked:
            assert "50 of 200 previous rows fail" in command(pictures=False).text
        else:
            assert run(LOADED | LISTED).success
        write(source, rows_of(30 + checked, 50), NAMES[1])
    done = command(pictures=False)
    assert done.exit_status == 1
    assert "50 of 200 previous rows fail" in done.text
    write(source, rows_of(0, 50), NAMES[0])  # put back
    assert command(pictures=False).exit_status == 0


def test_a_folder_of_other_shards_takes_no_ones_place_unasked(data: Path, source: Path) -> None:
    assert command(pictures=False).exit_status == 0
    for name in NAMES:
        (source / name).unlink()
        write(source, rows_of(90 + NAMES.index(name), 60), f"other-{name}")
    done = command(pictures=False)
    assert done.exit_status == 1
    assert "200 of 200 previous rows fail" in done.text


def test_what_max_shards_leaves_out_is_not_lost(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(pictures=False).exit_status == 0
    monkeypatch.setenv("LAION_MAX_SHARDS", "1")
    assert command(pictures=False).exit_status == 0
    assert query(data, "SELECT count(*) FROM pairs") == [(50,)]
    monkeypatch.setenv("LAION_MAX_SHARDS", "")
    assert command(pictures=False).exit_status == 0
