"""The command line: `python -m assets` materializes everything; `... ui` and `... status`.

Exit status: 0; 1 when the run failed or a check of severity error did; 2 when a setting is wrong.
"""

import argparse
import json
import logging
import os
import socket
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from assets.automation import require_valid_schedule
from assets.resources import PROJECT, load_environment
from laion_pipeline import progress
from laion_pipeline.errors import LaionError, SettingsError
from laion_pipeline.files import publish_text
from laion_pipeline.session import Session
from laion_pipeline.sources import open_source

HOST = "127.0.0.1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m assets", description=__doc__.split("\n")[0])
    parser.add_argument(
        "command",
        nargs="?",
        choices=("run", "ui", "status"),
        default="run",
        help="run (the default) materializes every asset; ui serves Dagster on LAION_PORT; status"
        " tells what is loaded, what is new at the source, and what checks found",
    )
    parser.add_argument("--json", action="store_true", help="status for programs")
    asked = parser.parse_args(arguments)
    command = asked.command
    load_environment()
    try:
        session = Session.open()
        open_source(session.settings, session.release)
        if command == "status":
            return _tell_status(session, as_json=asked.json)
        require_valid_schedule(session.settings)
        _prepare_dagster_home(session)
        if command == "ui":
            _serve(session)
        return _run(session)
    except LaionError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status


def _tell_status(session: Session, *, as_json: bool) -> int:
    from assets.status import tell_status

    text, exit_status = tell_status(session, as_json=as_json)
    print(text, flush=True)
    return exit_status


def _prepare_dagster_home(session: Session) -> None:
    """Make Dagster keep all it stores in the release's folder, configured by `dagster.yaml`."""
    home = session.paths.dagster
    _tell_of_shared_history(session)
    try:
        home.mkdir(parents=True, exist_ok=True)
        publish_text(home / "dagster.yaml", (PROJECT / "dagster.yaml").read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            f"LAION_DATA_DIR: {home} cannot be written: {error.strerror}"
        ) from error
    os.environ["DAGSTER_HOME"] = str(home)


def _tell_of_shared_history(session: Session) -> None:
    """Versions before kept one history for all releases; it is told of once a release."""
    shared = session.settings.data_dir / "dagster"
    if shared.is_dir() and not session.paths.dagster.exists():
        print(
            f"note: each release has a history of its own now, this one in {session.paths.dagster};"
            f" the runs of before stay in {shared}, which may be deleted",
            file=sys.stderr,
        )


def _serve(session: Session) -> None:
    """Become Dagster's web server; all of its processes take the settings from the environment.

    Raises SettingsError when the port is taken.
    """
    settings = session.settings
    _require_free(settings.port)
    os.environ["LAION_DATA_DIR"] = str(settings.data_dir)
    if settings.source is not None:
        os.environ["LAION_SOURCE"] = str(settings.source)
    if settings.contract is not None:
        os.environ["LAION_CONTRACT"] = str(settings.contract)
    if settings.release.endswith(".toml"):
        os.environ["LAION_RELEASE"] = str(Path(settings.release).absolute())
    address = ["--host", HOST, "--port", str(settings.port)]
    workspace = ["--workspace", str(_write_workspace(session))]
    print(f"{session.release.name}: http://{HOST}:{settings.port}", file=sys.stderr, flush=True)
    # From its home: Dagster warns of a dagster.yaml in the working directory that it does not use.
    os.chdir(os.environ["DAGSTER_HOME"])
    os.execv(  # noqa: S606 - no shell
        sys.executable, [sys.executable, "-m", "dagster", "dev", *workspace, *address]
    )


def _write_workspace(session: Session) -> Path:
    """The code location under the release's name, so that the UI says which one it shows."""
    location = {
        "relative_path": str(PROJECT / "assets" / "definitions.py"),
        "working_directory": str(PROJECT),
        "location_name": session.release.name,
    }
    file = session.paths.dagster / "workspace.yaml"
    # JSON, which is YAML too, and knows how to quote any path.
    publish_text(file, json.dumps({"load_from": [{"python_file": location}]}, indent=1))
    return file


def _require_free(port: int) -> None:
    with socket.socket() as listener:
        # As the server does it: connections that linger from before do not matter.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen()
        except OSError as error:
            raise SettingsError(
                f"LAION_PORT={port}: {HOST}:{port} cannot be served on: {error.strerror}; stop what"
                " serves there, or set LAION_PORT to another port"
            ) from error


def _run(session: Session) -> int:
    _log_to_terminal()
    from assets.run import materialize_everything

    summary = materialize_everything(session)
    print(summary.text, file=sys.stderr if summary.exit_status else sys.stdout)
    return summary.exit_status


def _log_to_terminal() -> None:
    """Show what the library says it does; other libraries only when something is wrong."""
    warnings.simplefilter("ignore")
    # A copy, since Dagster diverts standard error itself while a step runs.
    stream = os.fdopen(os.dup(sys.stderr.fileno()), "w")
    progress.terminal.set(stream)
    library = logging.getLogger("laion_pipeline")
    library.addHandler(progress.TerminalHandler(stream))
    library.setLevel(logging.INFO)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # whoever read has stopped, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
