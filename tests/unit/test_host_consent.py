"""What hosts say of the use of their images leaves pairs out of an export, where that is asked."""

import json
import signal
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import laion_pipeline
from laion_pipeline.__main__ import run
from laion_pipeline.errors import SettingsError, WarehouseError
from laion_pipeline.paths import Paths
from laion_pipeline.subsets import host_consent
from laion_pipeline.subsets.subset import Subset
from tests.builders import load, pair, write_shard
from tests.image_servers import Answer, answer, redirect, serving

RESERVED = b'[{"location": "/reserved/", "tdm-reservation": 1}]'
ANSWERS = {
    "no.example/robots.txt": answer(b"User-agent: *\nDisallow: /"),
    "partly.example/robots.txt": answer(
        b"\xef\xbb\xbfUser-agent: img2dataset\nDisallow: /private/\n"
        b"Content-Usage: /used/ train-ai=n\n"
        b"User-agent: *\nContent-Usage: /used/ train-ai=n\n"
    ),
    "mined.example/.well-known/tdmrep.json": answer(RESERVED),
    "moved.example/robots.txt": redirect("http://no.example/robots.txt"),
    "closed.example/robots.txt": answer(b"", "403 Forbidden"),
    "page.example/robots.txt": answer(b"<!doctype html>", X_Robots_Tag="noindex"),
    "busy.example/robots.txt": answer(b"", "429 Too Many Requests"),
    "broken.example/robots.txt": answer(b"", "503 Unavailable"),
    "half.example/.well-known/tdmrep.json": answer(b"", "500 Oops"),
    "endless.example/robots.txt": answer(b"Disallow: /\n" * 50_000),
    "ruled.example/robots.txt": answer(b"User-agent: *\n" + b"Disallow: /a\n" * 6_000),
    "around.example/robots.txt": redirect("http://around.example/robots.txt"),
}  # fmt: skip
KEPT = {
    "http://partly.example/open/1.png", "http://mined.example/2.png", "http://closed.example/3.png",
    "http://page.example/4.png", "http://Plain.example/5.png", "http://who@plain.example/6.png",
}  # fmt: skip
REFUSED = {
    "http://no.example/7.png", "http://partly.example/private/8.png",
    "http://mined.example/reserved/9.png?a", "http://moved.example/10.png",
    "http://partly.example/used/19.png",
}  # fmt: skip
SILENT = {
    "http://busy.example/11.png", "http://broken.example/12.png", "http://half.example/13.png",
    "http://endless.example/14.png", "http://ruled.example/15.png", "http://around.example/16.png",
    "http://inside.example/17.png", "http://nowhere.example/18.png",
}  # fmt: skip
HOSTS = 15
ADDRESSES = {"inside.example": ["10.0.0.1"], "nowhere.example": []}


def materialized(data: Path, urls: set[str]) -> Path:
    paths = Paths(data / "sample")
    rows = [pair(number, url=url) for number, url in enumerate(sorted(urls))]
    write_shard(paths.shards, "one.parquet", rows)
    load(paths.shards).file.replace(paths.warehouse)
    return data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return materialized(tmp_path, KEPT | REFUSED | SILENT)


def asking(data: Path, **fields: Any) -> Subset:
    return laion_pipeline.subset("sample", data, host_consent=True, **fields)


def urls_of(folder: Path) -> set[str]:
    return set(pq.read_table(folder / "pairs.parquet")["url"].to_pylist())


def test_pairs_are_left_out_whose_hosts_say_no_or_nothing(data: Path) -> None:
    with serving(ANSWERS) as servers:
        made = asking(data, name="asked").export(network=servers.network(ADDRESSES))
    assert urls_of(made.folder) == KEPT
    told = json.loads((made.folder / "manifest.json").read_text("utf-8"))
    said = told["host_consent"]
    assert (said["hosts"], said["silent"], said["refusing"]) == (HOSTS, len(SILENT), 4)
    assert said["by_rule"] == {
        "robots.txt": 3,
        "tdmrep.json": 1,
        "Content-Usage: train-ai=n in robots.txt": 1,
    }
    counts = [step["pairs"] for step in told["steps"][-3:]]
    assert counts == [len(KEPT | REFUSED | SILENT), len(KEPT | REFUSED), len(KEPT)]
    assert made.consent
    assert made.consent.refusing_share == 4 / (HOSTS - len(SILENT))
    card = (made.folder / "README.md").read_text("utf-8")
    assert made.consent.told() in card
    assert (
        "4 say no (57.1 %): 1 by Content-Usage: train-ai=n in robots.txt, 3 by robots.txt" in card
    )


def test_a_host_is_asked_once_a_day(data: Path) -> None:
    kept = Paths(data / "sample").host_consent
    with serving(ANSWERS) as servers:
        network = servers.network(ADDRESSES)
        asking(data).export(network=network)
        first = [host for host in servers.looked_up if host == "plain.example"]
        assert len(first) == 2, "for its two files"
        asking(data, seed=1).export(network=network)
        again = servers.looked_up
        assert [host for host in again if host == "plain.example"] == first
        assert again.count("broken.example") == 2, "who did not say is asked again"
        rows = pq.read_table(kept)
        before = pc.subtract(rows["asked_at"], pa.scalar(timedelta(days=1, minutes=1)))
        at = rows.schema.get_field_index("asked_at")
        pq.write_table(rows.set_column(at, rows.schema.field(at), before), kept)
        asking(data).export(network=network)
        assert servers.looked_up.count("plain.example") == 4
        kept.write_bytes(b"damaged")
        made = asking(data).export(network=network)
    assert urls_of(made.folder) == KEPT
    assert made.consent
    assert datetime.now(UTC) - made.consent.asked[0] < timedelta(minutes=5)


