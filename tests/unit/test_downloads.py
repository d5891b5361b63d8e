"""What img2dataset found: read from its folder, kept, compared, foretold from and tried again.

The folders here are made up in the form of img2dataset's; an end-to-end test runs the real one.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import laion_pipeline
from laion_pipeline.command import main
from laion_pipeline.downloads.causes import failure_of
from laion_pipeline.paths import Paths
from tests.builders import load, pair, write_shard

OK = ("success", None)
DNS = ("failed_to_download", "<urlopen error [Errno -2] Name or service not known>")
TIMEOUT = ("failed_to_download", "The read operation timed out")
BUSY = ("failed_to_download", "HTTP Error 429: Too Many Requests")
BROKEN = ("failed_to_download", "HTTP Error 503: Service Unavailable")
DEAD = ("failed_to_download", "HTTP Error 404: Not Found")
OPTED_OUT = ("failed_to_download", "Use of image disallowed by X-Robots-Tag directive")
NO_IMAGE = ("failed_to_resize", "image decoding error")
Result = tuple[str, str | None]
NOVEMBER = 1_795_000_000.0
DECEMBER = NOVEMBER + 30 * 86_400


def address(number: int) -> str:
    return f"https://h{number % 2}.example/{number}.jpg"


def downloaded(
    folder: Path, found: Mapping[int, Result], ended: float = NOVEMBER, salt: str = ""
) -> Path:
    """What img2dataset would leave: pairs by number, with what came of them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "url": address(number),
            "key": f"{number:09}",
            "status": status,
            "error_message": message,
            "width": 512 if status == "success" else None,
            "height": 384 if status == "success" else None,
            "original_width": 640 if status == "success" else None,
            "original_height": 480 if status == "success" else None,
            "sha256": f"{salt}{number:04}" if status == "success" else None,
        }
        for number, (status, message) in found.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "00000.parquet")
    stats = {"count": len(rows), "start_time": ended - 1, "end_time": ended}
    (folder / "00000_stats.json").write_text(json.dumps(stats))
    return folder


