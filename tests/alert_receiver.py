"""A service that alerts are sent to: keeps what it gets, and refuses when told to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

PASSWORD = "s3cret-of-the-receiver"


@dataclass
class Receiver:
    """What was received, oldest first; `status` is what it answers."""

    port: int = 0
    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)
    attempts: int = 0

    @property
    def address(self) -> str:
        return f"json://somebody:{PASSWORD}@127.0.0.1:{self.port}/alerts"

    @property
    def bodies(self) -> list[str]:
        return [str(message["message"]) for message in self.messages]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver for as long as the block runs."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.attempts += 1
            if receiver.status == 200:
                receiver.messages.append(json.loads(body))
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_port
        Thread(target=server.serve_forever, daemon=True).start()
        yield receiver
        server.shutdown()
