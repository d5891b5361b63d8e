"""Releases as data: what is known of each, from the catalogue or from a file of the user's.

A release is described by the same few terms in both places; `catalogue.toml` explains them.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from laion_pipeline.common.toml_files import first_problem, read_toml
from laion_pipeline.errors import SettingsError
from laion_pipeline.releases.columns import COLUMNS_BY_NAME, SCORES, Column
from laion_pipeline.releases.intervals import Interval

SAMPLE = "sample"
# Folders of the data folder that are not for a release of the user's.
_RESERVED = frozenset({SAMPLE, "dagster"})
# Where a filter may be published; that on similarity has a name of its own, the cut-off.
FILTERED_SCORES = tuple(score for score in SCORES if score != "similarity")

_UNSAFE_2024 = 0.45


class Release(BaseModel):
    """One release of LAION metadata, as the catalogue describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    columns: tuple[str, ...]
    title: str = ""
    repo: str = ""
    files: str = "*.parquet"
    spellings: Mapping[str, tuple[str, ...]] = {}
    sizes_swapped: bool = False
    score_model: str = ""
    ranges: Mapping[str, Interval] = {}
    filters: Mapping[str, Interval] = {}
    similarity_cutoff: float | None = Field(default=None, strict=True, allow_inf_nan=False)
    published_rows: int | None = Field(default=None, gt=0)
    successor: str = ""

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in columns if name not in COLUMNS_BY_NAME]:
            raise ValueError(f"unknown: {', '.join(unknown)} (known: {', '.join(COLUMNS_BY_NAME)})")
        if missing := {"url", "text"} - set(columns):
            raise ValueError(f"a release needs {', '.join(sorted(missing))}")
        # The contract's order, whatever the file's: the order of columns in `pairs`.
        return tuple(name for name in COLUMNS_BY_NAME if name in columns)

    @field_validator("spellings", "ranges", "filters")
    @classmethod
    def _known_keys(cls, value: Mapping[str, object]) -> Mapping[str, object]:
        if unknown := [name for name in value if name not in COLUMNS_BY_NAME]:
            raise ValueError(f"unknown column: {', '.join(unknown)}")
        return value

    @model_validator(mode="after")
    def _about_its_own_columns(self) -> Self:
        for field in ("spellings", "ranges", "filters"):
            if absent := [name for name in getattr(self, field) if name not in self.columns]:
                raise ValueError(f"{field} names {', '.join(absent)}, which is not in columns")
        if unscored := [name for name in self.ranges if name not in SCORES]:
            raise ValueError(f"ranges is for scores ({', '.join(SCORES)}), not {unscored[0]}")
        if unfiltered := [name for name in self.filters if name not in FILTERED_SCORES]:
            raise ValueError(
                f"filters is for {', '.join(FILTERED_SCORES)}, not {unfiltered[0]}"
                f"{'; use similarity_cutoff' if unfiltered[0] == 'similarity' else ''}"
            )
        if self.similarity_cutoff is not None and "similarity" not in self.columns:
            raise ValueError("similarity_cutoff is given, but similarity is not in columns")
        return self

    @property
    def canonical_columns(self) -> tuple[Column, ...]:
        """The contract's columns that this release has, each spelled as this release spells it."""
        return tuple(
            replace(COLUMNS_BY_NAME[name], spellings=self._spellings(name)) for name in self.columns
        )

    def _spellings(self, name: str) -> tuple[str, ...]:
        if self.sizes_swapped:
            name = {"width": "height", "height": "width"}.get(name, name)
        return self.spellings.get(name, COLUMNS_BY_NAME[name].spellings)

    @property
    def scores(self) -> tuple[str, ...]:
        """The scores that this release has."""
        return tuple(score for score in SCORES if score in self.columns)

    @property
    def unsafe_from(self) -> float:
        """The `punsafe` from which a pair does not count as safe.

        By the release's makers, or by LAION's safety revision of 2024, whichever is less.
        """
        own = self.filters.get("punsafe")
        bounds = (own.at_most, own.below) if own else ()
        return min([_UNSAFE_2024, *(bound for bound in bounds if bound is not None)])

    def lacks(self, *columns: str) -> str:
        """Why the release has nothing that takes these columns; '' where it has them all."""
        missing = [name for name in columns if name not in self.columns]
        return f"it has no {missing[0]}" if missing else ""

    def has_shard(self, path: str) -> bool:
        """Whether the file at `path`, relative to the release's root, is one of its shards."""
        return fnmatch(path.casefold(), self.files.casefold())


# A release that has every column, for what is the same about all.
ANY = Release(name="any", columns=tuple(COLUMNS_BY_NAME))


def catalogue() -> Mapping[str, Release]:
    """Every release of the catalogue by its name."""
    text = files("laion_pipeline.releases").joinpath("catalogue.toml").read_text("utf-8")
    return {
        name: Release(name=name, **description) for name, description in tomllib.loads(text).items()
    }


def find_release(name: str) -> Release:
    """The release called `name` in the catalogue, or described by the TOML file at that path.

    Raises SettingsError when there is no such release, or the file does not describe one.
    """
    if name.casefold().endswith(".toml"):
        return _described_by(Path(name))
    known = catalogue()
    if name not in known:
        raise SettingsError(
            f"LAION_RELEASE={name}: no such release; take one of {', '.join(known)},"
            " or the path of a .toml file that describes another"
        )
    return known[name]


def _described_by(path: Path) -> Release:
    setting = f"LAION_RELEASE={path}"
    described = read_toml(path, setting)
    try:
        release = Release.model_validate(described)
    except ValidationError as error:
        problem = first_problem(error)
        where = f"{problem.where}: " if problem.where else ""
        raise SettingsError(f"{setting}: {where}{problem.what}") from error
    if release.name in _RESERVED:
        raise SettingsError(f"{setting}: name: {release.name} is taken, choose another")
    return release
