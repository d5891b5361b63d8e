"""Requests to strangers' servers: to public addresses only, within limits, none twice at once.

A name is looked up once a request, every address it has is checked, and the connection goes to
what was checked. Each redirect is a request of its own.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

import httpcore2
import httpx2

from laion_pipeline.common.background import in_background
from laion_pipeline.images.addresses import is_public
from laion_pipeline.images.consent import USER_AGENT, refusal
from laion_pipeline.images.failures import NoImageError

MOST_BYTES = 10_000_000
MOST_SECONDS = 15.0  # for a request from its look-up to its last byte
MOST_REDIRECTS = 4
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OK = 200
_HEADERS = [
    (b"User-Agent", USER_AGENT.encode()),
    (b"Accept-Encoding", b"identity"),
    (b"Connection", b"close"),
]


def look_up(host: str) -> Sequence[str]:
    """The addresses that a host's name has."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class Network:
    """The way to strangers' servers: how names are looked up, and how addresses are connected to.

    `certificates` says which servers are who they say.
    """

    resolve: Callable[[str], Sequence[str]] = look_up
    dial: httpcore2.NetworkBackend = field(default_factory=httpcore2.SyncBackend)
    most_seconds: float = MOST_SECONDS
    certificates: Callable[[], ssl.SSLContext] = httpcore2.default_ssl_context
    _turns: dict[str, Lock] = field(default_factory=dict, repr=False)

    def turn_at(self, host: str) -> Lock:
        """To be held while a host is asked, so that it is asked one thing at a time."""
        return self._turns.setdefault(host, Lock())

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """The one context for all connections, since it takes long to make."""
        return self.certificates()


def fetch(url: str, network: Network) -> bytes:
    """The image at an address, redirects followed.

    Raises NoImageError where there is nothing, it may not be asked for, or it is too much.
    """
    return _followed(url, network, of_image=True)


def fetch_text(url: str, network: Network) -> str:
    """The text at an address, redirects followed, whatever it says of its own use.

    Raises NoImageError as `fetch` does.
    """
    return _followed(url, network, of_image=False).decode("utf-8-sig", "replace")


def _followed(url: str, network: Network, *, of_image: bool) -> bytes:
    target = _parsed(url)
    for _ in range(MOST_REDIRECTS + 1):
        _require_web(target)
        with network.turn_at(target.host):
            answer = _ask(target, network, of_image=of_image)
        if isinstance(answer, bytes):
            return answer
        target = _parsed(answer, target)
    raise NoImageError("dead", "redirects without an end")


def _parsed(url: str, base: httpx2.URL | None = None) -> httpx2.URL:
    try:
        return base.join(url) if base else httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError, TypeError) as error:
        raise NoImageError("dead", f"no address: {error}") from error


def _require_web(url: httpx2.URL) -> None:
    if url.scheme not in _PORTS:
        raise NoImageError("refused", f"{url.scheme or 'no scheme'} is neither http nor https")
    if url.port not in (None, *_PORTS.values()):
        raise NoImageError("refused", f"port {url.port} is neither 80 nor 443")
    if not url.host:
        raise NoImageError("dead", "no address: it names no host")


def _ask(url: httpx2.URL, network: Network, *, of_image: bool) -> bytes | str:
    """What a server answers: a body, or the address that it redirects to."""
    deadline = time.monotonic() + network.most_seconds
    place = httpcore2.URL(
        scheme=url.raw_scheme,
        host=url.raw_host,
        port=url.port or _PORTS[url.scheme],
        target=url.raw_path,
    )
    try:
        with (
            httpcore2.ConnectionPool(
                network.tls if url.scheme == "https" else None,
                max_connections=1,
                network_backend=_Guarded(network, deadline),
            ) as pool,
            pool.stream(
                "GET",
                place,
                headers=[
                    (b"Host", url.netloc),
                    (b"Accept", b"image/*" if of_image else b"*/*"),
                    *_HEADERS,
                ],
                extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), 5.0)},
            ) as response,
        ):
            return _answer(response, of_image=of_image)
    except httpcore2.TimeoutException as error:
        raise NoImageError("dead", "no answer in time") from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError, UnicodeError) as error:
        raise NoImageError("dead", _words(error)) from error


def _answer(response: httpcore2.Response, *, of_image: bool) -> bytes | str:
    headers = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers
    ]
    said = {name.casefold(): value for name, value in headers}
    if of_image and (against := refusal(headers)):
        raise NoImageError("opted out", against)
    if response.status in _REDIRECTS and "location" in said:
        return said["location"]
    if response.status != _OK:
        raise NoImageError("dead", f"HTTP {response.status}", response.status)
    if (packed := said.get("content-encoding", "identity").casefold()) != "identity":
        raise NoImageError("unusable", f"packed as {packed}, which was not asked for")
    body = bytearray()
    for part in response.iter_stream():
        body += part
        if len(body) > MOST_BYTES:
            raise NoImageError("unusable", f"more than {MOST_BYTES // 1_000_000} MB")
    return bytes(body)


def _words(error: Exception) -> str:
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    if isinstance(cause, ssl.SSLError):
        return f"no safe connection: {getattr(cause, 'verify_message', '') or cause.reason}"
    if isinstance(cause, socket.gaierror):
        return "its host is not known"
    return str(cause) or type(cause).__name__


class _Guarded(httpcore2.NetworkBackend):
    """Connects to what it has checked, until the time is over."""

    def __init__(self, network: Network, deadline: float) -> None:
        self._network = network
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        # Looking up has no limit of its own.
        looking = in_background(lambda: self._network.resolve(host))
        try:
            addresses = looking.result(_left(self._deadline, None))
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout("its host was not found in time") from error
        for address in addresses:
            if not is_public(address):
                raise NoImageError("refused", f"its host is at {address}, which is not public")
        failed: Exception = httpcore2.ConnectError("its host has no address")
        for address in addresses:
            try:
                stream = self._network.dial.connect_tcp(
                    address, port, _left(self._deadline, timeout), local_address, socket_options
                )
            except (httpcore2.NetworkError, httpcore2.TimeoutException) as error:
                failed = error
            else:
                return _Timed(stream, self._deadline)
        raise failed


class _Timed(httpcore2.NetworkStream):
    """A connection whose every wait ends when its time is over, however little comes at a time."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(self._deadline, timeout)
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float, timeout: float | None) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the time is over")
    return left if timeout is None else min(left, timeout)