@pytest.fixture(autouse=True)
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Twelve pairs in a warehouse, exported as the subset `mine`."""
    monkeypatch.setenv("LAION_RELEASE", "sample")
    monkeypatch.setenv("LAION_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    paths = Paths(tmp_path / "sample")
    rows = [pair(number, url=address(number)) for number in range(12)]
    write_shard(paths.shards, "part-0.parquet", rows)
    load(paths.shards).file.replace(paths.warehouse)
    laion_pipeline.subset(name="mine", caption_all=["caption"]).export()
    return paths


def run(*words: str | Path) -> int:
    return main(["subset", *map(str, words)])


def kept(paths: Paths, name: str) -> set[str]:
    return set(pq.read_table(paths.exports / name / "pairs.parquet")["url"].to_pylist())


@pytest.mark.parametrize(
    ("message", "cause", "code"),
    [
        (DNS[1], "dns", None),
        ("<urlopen error [Errno -3] Temporary failure in name resolution>", "dns", None),
        ("<urlopen error [Errno 11001] getaddrinfo failed>", "dns", None),
        ("<urlopen error timed out>", "timeout", None),
        ("<urlopen error _ssl.c:989: The handshake operation timed out>", "timeout", None),
        ("<urlopen error [Errno 110] Connection timed out>", "timeout", None),
        ("HTTP Error 408: Request Timeout", "timeout", 408),
        ("HTTP Error 404: Not Found (request timed out, name resolution)", "http", 404),
        ("HTTP Error 302: The HTTP server returned a redirect error", "http", 302),
        ("<urlopen error [Errno 111] Connection refused>", "connection", None),
        ("Remote end closed connection without response", "connection", None),
        ("IncompleteRead(10 bytes read, 20 more expected)", "connection", None),
        ("<urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed>", "tls", None),
        ("<urlopen error unknown url type: htp>", "address", None),
        (OPTED_OUT[1], "opted out", None),
        ("hash mismatch", "hash", None),
        ("something nobody foresaw", "other", None),
        (None, "other", None),
    ],
)
def test_causes_are_told_apart(message: str | None, cause: str, code: int | None) -> None:
    failure = failure_of("failed_to_download", message)
    assert (failure.cause, failure.http_code) == (cause, code)
    assert failure_of("failed_to_resize", message).cause == "no image"


def test_results_become_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = downloaded(tmp_path / "images", {0: OK, 1: DEAD, 2: BUSY, 3: OPTED_OUT, 4: NO_IMAGE})
    for _ in range(2):  # once more is no more
        assert run("results", folder) == 0
    out = capsys.readouterr().out
    assert "5 results, of 2026-11-18 11:06 UTC, shards: 1" in out
    for line in ("20.00 %  success\n", "  HTTP 404\n", "HTTP 429 (may pass)\n", "  opted out\n"):
        assert line in out
    assert "seen first" not in out
    table = laion_pipeline.open().table("downloads").to_pylist()
    assert [tuple(row.values())[:7] for row in sorted(table, key=lambda row: row["url"][-5])] == [
        (address(0), "success", None, None, "0000", 640, 480),
        (address(1), "failed_to_download", "http", 404, None, None, None),
        (address(2), "failed_to_download", "http", 429, None, None, None),
        (address(3), "failed_to_download", "opted out", None, None, None, None),
        (address(4), "failed_to_resize", "no image", None, None, None, None),
    ]


def test_a_warehouse_made_anew_has_results_back(exported: Paths, tmp_path: Path) -> None:
    assert run("results", downloaded(tmp_path / "one", {0: OK, 1: DEAD})) == 0
    exported.warehouse.unlink()
    load(exported.shards).file.replace(exported.warehouse)
    assert run("results", downloaded(tmp_path / "two", {2: OK}, DECEMBER)) == 0
    assert laion_pipeline.open().table("downloads").num_rows == 3


def test_an_only_copy_that_is_damaged_is_told_and_kept(
    exported: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported.downloads.parent.mkdir(exist_ok=True)
    exported.downloads.write_bytes(b"half a file")
    assert run("results", downloaded(tmp_path / "one", {0: OK})) == 1
    err = capsys.readouterr().err
    assert f"{exported.downloads}: damaged" in err
    assert err.count("\n") == 1
    assert exported.downloads.read_bytes() == b"half a file"
    exported.downloads.unlink()
    assert run("results", tmp_path / "one") == 0


def test_a_retry_has_what_failed_for_passing_reasons(
    exported: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = {0: OK, 1: DNS, 2: TIMEOUT, 3: BUSY, 4: BROKEN, 5: DEAD, 6: OPTED_OUT, 7: NO_IMAGE}
    assert run("results", downloaded(tmp_path / "one", first)) == 0
    assert run("retry", "mine") == 0
    assert kept(exported, "mine-retry") == {address(number) for number in (1, 2, 3, 4)}
    manifest = json.loads((exported.exports / "mine-retry" / "manifest.json").read_text())
    whole = json.loads((exported.exports / "mine" / "manifest.json").read_text())
    assert manifest["retry_of"] == "mine"
    assert manifest["steps"][:-1] == whole["steps"]
    assert manifest["steps"][-1]["pairs"] == manifest["pairs"] == 4
    assert {**manifest["filter"], "name": ""} == {**whole["filter"], "name": ""}
    rows = pq.read_table(exported.exports / "mine-retry" / "pairs.parquet").to_pylist()
    all_rows = pq.read_table(exported.exports / "mine" / "pairs.parquet").to_pylist()
    assert rows == [row for row in all_rows if row["url"] in kept(exported, "mine-retry")]

    # What has been there since, or has gone for good, is not tried a third time.
    second = {1: OK, 2: DEAD, 3: BUSY, 4: OK}
    assert run("results", downloaded(tmp_path / "two", second, DECEMBER)) == 0
    assert run("retry", "mine") == 0
    assert kept(exported, "mine-retry") == {address(3)}
    assert run("results", downloaded(tmp_path / "three", {3: OK}, DECEMBER + 1)) == 0
    capsys.readouterr()
    assert run("retry", "mine") == 1
    assert "mine: nothing failed for a reason that may pass" in capsys.readouterr().err


def test_a_second_download_is_held_beside_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("results", downloaded(tmp_path / "one", {0: OK, 1: OK, 2: OK, 3: OK, 4: DEAD}))
    changed = downloaded(tmp_path / "two", {1: OK}, DECEMBER, salt="other")
    run("results", changed)
    capsys.readouterr()
    third = {0: OK, 1: OK, 2: DEAD, 3: BUSY, 4: OK, 5: OK}
    run("results", downloaded(tmp_path / "three", third, DECEMBER + 1))
    out = capsys.readouterr().out
    assert "2 exact, 0 changed, 1 gone, 1 not known this time" in out
    run("results", changed)  # of the time when it was
    assert "0 exact, 1 changed, 0 gone, 0 not known this time" in capsys.readouterr().out


def test_dead_links_are_left_out_on_request(tmp_path: Path) -> None:
    with pytest.raises(laion_pipeline.errors.SettingsError, match="subset results"):
        laion_pipeline.subset(without_dead_links=True).preview()
    run("results", downloaded(tmp_path / "one", {0: OK, 1: DEAD, 2: BUSY, 3: OPTED_OUT, 4: DEAD}))
    run("results", downloaded(tmp_path / "two", {4: OK}, DECEMBER))
    left = laion_pipeline.subset(without_dead_links=True).preview()
    assert left.steps[-1].words == "address is not known to be dead (2 are)"
    assert left.pairs == 10


def test_a_preview_foretells_what_will_be_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert laion_pipeline.subset(caption_all=["caption"]).preview().live is None
    # Even numbers are of h0, odd ones of h1.
    found = {0: OK, 2: OK, 4: BUSY, 1: DEAD, 3: DEAD, 5: OK}
    run("results", downloaded(tmp_path / "one", found))
    seen = laion_pipeline.subset(caption_all=["caption"]).preview()
    overall = 3 / 6
    h0, h1 = (2 + 5 * overall) / (3 + 5), (1 + 5 * overall) / (3 + 5)
    expected = {"h0.example": 2 + 4 * h0, "h1.example": 1 + 3 * h1}
    assert {each.host: each.live for each in seen.hosts} == pytest.approx(
        {host: live / 6 for host, live in expected.items()}
    )
    assert seen.live == pytest.approx(sum(expected.values()) / 12)
    Path("all.toml").write_text('caption_all = ["caption"]\n')
    capsys.readouterr()
    assert run("preview", "all.toml") == 0
    out = capsys.readouterr().out
    assert "about 7 links are expected to lead to an image" in out
    assert "   6   71 %  h0.example" in out


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "00000_stats.json").unlink(), "has no results of img2dataset"),
        (lambda folder: (folder / "00000_stats.json").write_text("[]"), "no statistics"),
        (lambda folder: (folder / "00000.parquet").unlink(), "is not there"),
        (lambda folder: (folder / "00000.parquet").write_bytes(b"no"), "no whole Parquet file"),
        (
            lambda folder: pq.write_table(pa.table({"url": ["a"]}), folder / "00000.parquet"),
            "it has no column status",
        ),
        (
            lambda folder: pq.write_table(
                pa.table({"url": [None], "status": ["success"], "error_message": ["x"]}),
                folder / "00000.parquet",
            ),
            "row 0 has no url",
        ),
    ],
)
def test_what_is_no_result_is_one_clear_line(
    spoil: Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = downloaded(tmp_path / "images", {0: OK})
    spoil(folder)
    assert run("results", folder) == 1
    err = capsys.readouterr().err
    assert said in err
    assert str(folder) in err
    assert err.count("\n") == 1


def test_shards_that_are_not_finished_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = downloaded(tmp_path / "images", {0: OK})
    (folder / "00001.parquet").write_bytes(b"half a file")
    (folder / "00000_stats.json").write_text(json.dumps({"count": 3, "end_time": NOVEMBER}))
    assert run("results", folder) == 0
    out = capsys.readouterr().out
    assert "not finished, to be read again later: 1 of the shards" in out
    assert "without a result, in finished shards: 2 of the pairs" in out


def test_a_retry_of_what_is_not_there_names_what_is(
    exported: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("retry", "mine") == 1
    assert "no results of a download are known yet" in capsys.readouterr().err
    run("results", downloaded(tmp_path / "images", {0: BUSY}))
    capsys.readouterr()
    assert run("retry", "yours") == 1
    assert "there is no such export; there are mine" in capsys.readouterr().err
    assert run("retry", "../mine") == 1
    assert "give the name of an export" in capsys.readouterr().err
    (exported.exports / "mine" / "pairs.parquet").write_bytes(b"other")
    assert run("retry", "mine") == 1
    assert "not as its manifest says" in capsys.readouterr().err
