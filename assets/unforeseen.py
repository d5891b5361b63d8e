"""Errors that nobody foresaw: one line, with everything else in a file to report them with."""

import os
import platform
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
    log = _write(error, folder or Path(tempfile.gettempdir()))
    first = _without_secrets(str(error)).strip().partition("\n")[0]
    what = displayable(f"{type(error).__name__}: {first}", 300)
    return f"{what}; this is a fault of laion-pipeline: please report it, with {log}"


def _write(error: BaseException, folder: Path) -> Path:
    said = (
        f"laion-pipeline {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n\n"
        + _without_secrets("".join(traceback.format_exception(error)))
    )
    for place in (folder, Path(tempfile.gettempdir())):
        with suppress(OSError):
            log = place / LOG
            log.write_text(said, encoding="utf-8", errors="backslashreplace")
            return log
    return Path("what is above")


def _without_secrets(text: str) -> str:
    for name in _SECRETS:
        if secret := os.environ.get(name, "").strip():
            text = text.replace(secret, f"<{name}>")
    return text
