"""The command line: `python -m assets` materializes everything; `... ui` and `... status`.

Exit status: 0; 1 when the run failed or a check of severity error did; 2 when a setting is wrong.
"""

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Sequence

from assets.advice import told
from assets.automation import require_valid_schedule
from assets.home import meaning_of, prepare_home
from assets.interrupts import leave_to_others, received
from assets.resources import load_environment
from assets.unforeseen import report_of
from laion_pipeline.alerts import require_valid
from laion_pipeline.common import progress
from laion_pipeline.errors import LaionError
from laion_pipeline.session import Session


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
    session = None
    try:
        session = Session.open()
        session.open_source()
        if command == "status":
            return _tell_status(session, as_json=asked.json)
        require_valid_schedule(session.settings)
        require_valid(session.settings.alert_url)
        _tell_of_shared_history(session)
        prepare_home(session)
        return _serve(session) if command == "ui" else _run(session)
    except LaionError as error:
        print(f"error: {told(error)}", file=sys.stderr)
        return error.exit_status
    except Exception as error:
        if isinstance(error, BrokenPipeError) or received():
            raise
        folder = session.paths.root if session else None
        line = meaning_of(error, session) or report_of(error, folder)
        print(f"error: {line}", file=sys.stderr)
        return 1


def _tell_status(session: Session, *, as_json: bool) -> int:
    from assets.status import tell_status

    text, exit_status = tell_status(session, as_json=as_json)
    print(text, flush=True)
    return exit_status


def _tell_of_shared_history(session: Session) -> None:
    """Versions before kept one history for all releases; it is told of once a release."""
    shared = session.settings.data_dir / "dagster"
    if shared.is_dir() and not session.paths.dagster.exists():
        print(
            f"note: each release has a history of its own now, this one in {session.paths.dagster};"
            f" the runs of before stay in {shared}, which may be deleted",
            file=sys.stderr,
        )


def _serve(session: Session) -> int:
    from assets.ui.serve import serve

    leave_to_others()
    return serve(session)


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
