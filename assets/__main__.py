"""The command line: `python -m assets` materializes everything, `... ui` serves Dagster.

Exit status: 0; 1 when the run failed or a check of severity error did; 2 when a setting is wrong.
"""

import argparse
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from assets.resources import PROJECT, load_environment
from laion_pipeline import progress
from laion_pipeline.errors import LaionError, SettingsError
from laion_pipeline.session import Session
from laion_pipeline.sources import open_source


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m assets", description=__doc__.split("\n")[0])
    parser.add_argument(
        "command",
        nargs="?",
        choices=("run", "ui"),
        default="run",
        help="run (the default) materializes every asset; ui serves Dagster on 127.0.0.1:3000",
    )
    command = parser.parse_args(arguments).command
    load_environment()
    try:
        session = Session.open()
        open_source(session.settings, session.release)
        _prepare_dagster_home(session)
    except LaionError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    if command == "ui":
        _serve(session)
    return _run(session)


def _prepare_dagster_home(session: Session) -> None:
    """Make Dagster keep all it stores below the data folder, configured by `dagster.yaml`."""
    home = session.settings.dagster_home
    try:
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / "dagster.yaml", home / "dagster.yaml")
    except OSError as error:
        raise SettingsError(
            f"LAION_DATA_DIR: {home} cannot be written: {error.strerror}"
        ) from error
    os.environ["DAGSTER_HOME"] = str(home)


def _serve(session: Session) -> None:
    settings = session.settings
    os.environ["LAION_DATA_DIR"] = str(settings.data_dir)
    if settings.source is not None:
        os.environ["LAION_SOURCE"] = str(settings.source)
    if settings.contract is not None:
        os.environ["LAION_CONTRACT"] = str(settings.contract)
    if settings.release.endswith(".toml"):
        os.environ["LAION_RELEASE"] = str(Path(settings.release).absolute())
    address = ["--host", "127.0.0.1", "--port", "3000"]
    workspace = ["--workspace", str(PROJECT / "workspace.yaml")]
    # From its home: Dagster warns of a dagster.yaml in the working directory that it does not use.
    os.chdir(os.environ["DAGSTER_HOME"])
    os.execv(  # noqa: S606 - no shell
        sys.executable, [sys.executable, "-m", "dagster", "dev", *workspace, *address]
    )


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
    sys.exit(main())
