"""Terms are found whatever characters a caption has: what is not folded could not have matched."""

from collections.abc import Sequence

import duckdb
import pyarrow as pa
import pytest

from laion_pipeline.subsets.terms import has_any_term

SURROGATES = range(0xD800, 0xE000)
CHARACTERS = [chr(code) for code in range(1, 0x110000) if code not in SURROGATES]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 "


@pytest.fixture(scope="module")
def foldings() -> dict[str, str]:
    """What folding makes of each character beyond ASCII, as DuckDB does it, if that is ASCII.

    Python's characters are of another version of Unicode.
    """
    with duckdb.connect() as connection:
        connection.register("characters", pa.table({"text": CHARACTERS}))
        return dict(
            connection.execute(
                "SELECT text, folded FROM (SELECT text, replace(lower(strip_accents(text)), 'ß',"
                " 'ss') AS folded FROM characters)"
                " WHERE ascii(text) > 127 AND strlen(folded) = length(folded)"
            ).fetchall()
        )


def found(captions: Sequence[str], terms: Sequence[str]) -> list[bool]:
    with duckdb.connect() as connection:
        connection.register("captions", pa.table({"text": pa.array(captions, pa.string())}))
        has, values = has_any_term(connection, terms, whole_words=False)
        return [
            yes for (yes,) in connection.execute(f"SELECT {has} FROM captions", values).fetchall()
        ]


def test_every_character_that_is_folded_to_letters(foldings: dict[str, str]) -> None:
    letters = {character: folded for character, folded in foldings.items() if folded.strip("`;<=>")}
    assert len(letters) > 400
    for folded in set(letters.values()):
        like = [character for character, letter in letters.items() if letter == folded]
        assert all(found([f"x{character}y" for character in like], [f"x{folded}y"]))


def test_every_character_that_is_removed(foldings: dict[str, str]) -> None:
    removed = [character for character, folded in foldings.items() if not folded]
    assert len(removed) > 1500
    assert all(found([f"a{character}b" for character in removed], ["ab"]))


@pytest.mark.parametrize("terms", [["a" * 500], ["word " * 100, "é" * 300, "x"], list(LETTERS)])
def test_terms_may_be_long_and_many(terms: list[str]) -> None:
    captions = [f"ü {terms[0]} ü", f"plain {terms[-1]}", "ж"]
    assert found(captions, terms) == [True, True, False]
