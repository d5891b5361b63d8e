"""Why a download failed, by what the downloader says, and whether it may succeed later."""

import re
from dataclasses import dataclass
from typing import Literal

Cause = Literal[
    "dns",
    "timeout",
    "http",
    "connection",
    "tls",
    "opted out",
    "address",
    "no image",
    "hash",
    "other",
]
# What may have passed by the next attempt, as SQL over `downloads`.
PASSING = "(cause IN ('dns', 'timeout') OR http_code = 429 OR http_code BETWEEN 500 AND 599)"

_HTTP = re.compile(r"HTTP Error (?P<code>\d{3})\b")
_REQUEST_TIMEOUT = 408
# The messages are those of Python's urllib, as img2dataset passes them on; the first that fits.
_SAID: tuple[tuple[Cause, re.Pattern[str]], ...] = (
    ("opted out", re.compile(r"disallowed by X-Robots-Tag")),
    (
        "dns",
        re.compile(
            r"Name or service not known|name resolution|No address associated|getaddrinfo failed"
            r"|nodename nor servname|Errno -[235]\b|Errno 11001\b"
        ),
    ),
    ("timeout", re.compile(r"timed out|timeout", re.IGNORECASE)),
    ("tls", re.compile(r"\bSSL\b|_ssl\.c|certificate", re.IGNORECASE)),
    ("hash", re.compile(r"hash mismatch")),
    (
        "connection",
        re.compile(
            r"Connection |Remote end closed|IncompleteRead|No route to host|unreachable"
            r"|Broken pipe|BadStatusLine|Errno (?:32|101|10[34]|111|113)\b"
        ),
    ),
    (
        "address",
        re.compile(r"unknown url type|no host given|URL can't|codec can't|nonnumeric port|label"),
    ),
)


@dataclass(frozen=True)
class Failure:
    """The cause of a failure, and the code of HTTP where a server answered with one."""

    cause: Cause
    http_code: int | None = None


def failure_of(status: str, message: str | None) -> Failure:
    """What a result means that is no success: `status` and `message` are img2dataset's."""
    if status == "failed_to_resize":
        return Failure("no image")
    said = message or ""
    if answered := _HTTP.match(said):
        code = int(answered["code"])
        return Failure("timeout" if code == _REQUEST_TIMEOUT else "http", code)
    return Failure(next((cause for cause, pattern in _SAID if pattern.search(said)), "other"))
