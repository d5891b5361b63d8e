"""Serving the page by itself, until it is interrupted."""

import signal
import sys
from pathlib import Path

import uvicorn

from laion_pipeline.common.serving import HOST, listening
from laion_pipeline.explore.page import explore_app


def serve(place: Path, port: int) -> None:
    """Serve the page that searches the index in the folder `place` on this machine's own address.

    Raises SettingsError when the port is taken.
    """
    with listening(port, f"--port={port}") as listener:
        server = uvicorn.Server(
            uvicorn.Config(explore_app(place), log_level="warning", timeout_graceful_shutdown=2)
        )
        print(f"http://{HOST}:{port}", file=sys.stderr, flush=True)
        for end in (signal.SIGINT, signal.SIGTERM):
            signal.signal(end, signal.default_int_handler)
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:  # which uvicorn hands on when it has ended
            return
