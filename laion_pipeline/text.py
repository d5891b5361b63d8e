"""Text from strangers, made fit to be shown to people."""

import re
import unicodedata
from collections.abc import Iterable

_NAME_CHARACTERS = 200


def displayable(text: str, limit: int | None = None) -> str:
    """`text` with characters that cannot be seen written as escapes, cut to `limit` characters.

    Control and formatting characters, such as those that turn the direction of writing, are
    escaped so that what is shown is what is there.
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return "".join(_escaped(c) if _is_invisible(c) else c for c in text)


def _is_invisible(character: str) -> bool:
    # Cc control, Cf format, Cs surrogate, Co private use, Cn unassigned, Zl and Zp line breaks
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def slug(text: str) -> str:
    """`text` in small letters, with a hyphen for whatever is neither letter, digit nor dot."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")


def listed(names: Iterable[str], most: int = 20) -> str:
    """Names one after the other, fit to be shown; of more than `most` the rest as a number."""
    shown = [displayable(name, _NAME_CHARACTERS) for name in names]
    more = f" and {len(shown) - most:,} more" if len(shown) > most else ""
    return f"{', '.join(shown[:most])}{more}"
