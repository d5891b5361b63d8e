"""A release on a loopback Hub, and a pipeline that reads it through the real client.

Nothing waits: the waits between attempts are collected. A fixture is two lines:

    @pytest.fixture
    def site(monkeypatch, tmp_path):
        with hub_site(monkeypatch, tmp_path) as site:
            yield site
"""

import hashlib
import io
import json
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import huggingface_hub.utils._detect_agent as detect_agent
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tenacity.nap
from huggingface_hub import close_session, constants

from laion_pipeline.ingestion import FetchResult, fetch_shards, load_listing
from laion_pipeline.releases.release import find_release
from laion_pipeline.session import Session
from laion_pipeline.sources.hub.source import HubSource
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.sources.shards import Fetched, Listing
from laion_pipeline.warehouse.loading import LoadResult
from tests.loopback_hub import LoopbackHub

RELEASE = "laion2B-en-aesthetic"
REPO = "laion/laion2B-en-aesthetic"
TOKEN = "hf_ThisIsTheSecretThatNobodyMaySee42"
SETTINGS = (
    *("RELEASE", "SOURCE", "REVISION", "DATA_DIR", "MAX_SHARDS", "DOWNLOADS"),
    *("MEMORY_LIMIT", "THREADS", "KEEP_SHARDS"),
)

Row = tuple[Any, ...]


@cache
def small_shards() -> Mapping[str, bytes]:
    """Eight V1 shards of about 250 rows each, by name."""
    return _generated(rows=2000, shards=8)


@cache
def other_shard() -> bytes:
    """A V1 shard of 500 rows with other content than `small_shards`."""
    return next(iter(_generated(rows=500, shards=1).values()))


def _generated(rows: int, shards: int) -> Mapping[str, bytes]:
    with TemporaryDirectory() as folder:
        paths = generate_sample(Path(folder), rows=rows, shards=shards)
        return {path.name: path.read_bytes() for path in paths}


@cache
def big_shard() -> bytes:
    """A Parquet file of about 3.5 MB, so that a transfer of it can stop halfway."""
    noise = np.random.default_rng(7).bytes(3_500_000)
    stream = io.BytesIO()
    pq.write_table(pa.table({"noise": [noise]}), stream, compression="none", use_dictionary=False)
    return stream.getvalue()


def source_rows(files: Mapping[str, bytes]) -> Counter[Row]:
    """The rows of V1 shards, each with its shard's name, read without the pipeline."""
    rows: Counter[Row] = Counter()
    for name, content in files.items():
        for row in pq.read_table(io.BytesIO(content)).to_pylist():
            rows[name, *map(repr, row.values())] += 1
    return rows


@dataclass(frozen=True)
class Site:
    """A hub, and a pipeline whose data folder is `data`; `waits` are those it did not wait."""

    hub: LoopbackHub
    data: Path
    waits: list[float] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.data / RELEASE / "shards"

    def source(self, revision: str = "main") -> HubSource:
        return HubSource(find_release(RELEASE), revision, self.folder, 4)

    def listing(self) -> Listing:
        return self.source().list_shards()

    def fetch(self) -> Fetched:
        """List and fetch everything, without a warehouse."""
        listing = self.listing()
        return self.source().fetch(listing, listing.shards)

    def prepare(self) -> FetchResult:
        """Fetch what the warehouse lacks, as the asset `shards` does."""
        return fetch_shards(Session.open())

    def listing_on_disk(self) -> Listing:
        return Listing.read(Session.open().paths.listing)

    def refresh(self) -> LoadResult:
        """Fetch and load, as the assets `shards` and `pairs` do."""
        self.prepare()
        return load_listing(Session.open(), self.listing_on_disk())

    def warehouse_rows(self) -> Counter[Row]:
        """What `source_rows` should be equal to."""
        with Session.open().warehouse.connect(read_only=True) as connection:
            rows = connection.execute(
                "SELECT path, url, text, width, height, similarity, hash, punsafe, pwatermark,"
                " aesthetic FROM pairs JOIN shards USING (shard_id)"
            ).fetchall()
        return Counter((name, *map(repr, row)) for name, *row in rows)

    def files(self) -> dict[str, bytes]:
        """Every file under a shard's final name, by its path in the folder."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*.parquet")
        }

    def parts(self) -> list[Path]:
        return sorted(self.folder.rglob("*.part"))

    def everything_written(self) -> bytes:
        return b"".join(p.read_bytes() for p in sorted(self.data.rglob("*")) if p.is_file())

    def kinds(self) -> Counter[str]:
        return Counter(request.kind for request in self.hub.requests)

    def file_requests(self) -> list[tuple[str | None, int]]:
        """The Range and the status of each request for a file's content, in order."""
        return [(r.range, r.status) for r in self.hub.requests if r.kind in ("file", "redirect")]