def test_one_subset_keeps_what_the_hosts_of_another_said(data: Path) -> None:
    with serving(ANSWERS) as servers:
        network = servers.network(ADDRESSES)
        asking(data, hosts_allowed=["plain.example"]).export(network=network)
        asking(data, hosts_allowed=["partly.example"]).export(network=network)
        asking(data, hosts_allowed=["plain.example"]).export(network=network)
    assert servers.looked_up == ["plain.example"] * 2 + ["partly.example"] * 2


def test_it_is_asked_over_https_where_any_of_its_addresses_is(tmp_path: Path) -> None:
    data = materialized(tmp_path, {"http://plain.example/1", "https://plain.example/2"})
    with serving({}) as servers, pytest.raises(WarehouseError) as caught:
        asking(data, name="both").export(network=servers.network())
    assert {port for _, port in servers.connected} == {443}
    assert str(caught.value) == (
        "both: no pair is left by its hosts: of 1 hosts 1 did not say, and of the others 0 say no"
    )


def test_no_host_is_asked_by_a_preview_or_without_the_field(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object) -> None:
        pytest.fail("a host was asked")

    monkeypatch.setattr("laion_pipeline.subsets.subset.rules_of", asked)
    assert urls_of(laion_pipeline.subset("sample", data, limit=99).export().folder)
    assert asking(data).preview().pairs == len(KEPT | REFUSED | SILENT)
    file = tmp_path / "asked.toml"
    file.write_text("host_consent = true\n")
    monkeypatch.setenv("LAION_RELEASE", "sample")
    monkeypatch.setenv("LAION_DATA_DIR", str(data))
    assert run(["subset", "preview", str(file)]) == 0
    assert "hosts are asked for their consent at export" in capsys.readouterr().out


def test_who_interrupts_it_keeps_what_hosts_have_said(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Paths(data / "sample").host_consent
    asked_last = threading.Event()

    def interrupts(connection: socket.socket) -> None:
        while servers.asked.count("/.well-known/tdmrep.json") < 1:
            time.sleep(0.01)
        time.sleep(0.2)  # until that answer is read
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        asked_last.wait(5)
        connection.close()

    file = tmp_path / "asked.toml"
    file.write_text('host_consent = true\nhosts_allowed = ["plain.example", "page.example"]\n')
    monkeypatch.setenv("LAION_RELEASE", "sample")
    monkeypatch.setenv("LAION_DATA_DIR", str(data))
    with serving({"page.example/robots.txt": interrupts}) as servers:
        over = servers.network()
        monkeypatch.setattr("laion_pipeline.images.requests.Network", lambda: over)
        assert run(["subset", "export", str(file)]) == 1
        asked_last.set()
    assert capsys.readouterr().err == "error: interrupted\n"
    assert pq.read_table(kept)["host"].to_pylist() == ["plain.example"]


def test_too_many_hosts_are_not_asked(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_consent, "MOST_HOSTS", HOSTS - 1)
    with serving(ANSWERS) as servers, pytest.raises(SettingsError) as caught:
        asking(data).export(network=servers.network(ADDRESSES))
    assert servers.looked_up == []
    assert str(caught.value).startswith("host_consent: its pairs are of 15 hosts, and 14 at most")


def test_limit_is_before_hosts_are_asked(data: Path) -> None:
    ten = laion_pipeline.subset("sample", data, limit=10, seed=3, name="ten").export()
    with serving(ANSWERS) as servers:
        made = asking(data, limit=10, seed=3).export(network=servers.network(ADDRESSES))
    assert urls_of(made.folder) == urls_of(ten.folder) & KEPT


def test_the_warehouse_may_be_changed_while_hosts_are_asked(data: Path) -> None:
    warehouse = Paths(data / "sample").warehouse
    written = []

    def slow(connection: socket.socket) -> None:
        with duckdb.connect(warehouse) as other:
            other.execute("CREATE OR REPLACE TABLE written AS SELECT 1")
        written.append(1)
        answer(b"User-agent: *\nDisallow: /private/")(connection)

    with serving({"plain.example/robots.txt": slow}) as servers:
        chosen = asking(data, hosts_allowed=["plain.example"])
        assert chosen.export(network=servers.network()).pairs == 2
    assert written == [1]


def test_other_pairs_than_were_asked_about_are_not_exported(data: Path, tmp_path: Path) -> None:
    other = materialized(tmp_path / "other", {"http://new.example/1"})

    def replaced(connection: socket.socket) -> None:
        Paths(other / "sample").warehouse.replace(Paths(data / "sample").warehouse)
        answer(b"")(connection)

    with (
        serving({"no.example/robots.txt": replaced}) as servers,
        pytest.raises(WarehouseError, match="loaded while hosts were asked; export again"),
    ):
        asking(data).export(network=servers.network(ADDRESSES))


@pytest.mark.parametrize("said", [answer(b"x" * 600_000), answer(b"\xff\x00\x1b[31m")])
def test_whatever_it_says_an_export_ends(tmp_path: Path, said: Answer) -> None:
    data = materialized(tmp_path, {"http://odd.example/1", "http://plain.example/2"})
    with serving({"odd.example/robots.txt": said}) as servers:
        made = asking(data).export(network=servers.network())
    assert made.pairs in (1, 2)
