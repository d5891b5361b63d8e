"""The processes of the UI: the web server here, Dagster's daemon and the code location beside."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import uvicorn
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.log import configure_loggers
from dagster_webserver.app import create_app_from_workspace_process_context

from assets.home import PROJECT, open_instance
from assets.ui.links import address
from assets.ui.web import web_app
from laion_pipeline.common.files import publish_text
from laion_pipeline.common.serving import listening
from laion_pipeline.errors import LaionError
from laion_pipeline.session import Session

PROGRAM = "python -m assets ui"
# How often an open page asks for what is new.
_POLL_MILLISECONDS = 2000
_SECONDS_TO_STOP = 30


def serve(session: Session) -> int:
    """Serve until interrupted; return 0.

    Raises SettingsError when the port is taken, LaionError when the daemon ends.
    """
    port = session.settings.port
    with listening(port, f"LAION_PORT={port}") as listener:
        configure_loggers(formatter="colored", log_level="INFO")
        for end in (signal.SIGINT, signal.SIGTERM):  # so that either stops what is started below
            signal.signal(end, signal.default_int_handler)
        try:
            workspace = prepare(session)
            with (
                open_instance(session, PROGRAM) as instance,
                _code_server(session, instance, workspace) as running,
                _daemon(running) as daemon,
                _workspace(instance, running) as context,
            ):
                _serve_web(session, context, daemon, listener)
        except KeyboardInterrupt:
            return 0
    raise LaionError("Dagster's daemon ended; what it says above tells why")


def prepare(session: Session) -> Path:
    """Let all of Dagster's processes mean the same folders; the file of the code location."""
    for name in ("data_dir", "source", "contract", "terms", "cleaned"):
        if (folder_or_file := getattr(session.settings, name)) is not None:
            os.environ[f"LAION_{name.upper()}"] = str(folder_or_file)
    if (release := session.settings.release).endswith(".toml"):
        os.environ["LAION_RELEASE"] = str(Path(release).absolute())
    os.environ["DAGSTER_IS_DEV_CLI"] = "1"  # as Dagster's own command for development says
    # Dagster warns of a dagster.yaml in the working directory that it does not use.
    os.chdir(session.paths.dagster)
    location = {
        "relative_path": str(PROJECT / "assets" / "definitions.py"),
        "working_directory": str(PROJECT),
        "location_name": session.release.name,  # so that the UI says which one it shows
    }
    return _write_workspace(session, "workspace.yaml", [{"python_file": location}])


def _workspace(instance: dg.DagsterInstance, running: Path) -> WorkspaceProcessContext:
    return WorkspaceProcessContext(
        instance, WorkspaceFileTarget([str(running)]), version=dg.__version__
    )


def _serve_web(
    session: Session,
    context: WorkspaceProcessContext,
    daemon: "subprocess.Popen[bytes]",
    listener: socket.socket,
) -> None:
    """Serve until interrupted, or until the daemon ends."""
    dagster = create_app_from_workspace_process_context(
        context, live_data_poll_rate=_POLL_MILLISECONDS
    )
    server = uvicorn.Server(
        uvicorn.Config(
            web_app(dagster, session.paths), log_level="warning", timeout_graceful_shutdown=2
        )
    )

    def stop_with_daemon() -> None:
        daemon.wait()
        server.should_exit = True

    threading.Thread(target=stop_with_daemon, daemon=True).start()
    page = f"{address(session.settings)}/asset-groups"
    print(
        f"{session.release.name}: {page} has the button 'Materialize all'",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    server.run(sockets=[listener])


@contextmanager
def _code_server(session: Session, instance: dg.DagsterInstance, workspace: Path) -> Iterator[Path]:
    """One process with the code for all that need it; the file that says where it answers."""
    target = WorkspaceFileTarget([str(workspace)])
    with ProxyServerManager(instance, target, "warning") as server:
        yield _write_workspace(session, "code_server.yaml", server.get_code_server_specs())


def _write_workspace(session: Session, name: str, locations: Sequence[object]) -> Path:
    file = session.paths.dagster / name
    # JSON, which is YAML too, and knows how to quote any path.
    publish_text(file, json.dumps({"load_from": locations}, indent=1))
    return file


@contextmanager
def _daemon(workspace: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Dagster's daemon, which runs schedules, sensors and the queue, for as long as the block."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "--workspace", str(workspace)]
    process = subprocess.Popen(command)  # noqa: S603 - our own command
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
