"""Errors that nobody foresaw: one line, with everything else in a file to report them with."""

import os
import platform
import re
import tempfile
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from laion_pipeline import __version__
from laion_pipeline.text import displayable

LOG = "error.log"
_SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "LAION_ALERT_URL")


def report_of(error: BaseException, folder: Path | None = None) -> str:
    """What happened, in one line that names a file in `folder` which has the traceback."""
    log = _write(error, folder)
    first = _without_secrets(str(error)).strip().partition("\n")[0]
    what = displayable(f"{type(error).__name__}: {first}", 300)
    return f"{what}; this is a fault of laion-pipeline: please report it, with {log}"


def _write(error: BaseException, folder: Path | None) -> Path:
    said = (
        f"laion-pipeline {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n\n"
        + _without_secrets("".join(traceback.format_exception(error)))
    )
    with suppress(OSError):
        if folder:
            (folder / LOG).write_text(said, encoding="utf-8", errors="backslashreplace")
            return folder / LOG
    with suppress(OSError):  # of a name that nobody guesses, since anybody may write there
        place, name = tempfile.mkstemp(f"-{LOG}", "laion-pipeline-")
        with os.fdopen(place, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(said)
        return Path(name)
    return Path("what is above")


def _without_secrets(text: str) -> str:
    for name in _SECRETS:
        if secret := os.environ.get(name, "").strip():
            text = text.replace(secret, f"<{name}>")
    return re.sub(r"://[^/@\s]+@", "://", text)  # users and passwords in addresses
