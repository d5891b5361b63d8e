"""Servers of images on this machine, which names and addresses of the Internet lead to."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import httpcore2
from PIL import Image

from laion_pipeline.images.requests import Network

PUBLIC = "93.184.215.14"
Answer = Callable[[socket.socket], None]


def image(kind: str = "PNG", size: tuple[int, int] = (640, 480), **options: Any) -> bytes:
    written = BytesIO()
    Image.new("RGB", size, "teal").save(written, kind, **options)
    return written.getvalue()


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> Answer:
    """An answer with headers, whose names have _ for -."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}", "", ""])
    return lambda connection: connection.sendall(head.encode("latin-1") + body)


def redirect(to: str, status: str = "302 Found") -> Answer:
    return answer(status=status, Location=to)


@dataclass
class Servers:
    """One server for all names; keeps what it was asked, and how many it answered at once."""

    port: int
    answers: Mapping[str, Answer]
    asked: list[str] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    most_at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def network(
        self,
        addresses: Mapping[str, Sequence[str]] | None = None,
        certificates: Callable[[], ssl.SSLContext] = httpcore2.default_ssl_context,
        most_seconds: float = 5,
    ) -> Network:
        """Every name leads here by a public address, but for those that `addresses` tells of."""

        def resolve(host: str) -> Sequence[str]:
            self.looked_up.append(host)
            return (addresses or {}).get(host, [PUBLIC])

        return Network(resolve, _ToLoopback(self), most_seconds, certificates)

    def serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:  # whoever asked may have gone
            self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            if not (part := connection.recv(65536)):
                return
            asked += part
            if asked.startswith(b"\x16"):  # a greeting of TLS, which this server does not speak
                return
        path = asked.split(b" ")[1].decode()
        self.asked.append(path)
        self.requests.append(asked)
        # Before anything is answered, so that whoever asks one thing at a time is not seen twice.
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        time.sleep(0.005)
        with self._lock:
            self._now -= 1
        host = asked.partition(b"\r\nHost: ")[2].partition(b"\r\n")[0].decode()
        every = self.answers.get(path, answer(status="404 Not Found"))
        self.answers.get(f"{host}{path}", every)(connection)


class _ToLoopback(httpcore2.SyncBackend):
    """Connects to the server, whatever the address; notes which it was."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        self._servers.connected.append((host, port))
        return super().connect_tcp("127.0.0.1", self._servers.port, timeout, None, socket_options)


@contextmanager
def serving(answers: Mapping[str, Answer], tls: ssl.SSLContext | None = None) -> Iterator[Servers]:
    """A server that answers each path in its way, or a path of a host, and any other with 404."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        servers = Servers(listener.getsockname()[1], answers)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=secured, args=[connection], daemon=True).start()

        def secured(connection: socket.socket) -> None:
            if tls is None:
                servers.serve(connection)
                return
            try:
                wrapped = tls.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
            else:
                servers.serve(wrapped)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield servers
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