@contextmanager
def hub_site(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    files: Mapping[str, bytes | Path] | None = None,
    *,
    redirects: bool = False,
    page_size: int = 1000,
) -> Iterator[Site]:
    """A hub with `files` (`small_shards` by default), and a pipeline set to read from it."""
    for name in SETTINGS:
        monkeypatch.setenv(f"LAION_{name}", "")
    monkeypatch.setenv("LAION_RELEASE", RELEASE)
    monkeypatch.setenv("LAION_DATA_DIR", str(folder / "data"))
    with LoopbackHub(redirects=redirects, page_size=page_size) as hub:
        site = Site(hub, folder / "data")
        use_endpoint(monkeypatch, hub.endpoint)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "no-token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(detect_agent, "_registry", detect_agent._EMPTY_REGISTRY)
        # tenacity alone, and not time.sleep itself, which the server's threads may need.
        monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=site.waits.append))
        hub.publish(REPO, small_shards() if files is None else files)
        close_session()
        try:
            yield site
        finally:
            close_session()


def use_endpoint(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """What HF_ENDPOINT does before huggingface_hub is imported."""
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


def shorten_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_HUB_DOWNLOAD_TIMEOUT does before huggingface_hub is imported."""
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.5)


def offset(wanted: str | None) -> int:
    """The byte from which a request's Range asks for a file."""
    match = re.fullmatch(r"bytes=(\d+)-", wanted or "bytes=0-")
    assert match, wanted
    return int(match[1])


def is_one_clear_line(message: str) -> bool:
    """Whether it is fit to be shown to a user: a line, no repr of an exception, no traceback."""
    jargon = ("Traceback", "httpx", "Error(", "Exception", "object at 0x")
    return message.isprintable() and not any(word in message for word in jargon)


@contextmanager
def all_logged() -> Iterator[list[str]]:
    """Every record that any library logs, formatted, from DEBUG up."""
    lines: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.name} {record.getMessage()} {record.exc_info or ''}")

    root, collector = logging.getLogger(), Collector(level=logging.DEBUG)
    names = ("laion_pipeline", "huggingface_hub", "httpx2", "httpcore2", "httpx", "httpcore")
    loggers = [root, *map(logging.getLogger, names)]
    levels = [logger.level for logger in loggers]
    root.addHandler(collector)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(collector)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


Reply = tuple[int, Mapping[str, str], bytes]


def json_reply(value: object, status: int = 200) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def entry(path: object, content: bytes = b"x", **other: object) -> dict[str, Any]:
    """A file's entry in a listing, as the Hub words it."""
    sha256, size = hashlib.sha256(content).hexdigest(), len(content)
    lfs = {"oid": sha256, "size": size, "pointerSize": 130}
    return {"type": "file", "path": path, "size": size, "oid": "0" * 40, "lfs": lfs} | other


@contextmanager
def scripted_server(
    monkeypatch: pytest.MonkeyPatch, reply: Callable[[str, Mapping[str, str]], Reply]
) -> Iterator[list[str]]:
    """An endpoint that answers a GET of a path with what `reply` says; the paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            status, headers, body = reply(self.path, dict(self.headers.items()))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, template: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True)
        thread.start()
        use_endpoint(monkeypatch, f"http://127.0.0.1:{server.server_address[1]}")
        close_session()
        try:
            yield asked
        finally:
            close_session()
            server.shutdown()
            thread.join()


def scripted_listing(
    entries: Sequence[object], files: Callable[[str, Mapping[str, str]], Reply] | None = None
) -> Callable[[str, Mapping[str, str]], Reply]:
    """The replies of a hub whose tree is `entries`, whatever they are."""

    def reply(path: str, headers: Mapping[str, str]) -> Reply:
        if "/revision/" in path:
            return json_reply({"sha": "c" * 40})
        if "/tree/" in path:
            return json_reply(entries)
        return files(path, headers) if files else json_reply({"error": "?"}, 404)

    return reply
