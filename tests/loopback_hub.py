"""A fake Hugging Face Hub for datasets on 127.0.0.1, for the real client to talk to in tests.

It answers what huggingface_hub asks to resolve a revision, list a tree and download files, from
bytes or from files on disk, and can be told to misbehave. It has no Xet, no search, and uploads
only in `tests.writable_hub`.

    with LoopbackHub() as hub:
        commit = hub.publish("laion/tiny", {"part-00000.parquet": b"..."})
        hub.inject(Status(503), "file", times=2)
        HfApi(endpoint=hub.endpoint, token=False).dataset_info("laion/tiny").sha == commit

By hand: `python -m tests.loopback_hub FOLDER --repo laion/tiny` prints the endpoint and serves
until it is interrupted or terminated.
"""

import argparse
import hashlib
import io
import json
import os
import re
import signal
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from email.message import Message
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode

# "redirect" is a request at the storage address a redirecting hub sends downloads to.
Kind = Literal["revision", "tree", "head", "file", "redirect", "other"]

_DATASET = r"/datasets/(?P<repo>[^/?]+/[^/?]+)"
_API = re.compile(
    f"/api{_DATASET}(/(?P<what>revision|tree)/(?P<revision>[^/?]+)(/(?P<name>[^?]+))?)?(\\?|$)"
)
_RESOLVE = re.compile(
    f"(?P<storage>/storage)?{_DATASET}/resolve/(?P<revision>[^/?]+)/(?P<name>[^?]+)"
)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Status:
    """Answer with an HTTP status instead of the content; see also the named ones below."""

    code: int
    error_code: str = ""  # X-Error-Code, which decides the client's exception class
    message: str = "Injected by the loopback Hub."
    retry_after: int | None = None  # seconds
    rate_limit: str = ""  # the RateLimit header, such as '"api";r=0;t=55'


UNAUTHORIZED = Status(401, message="Invalid credentials in Authorization header")
NO_TOKEN = Status(401, "GatedRepo", "Access to this dataset is restricted. Please log in.")
GATED = Status(403, "GatedRepo", "Access to this dataset is restricted.")
DISABLED = Status(403, message="Access to this resource is disabled.")
NO_REPO = Status(404, "RepoNotFound", "Repository not found")
NO_REVISION = Status(404, "RevisionNotFound", "Invalid rev id")
NO_ENTRY = Status(404, "EntryNotFound", "Entry not found")


@dataclass(frozen=True)
class Stall:
    """Send the headers and this many bytes of the body, or nothing (None), then hang."""

    after_bytes: int | None = None


@dataclass(frozen=True)
class Cut:
    """Close the connection after this many bytes of the body, or before the headers (None).

    With `reset` the peer sees a reset, not an end of stream, and may have lost some of the bytes.
    """

    after_bytes: int | None = None
    reset: bool = False


@dataclass(frozen=True)
class Flip:
    """Invert the byte at this offset of the file."""

    offset: int


@dataclass(frozen=True)
class Truncate:
    """Serve only the first bytes of the file, with the Content-Length to match."""

    to_bytes: int


@dataclass(frozen=True)
class LinkedSize:
    """Announce this size in X-Linked-Size."""

    size_bytes: int


@dataclass(frozen=True)
class Slow:
    """Send the body at this rate."""

    bytes_per_second: float


Fault = Status | Stall | Cut | Flip | Truncate | LinkedSize | Slow


