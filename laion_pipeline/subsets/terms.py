"""Terms in captions, as SQL: case and accents do not count, whole words unless letters will do."""

import re
from collections.abc import Sequence

import duckdb

# Without case and accents: as it is asked for, and as captions are.
FOLDED = "replace(translate(lower(strip_accents({})), 'ς', 'σ'), 'ß', 'ss')"
# What words are made of, and what is part of none.
WORD = r"[\p{L}\p{N}]+"
NEITHER = r"[^\p{L}\p{N}]"
# In a class of characters: all that folding makes to ASCII letters, digits and spaces, or removes.
_ACCENTED = r"\x{AA}-\x{24F}\x{1E00}-\x{1EFF}\x{212A}\x{212B}\p{M}"
_PLAIN = re.compile("[a-z0-9 ]+")
# So many terms are found sooner by looking for each in turn; patterns of more take longest.
_FEW = 3
# So many letters tell most captions that have a term from others; long patterns take long.
_ENOUGH = 4


def has_any_term(
    connection: duckdb.DuckDBPyConnection, terms: Sequence[str], *, whole_words: bool
) -> tuple[str, list[str]]:
    """The condition that the column `text` has one of the terms, with `?` for the values beside.

    Folding takes long, and so do most patterns. Captions in ASCII need no folding; they are
    searched for a term's letters first, and for its words only where these are. Others are folded
    only where they could have the letters.
    """
    rows = [
        connection.execute(
            f"SELECT folded, regexp_escape(folded) FROM (SELECT {FOLDED.format('?')} AS folded)",
            [term],
        ).fetchall()[0]
        for term in terms
    ]
    patterns = [_bounded(*row) if whole_words else row[1] for row in rows]
    wanted = f"(?:{'|'.join(patterns)})"
    in_ascii, values = "regexp_matches(text, ?)", [f"(?i){wanted}"]
    are_few = len(rows) <= _FEW
    letters = " OR ".join("regexp_matches(text, ?)" for _ in rows)
    if are_few:
        in_ascii = f"CASE WHEN {letters} THEN {in_ascii} ELSE false END"
        values = [*(f"(?i){escaped}" for _, escaped in rows), *values]
    in_others = f"regexp_matches({FOLDED.format('text')}, ?)"
    if are_few and all(_PLAIN.fullmatch(folded) for folded, _ in rows):
        in_others = f"CASE WHEN {letters} THEN {in_others} ELSE false END"
        values += [_with_accents(folded) for folded, _ in rows]
    return (
        f"CASE WHEN strlen(text) = length(text) THEN {in_ascii} ELSE {in_others} END",
        [*values, wanted],
    )


def _bounded(folded: str, escaped: str) -> str:
    """The pattern of a term that is no part of a longer word."""
    before = f"(?:^|{NEITHER})" if folded[:1].isalnum() else ""
    after = f"(?:$|{NEITHER})" if folded[-1:].isalnum() else ""
    return before + escaped + after


def _with_accents(folded: str) -> str:
    """The pattern of all that folding may make to how a term begins, and of more."""
    first = folded[:_ENOUGH]
    letters = [f"[{letter}{_ACCENTED}][{_ACCENTED}]*" for letter in first]
    for place in range(1, len(first)):
        if folded[place - 1 : place + 1] == "ss":  # which may be one ß
            letters[place] = f"(?:{letters[place]})?"
    return f"(?i){''.join(letters)}"
