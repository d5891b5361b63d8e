"""Serving pages to this machine's user, and to nobody else.

A page of another site can have its user's browser ask for anything here: names that lead here by a
stranger's DNS and requests from other pages are refused.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from laion_pipeline.errors import SettingsError
from laion_pipeline.text import displayable

HOST = "127.0.0.1"
# What a page or file has beside its policy on what it may load.
PAGE_HEADERS: Mapping[str, str] = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


@contextmanager
def listening(port: int, setting: str) -> Iterator[socket.socket]:
    """A socket on this machine's own address, for as long as the block runs.

    Raises SettingsError naming the `setting` when the port is taken.
    """
    with socket.socket() as listener:
        # Connections that linger from before do not matter.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(2048)
        except OSError as error:
            raise SettingsError(
                f"{setting}: {HOST}:{port} cannot be served on: {error.strerror}; stop what"
                f" serves there, or set {setting.partition('=')[0]} to another port"
            ) from error
        yield listener


class OwnPagesOnly:
    """Refuses what a page of another site has a browser ask for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse to."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if refusal := _foreign(HTTPConnection(scope)):
            await PlainTextResponse(f"refused: {refusal}\n", 403)(scope, receive, send)
            return

        async def send_unframed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Frame-Options"] = "DENY"
            await send(message)

        await self._app(scope, receive, send_unframed)


# A name that leads here by a stranger's DNS is none of these.
GUARDS = (
    Middleware(TrustedHostMiddleware, allowed_hosts=(HOST, "localhost"), www_redirect=False),
    Middleware(OwnPagesOnly),
)


def _foreign(connection: HTTPConnection) -> str:
    """Why a request is no page's of ours; '' where it is, or is a program's, or follows a link."""
    headers = connection.headers
    origin = headers.get("origin")
    if origin is not None:
        host = headers["host"]
        own = origin.casefold() in {f"http://{host}".casefold(), f"https://{host}".casefold()}
        return "" if own else f"a page of {displayable(origin)} asks, which is not of this UI"
    site = headers.get("sec-fetch-site", "none")
    if site in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate":
        return "a page of another site asks"
    return ""
