"""Reading TOML files of the user's: whatever is wrong with one is one line that says so."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from laion_pipeline.errors import SettingsError


@dataclass(frozen=True)
class Problem:
    """A value that does not validate: where it stands, what was given, and what is wrong."""

    where: str
    given: object
    what: str


def first_problem(error: ValidationError) -> Problem:
    """The first thing that pydantic found wrong, in words for people."""
    first = error.errors(include_url=False)[0]
    what = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    where = ".".join(str(part) for part in first["loc"])
    return Problem(where, first["input"], what)


def read_toml(path: Path, setting: str) -> dict[str, Any]:
    """What a TOML file holds; `setting` is the setting that names it, and its value.

    Raises SettingsError when it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{setting}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{setting}: cannot be read: not UTF-8 text") from error
    # Beside its own error the parser lets through those of huge numbers and of deep nesting.
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{setting}: not valid TOML: {error}") from error