@dataclass(frozen=True)
class Request:
    """One request the hub received. `status` is 0 where a fault sent nothing at all."""

    method: str
    path: str  # as sent, with the query
    repo: str
    kind: Kind
    revision: str
    filename: str
    range: str | None
    user_agent: str
    authorization: str | None
    status: int = 0

    @classmethod
    def of(cls, method: str, path: str, headers: Message) -> Self:
        """Read what a request asks for from its address."""
        kind: Kind = "other"
        if match := _API.match(path):
            kind = "tree" if match["what"] == "tree" else "revision"
        elif match := _RESOLVE.match(path):
            kind = "head" if method == "HEAD" else "redirect" if match["storage"] else "file"
        groups = match.groupdict() if match else {}
        asked = {key: unquote(value or "") for key, value in groups.items()}
        return cls(
            method=method,
            path=path,
            repo=asked.get("repo", ""),
            kind=kind,
            revision=asked.get("revision") or "main",
            filename=asked.get("name", ""),
            range=headers["Range"],
            user_agent=headers["User-Agent"] or "",
            authorization=headers["Authorization"],
        )


@dataclass(frozen=True)
class Blob:
    """A published file: its content, and the identities the Hub gives it."""

    content: bytes | Path
    size: int
    oid: str  # git's: of the content, or of the pointer where the file is in LFS
    sha256: str | None  # None for a plain git blob
    pointer_size: int

    @classmethod
    def of(cls, content: bytes | Path, plain_below_bytes: int) -> Self:
        """Hash `content`; smaller files than the limit are plain git blobs, the others in LFS."""
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        with _opened(content) as file:
            if size < plain_below_bytes:
                return cls(content, size, _git_oid(file.read()), None, 0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        return cls(content, size, _git_oid(pointer.encode()), sha256, len(pointer))


@dataclass
class _Injection:
    fault: Fault
    kinds: Sequence[Kind]
    name: str
    skip: int
    times: int | None


@dataclass(frozen=True)
class _Answer:
    """A response: `content[start:stop]` is its body."""

    status: int
    headers: dict[str, str]
    content: bytes | Path = b""
    start: int = 0
    stop: int = 0


class _Pace:
    """A constant rate that any number of threads share."""

    def __init__(self, bytes_per_second: float) -> None:
        self._rate, self._free_at, self._lock = bytes_per_second, 0.0, threading.Lock()
        self.chunk_bytes = max(1, min(_CHUNK_BYTES, int(bytes_per_second / 50)))

    def delay_seconds(self, count: int) -> float:
        """How long to wait after sending `count` bytes."""
        with self._lock:
            now = time.monotonic()
            self._free_at = max(now, self._free_at) + count / self._rate
            return self._free_at - now


def _opened(content: bytes | Path) -> io.BytesIO | io.BufferedReader:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _json(value: object, headers: Mapping[str, str] = {}, status: int = 200) -> _Answer:
    body = json.dumps(value).encode()
    typed = {"Content-Type": "application/json; charset=utf-8", **headers}
    return _Answer(status, typed, body, 0, len(body))


def _refusal(status: Status, commit: str = "") -> _Answer:
    offered = {
        "X-Error-Code": status.error_code,
        "X-Error-Message": status.message,
        "X-Repo-Commit": commit,
        "Retry-After": "" if status.retry_after is None else str(status.retry_after),
        "RateLimit": status.rate_limit,
    }
    headers = {name: value for name, value in offered.items() if value}
    return _json({"error": status.message}, headers, status.code)


def _info(repo: str, commit: str, tree: Mapping[str, Blob], *, blobs: bool) -> _Answer:
    known = {"id": repo, "author": repo.split("/")[0], "sha": commit, "private": False}
    more = {"gated": False, "disabled": False, "downloads": 0, "likes": 0, "tags": []}
    siblings: list[dict[str, Any]] = [{"rfilename": name} for name in tree]
    for sibling, blob in zip(siblings, tree.values(), strict=True):
        if blobs:
            sibling |= {"size": blob.size, "blobId": blob.oid}
        if blobs and blob.sha256:
            lfs = {"sha256": blob.sha256, "size": blob.size, "pointerSize": blob.pointer_size}
            sibling["lfs"] = lfs
    return _json(known | more | {"siblings": siblings})


def _entries(tree: Mapping[str, Blob], folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    """The listing of a folder ("" for the top), folders too, as the tree endpoint words it."""
    entries: dict[str, dict[str, Any]] = {}
    for name, blob in tree.items():
        for parent in PurePosixPath(name).parents:
            path = str(parent)
            if path not in ("/", ".", ".."):
                oid = _git_oid(path.encode())
                entries[path] = {"type": "directory", "path": path, "size": 0, "oid": oid}
        entry: dict[str, Any] = {"type": "file", "path": name, "size": blob.size}
        entries[name] = entry | {"oid": blob.oid}
        if blob.sha256:
            lfs = {"oid": blob.sha256, "size": blob.size, "pointerSize": blob.pointer_size}
            entries[name]["lfs"] = lfs
    start = f"{folder}/" if folder else ""
    return [
        entry
        for path, entry in entries.items()
        if path.startswith(start) and (recursive or "/" not in path.removeprefix(start))
    ]


def _altered(answer: _Answer, request: Request, fault: Fault | None) -> _Answer:
    """The answer as a fault changes it, then the part of it that was asked for."""
    if isinstance(fault, LinkedSize):
        answer.headers["X-Linked-Size"] = str(fault.size_bytes)
    elif isinstance(fault, Truncate):
        answer = replace(answer, stop=min(answer.stop, fault.to_bytes))
    if request.range and answer.status == 200 and request.kind in ("file", "redirect"):
        answer = _ranged(answer, request.range)
    return answer


def _ranged(answer: _Answer, wanted: str) -> _Answer:
    """The part of a whole file that a Range header asks for; all of it if it is not one range."""
    match, size = _RANGE.fullmatch(wanted), answer.stop
    if match is None or not any(match.groups()):
        return answer
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        return _Answer(416, {"Content-Range": f"bytes */{size}"})
    headers = answer.headers | {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    return _Answer(206, headers, answer.content, start, stop)


class LoopbackHub:
    """A Hub on a free port of 127.0.0.1, serving from construction to `close()`.

    `page_size` is the number of entries in a page of a tree listing. With `redirects`, LFS files
    are served from another origin (localhost), as the real Hub's storage is. `bytes_per_second`
    limits the bodies of all connections together; `latency_seconds` delays every answer.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        page_size: int = 1000,
        redirects: bool = False,
        bytes_per_second: float | None = None,
        latency_seconds: float = 0.0,
    ) -> None:
        self.page_size, self.redirects, self.latency_seconds = page_size, redirects, latency_seconds
        self._pace = None if bytes_per_second is None else _Pace(bytes_per_second)
        self._closing = threading.Event()
        self._lock = threading.RLock()
        self._refs: dict[str, dict[str, str]] = {}  # the commit of each branch of each repo
        self._trees: dict[tuple[str, str], dict[str, Blob]] = {}  # of each repo and commit
        self._gates: dict[str, str] = {}
        self._injections: list[_Injection] = []
        self._requests: list[Request] = []
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._server = _Server(("127.0.0.1", port), self)
        self.port = self._server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.005,), daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving, drop every connection, stalled ones too, and wait for the threads."""
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        with self._lock:
            connections = dict(self._connections)
        for thread, connection in connections.items():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()

    def publish(
        self,
        repo: str,
        files: Mapping[str, bytes | Path],
        *,
        branch: str = "main",
        plain_below_bytes: int = 0,
    ) -> str:
        """Commit `files` as the whole tree of `branch` and return the commit, 40 hex digits.

        Earlier commits stay. Names are taken as they are, hostile ones too. Files smaller than
        `plain_below_bytes` are plain git blobs, which a listing gives no sha256 for.
        """
        tree = {name: Blob.of(files[name], plain_below_bytes) for name in sorted(files)}
        with self._lock:
            refs = self._refs.setdefault(repo, {})
            parent = refs.get(branch, "")
            identity = [repo, branch, parent, [[name, blob.oid] for name, blob in tree.items()]]
            commit = hashlib.sha1(json.dumps(identity).encode()).hexdigest()
            self._trees[repo, commit] = tree
            refs[branch] = commit
        return commit

    def gate(self, repo: str, token: str) -> None:
        """Ask for `token` from now on: none is a 401, another a 403."""
        with self._lock:
            self._gates[repo] = f"Bearer {token}"

    def inject(
        self, fault: Fault, *kinds: Kind, name: str = "*", skip: int = 0, times: int | None = None
    ) -> None:
        """Apply `fault` to requests of `kinds` (none given: all) whose file name matches `name`.

        `name` is a glob. The first `skip` matching requests are spared, the next `times` are
        hit; None is for ever. A request meets the first injection that hits it and no other.
        """
        with self._lock:
            self._injections.append(_Injection(fault, kinds, name, skip, times))

    def lift(self) -> None:
        """Remove every injected fault; a connection that already hangs goes on hanging."""
        with self._lock:
            self._injections.clear()

    @property
    def requests(self) -> list[Request]:
        """What was asked so far, in order, logged before it was answered."""
        with self._lock:
            return list(self._requests)

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self._requests.clear()

    def file_gets(self) -> Counter[str]:
        """How many times each file's content was asked for, refusals and resumptions included."""
        gets = (r for r in self.requests if r.kind in ("file", "redirect") and r.status != 302)
        return Counter(request.filename for request in gets)

    def _fault_for(self, request: Request) -> Fault | None:
        with self._lock:
            for injection in self._injections:
                if injection.kinds and request.kind not in injection.kinds:
                    continue
                if not fnmatchcase(request.filename, injection.name) or injection.times == 0:
                    continue
                if injection.skip:
                    injection.skip -= 1
                    continue
                if injection.times is not None:
                    injection.times -= 1
                return injection.fault
        return None

    def _answer(self, request: Request) -> _Answer:
        repo, kind = request.repo, request.kind
        with self._lock:
            refs, gate = self._refs.get(repo), self._gates.get(repo)
            commit = (refs or {}).get(request.revision, request.revision)
            tree = self._trees.get((repo, commit))
        if refs is None:
            return _refusal(NO_REPO)
        if gate and request.authorization != gate and kind != "redirect":
            return _refusal(GATED if request.authorization else NO_TOKEN)
        if tree is None:
            return _refusal(NO_REVISION)
        if kind == "revision":
            return _info(repo, commit, tree, blobs="blobs=true" in request.path)
        if kind == "tree":
            return self._tree_page(request, tree)
        if blob := tree.get(request.filename):
            return self._file(request, commit, blob)
        return _refusal(NO_ENTRY, commit)

    def _answer_to(self, request: Request, body: bytes) -> _Answer:
        """The answer to what somebody sends; see `tests.writable_hub`."""
        del request, body
        return _refusal(Status(405, message="This Hub is only read"))

    def _tree_page(self, request: Request, tree: Mapping[str, Blob]) -> _Answer:
        path, _, query = request.path.partition("?")
        asked = dict(parse_qsl(query))
        start = int(asked.get("cursor", 0))
        stop = start + self.page_size
        entries = _entries(tree, request.filename, recursive=asked.get("recursive") == "true")
        following = f"{self.endpoint}{path}?{urlencode(asked | {'cursor': str(stop)})}"
        headers = {"Link": f'<{following}>; rel="next"'} if stop < len(entries) else {}
        return _json(entries[start:stop], headers)

    def _file(self, request: Request, commit: str, blob: Blob) -> _Answer:
        headers = {"Accept-Ranges": "bytes", "X-Repo-Commit": commit, "ETag": f'"{blob.oid}"'}
        if blob.sha256:
            headers["ETag"] = headers["X-Linked-ETag"] = f'"{blob.sha256}"'
            headers["X-Linked-Size"] = str(blob.size)
        if blob.sha256 and self.redirects and not request.path.startswith("/storage"):
            path = f"/datasets/{request.repo}/resolve/{commit}/{quote(request.filename)}"
            headers["Location"] = f"http://localhost:{self.port}/storage{path}"
            return _Answer(302, headers)
        headers["Content-Type"] = "application/octet-stream"
        return _Answer(200, headers, blob.content, 0, blob.size)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], hub: LoopbackHub) -> None:
        self.hub = hub
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    """One connection, kept alive between requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        hub = self.server.hub
        with hub._lock:
            hub._connections[threading.current_thread()] = self.connection
        if hub._closing.is_set():
            self.connection.shutdown(socket.SHUT_RDWR)

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client gave up, or the hub is closing
            super().handle()

    def finish(self) -> None:
        with self.server.hub._lock:
            del self.server.hub._connections[threading.current_thread()]
        super().finish()

    def log_message(self, template: str, *args: object) -> None:
        """Keep quiet: `LoopbackHub.requests` is the log."""

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers["Content-Length"] or 0)))

    def _serve(self, body: bytes | None = None) -> None:
        hub = self.server.hub
        request = Request.of(self.command, self.path, self.headers)
        fault = hub._fault_for(request)
        if isinstance(fault, Status):
            answer = _refusal(fault)
        else:
            answer = hub._answer(request) if body is None else hub._answer_to(request, body)
        answer = _altered(answer, request, fault)
        mute = isinstance(fault, Stall | Cut) and fault.after_bytes is None
        with hub._lock:
            if self.path != "/api/agent-harnesses":  # what the client asks about itself once a day
                hub._requests.append(replace(request, status=0 if mute else answer.status))
        hub._closing.wait(hub.latency_seconds)
        if not mute:
            self._send_head(answer)
        if not mute and self.command != "HEAD":
            self._send_body(answer, fault)
        if isinstance(fault, Stall | Cut):
            self._break_off(fault)

    def _break_off(self, fault: Stall | Cut) -> None:
        self.close_connection = True
        if isinstance(fault, Stall):
            self.connection.recv(1)  # returns when the client gives up or the hub closes
        elif fault.reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(self.connection.detach())

    def _send_head(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(answer.stop - answer.start))
        self.end_headers()

    def _send_body(self, answer: _Answer, fault: Fault | None) -> None:
        hub, at, stop = self.server.hub, answer.start, answer.stop
        if isinstance(fault, Stall | Cut):
            stop = min(stop, at + (fault.after_bytes or 0))
        flip = fault.offset if isinstance(fault, Flip) else -1
        paces = [hub._pace] if hub._pace else []
        if isinstance(fault, Slow):
            paces.append(_Pace(fault.bytes_per_second))
        with _opened(answer.content) as file:
            if flip < 0 and not paces and at < stop and isinstance(answer.content, Path):
                self.connection.sendfile(file, at, stop - at)
                return
            file.seek(at)
            while at < stop:
                size = min([stop - at, _CHUNK_BYTES, *(pace.chunk_bytes for pace in paces)])
                chunk = bytearray(file.read(size))
                if at <= flip < at + size:
                    chunk[flip - at] ^= 0xFF
                self.connection.sendall(chunk)
                at += size
                for pace in paces:
                    hub._closing.wait(pace.delay_seconds(size))


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.loopback_hub", description=__doc__)
    parser.add_argument("folder", type=Path, help="its *.parquet files are published")
    parser.add_argument("--repo", required=True, help="namespace/name")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bytes-per-second", type=float, help="limit of all bodies together")
    parser.add_argument("--latency-seconds", type=float, default=0.0, help="before every answer")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    limits = {"bytes_per_second": asked.bytes_per_second, "latency_seconds": asked.latency_seconds}
    with suppress(KeyboardInterrupt), LoopbackHub(port=asked.port, **limits) as hub:
        hub.publish(asked.repo, {path.name: path for path in asked.folder.glob("*.parquet")})
        sys.stdout.write(f"{hub.endpoint}\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    _main()
