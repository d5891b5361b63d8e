"""A filter: which pairs make a subset, in the fields that a TOML file, Dagster and Python share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from laion_pipeline.common.files import sha256_of
from laion_pipeline.common.toml_files import first_problem, read_toml
from laion_pipeline.errors import SettingsError
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.subsets.formats import FORMATS
from laion_pipeline.subsets.presets import PRESETS

Key = Literal["url", "hash", "caption"]
_LISTS = ("opt_out_urls", "opt_out_hosts")
_SAFE = Interval(at_most=0.1)


class SubsetFilter(BaseModel):
    """Which valid pairs a subset has, in which order, and how many.

    Captions are compared without case and accents, and terms are whole words or phrases of them
    unless `whole_words` is false. A pair whose size or score is unknown meets no condition on it.
    Hosts stand for themselves and all below them. `dedupe` keeps the first pair, in the subset's
    order, of those that have the same. `punsafe` is at most 0.1 unless it says otherwise; "any"
    takes what is unsafe, or what has no such score. `without_dead_links` leaves out the addresses
    that gave no image when they were asked last, for a reason that lasts; `without_removed` what a
    cleaned release no longer has, where one was compared. `aspect_ratio` is width to height,
    `longer_to_shorter` that of the longer side to the shorter.

    With `host_consent` the hosts of its pairs, after `limit`, are asked as it is exported; pairs
    are left out that their host does not want to be used, and those whose host did not say.

    It is written in the `formats` beside Parquet. `train_size`, in px, is what images are resized
    to when they are downloaded, and the size of the buckets in the files of trainers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="subset", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    preset: str = ""
    caption_all: tuple[str, ...] = ()
    caption_any: tuple[str, ...] = ()
    caption_none: tuple[str, ...] = ()
    caption_regex: str = ""
    whole_words: bool = True
    similarity: Interval | None = None
    punsafe: Interval | Literal["any"] = _SAFE
    pwatermark: Interval | None = None
    aesthetic: Interval | None = None
    shortest_side: Interval | None = None
    pixels: Interval | None = None
    aspect_ratio: Interval | None = None
    longer_to_shorter: Interval | None = None
    words: Interval | None = None
    characters: Interval | None = None
    hosts_allowed: tuple[str, ...] = ()
    hosts_denied: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    dedupe: tuple[Key, ...] = ()
    opt_out_urls: tuple[Path, ...] = ()
    opt_out_hosts: tuple[Path, ...] = ()
    without_dead_links: bool = False
    without_removed: bool = True
    host_consent: bool = False
    order: str = "random"
    seed: int = Field(default=0, ge=0, lt=2**63)
    limit: int | None = Field(default=None, ge=1)
    formats: tuple[str, ...] = ()
    train_size: int = Field(default=1024, ge=256, le=4096, multiple_of=64)

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, given: Any) -> Any:
        """What is given wins over what the preset has."""
        if not isinstance(given, Mapping) or not given.get("preset"):
            return given
        name = given["preset"]
        if name not in PRESETS:
            raise ValueError(f"there is no preset {name}; there are {', '.join(PRESETS)}")
        return {**PRESETS[name].fields, **given}

    @model_validator(mode="after")
    def _has_possible_captions(self) -> Self:
        for field in ("caption_all", "caption_any", "caption_none"):
            if any(not term.strip() for term in getattr(self, field)):
                raise ValueError(f"{field} has a term of nothing but blanks")
        if self.preset == "regularization" and not (self.caption_all or self.caption_any):
            raise ValueError("regularization needs the word of its class, in caption_all")
        if both := {*self.caption_all} & {*self.caption_none}:
            raise ValueError(f"{min(both)} is in caption_all and in caption_none: no pair has both")
        if self.caption_any and {*self.caption_any} <= {*self.caption_none}:
            raise ValueError("all of caption_any is in caption_none, so that no pair is left")
        return self

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if both := {*self.hosts_allowed} & {*self.hosts_denied}:
            raise ValueError(f"{min(both)} is in hosts_allowed and in hosts_denied")
        if self.order not in ORDERS:
            raise ValueError(f"order is {self.order}, but should be one of {', '.join(ORDERS)}")
        if unknown := [name for name in self.formats if name not in FORMATS]:
            raise ValueError(f"there is no format {unknown[0]}; there are {', '.join(FORMATS)}")
        if not self.model_dump(exclude_defaults=True).keys() - _NO_CONDITION:
            raise ValueError("it keeps every pair: give at least one condition")
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """The filter that a TOML file describes, named as the file unless it says otherwise.

        Files of opt-outs are looked for from where it lies.

        Raises SettingsError naming what is wrong.
        """
        fields = {"name": path.stem, **read_toml(path, str(path))}
        for field in _LISTS:
            if isinstance(fields.get(field), list):
                fields[field] = [path.parent / str(each) for each in fields[field]]
        return cls.of(fields, str(path))

    def recorded(self) -> Mapping[str, Any]:
        """The filter as a manifest has it, and the digests of the lists that it names.

        Lists are told by their content, since where they lay is nobody's business.
        """
        preset = PRESETS.get(self.preset)
        return {
            **({"preset_version": preset.version} if preset else {}),
            "filter": self.model_dump(mode="json", exclude_none=True, exclude=set(_LISTS)),
            "lists": {
                name: {file.name: sha256_of(file) for file in getattr(self, name)}
                for name in _LISTS
            },
        }

    @classmethod
    def of(cls, fields: Mapping[str, Any], origin: str) -> Self:
        """The filter of these fields, which `origin` gave.

        Raises SettingsError naming what is wrong.
        """
        try:
            return cls.model_validate(dict(fields))
        except ValidationError as error:
            problem = first_problem(error)
            where = f"{problem.where}: " if problem.where else ""
            what = problem.what
            if problem.where.split(".")[0] not in cls.model_fields and problem.where:
                what = f"there is no such field; there are {', '.join(cls.model_fields)}"
            raise SettingsError(f"{origin}: {where}{what}") from error


# What says nothing of which pairs there are.
_NO_CONDITION = {
    *("name", "preset", "order", "seed", "whole_words", "without_removed"),
    *("formats", "train_size"),
}
# How a subset may be ordered.
ORDERS = ("random", *(f"{end} {score}" for score in SCORES for end in ("highest", "lowest")))
