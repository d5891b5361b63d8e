"""Terms that somebody asks about, such as words for women and for men: read, and held in tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import duckdb
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from laion_pipeline.common.toml_files import first_problem, read_toml
from laion_pipeline.errors import SettingsError

ASKED_TERMS = "asked_terms"
# What terms are held as: `phrase` is the words of a term between blanks, as `words_of` has them.
TERM_COLUMNS: Mapping[str, str] = {"term_group": "VARCHAR", "term": "VARCHAR", "phrase": "VARCHAR"}
# Every caption is searched for each of them.
_MOST_TERMS = 100


def words_of(text: str) -> str:
    """The words of a text in small letters, with a blank before, between and after, as SQL."""
    return f"' ' || trim(regexp_replace(lower({text}), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g')) || ' '"


class TermGroups(BaseModel):
    """Terms by the name of their group, as a TOML file has them; `source` says who chose them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = ""
    groups: Mapping[str, tuple[str, ...]] = Field(default={})

    @field_validator("groups")
    @classmethod
    def _can_be_found(cls, groups: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for name, terms in groups.items():
            if wordless := [term for term in terms if not any(map(str.isalnum, term))]:
                raise ValueError(f"{name} has a term without a word in it: {wordless[0]!r}")
            if len({term.casefold() for term in terms}) < len(terms):
                raise ValueError(f"{name} has a term twice")
        if (many := sum(map(len, groups.values()))) > _MOST_TERMS:
            raise ValueError(f"there are {many} terms, and should be no more than {_MOST_TERMS}")
        return groups

    @classmethod
    def read(cls, path: Path) -> Self:
        """The terms that a file has.

        Raises SettingsError naming what is wrong with it.
        """
        origin = f"LAION_TERMS={path}"
        try:
            read = cls.model_validate(read_toml(path, origin))
        except ValidationError as error:
            problem = first_problem(error)
            raise SettingsError(f"{origin}: {problem.where}: {problem.what}") from error
        if not any(read.groups.values()):
            raise SettingsError(f"{origin}: names no terms: give some below [groups]")
        return read

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Each term with its group before it."""
        return [(name, term) for name, terms in self.groups.items() for term in terms]


_TYPED = ", ".join(f"{name} {type_}" for name, type_ in TERM_COLUMNS.items())


def prepare_terms(connection: duckdb.DuckDBPyConnection) -> None:
    """Let an open warehouse have room for terms in `ASKED_TERMS`, if it has none yet."""
    connection.execute(f"CREATE TABLE IF NOT EXISTS {ASKED_TERMS} ({_TYPED})")


def hold_terms(connection: duckdb.DuckDBPyConnection, terms: TermGroups) -> None:
    """Let an open warehouse hold terms in `ASKED_TERMS`, instead of those before."""
    connection.execute(f"CREATE OR REPLACE TABLE {ASKED_TERMS} ({_TYPED})")
    for group, term in terms.rows:
        connection.execute(
            f"INSERT INTO {ASKED_TERMS} SELECT $1, $2, {words_of('$2')}", [group, term]
        )
