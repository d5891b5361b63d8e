"""The contract on `pairs`: its columns and the rules each row must keep, written once.

The table's DDL, the `defects` mask, the Great Expectations suite, Dagster's table schema, the
documentation and the tests are all derived from here. What differs by release (which columns it
has, which ranges hold) is handed in by `releases`; nothing here knows where data comes from.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

ColumnKind = Literal["text", "whole", "real"]

# Up to this share of rows a broken row rule is a warning, above it an error.
DEFECT_SHARE_LIMIT = 0.001


@dataclass(frozen=True)
class Column:
    """A canonical column of `pairs`.

    `spellings` are the names it goes by in releases, compared without case, best first: where a
    shard has several of them the first wins.
    """

    name: str
    kind: ColumnKind
    description: str
    spellings: tuple[str, ...]
    unit: str = ""

    @property
    def sql_type(self) -> str:
        """The DuckDB type: wide enough for every spelling, so that no value loses by loading."""
        return {"text": "VARCHAR", "whole": "BIGINT", "real": "DOUBLE"}[self.kind]


COLUMNS: tuple[Column, ...] = (
    Column("url", "text", "Address of the image", ("url",)),
    Column("text", "text", "Caption: the image's alt text", ("text", "caption")),
    # Where a release has both, `width` is the size after resizing.
    Column("width", "whole", "Width of the image", ("original_width", "width"), "px"),
    Column("height", "whole", "Height of the image", ("original_height", "height"), "px"),
    Column(
        "similarity",
        "real",
        "Cosine similarity of caption and image by CLIP",
        ("similarity", "clip_l14_similarity_score", "clip_b32_similarity_score"),
    ),
    Column("hash", "whole", "First 64 bits of MurmurHash3 x64 128 of url + text", ("hash",)),
    Column("punsafe", "real", "Probability that the image is unsafe for work", ("punsafe",)),
    Column("pwatermark", "real", "Probability that the image has a watermark", ("pwatermark",)),
    Column(
        "aesthetic",
        "real",
        "Aesthetic score predicted from the image's CLIP embedding",
        ("aesthetic", "aesthetic_score"),
    ),
    Column("license", "text", "Licence as found beside the image", ("license",)),
    Column("nsfw", "text", "Tag of the first safety classifier", ("nsfw",)),
    Column("language", "text", "Language of the caption", ("language",)),
)
COLUMNS_BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}

# What `valid_pairs` always has, as nulls where a release lacks one, so that one SQL serves all.
CORE_COLUMNS: tuple[Column, ...] = COLUMNS[:9]
SCORES: tuple[str, ...] = ("similarity", "punsafe", "pwatermark", "aesthetic")


class Interval(BaseModel):
    """A range of numbers, each end open, closed or absent; never holds null or NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    @field_validator("*")
    @classmethod
    def _finite(cls, bound: float | None) -> float | None:
        if bound is not None and not math.isfinite(bound):
            raise ValueError("should be a finite number")
        return bound

    @model_validator(mode="after")
    def _one_bound_a_side(self) -> Self:
        if self.at_least is not None and self.above is not None:
            raise ValueError("give at_least or above, not both")
        if self.at_most is not None and self.below is not None:
            raise ValueError("give at_most or below, not both")
        return self

    def predicate(self, column: str) -> str:
        """SQL that is true where `column` lies in the range (and so is not null or NaN)."""
        bounds = [
            (self.at_least, ">="),
            (self.above, ">"),
            (self.at_most, "<="),
            (self.below, "<"),
        ]
        terms = [f"{column} {sign} {bound!r}" for bound, sign in bounds if bound is not None]
        return " AND ".join([*terms, f"NOT isnan({column})"])

    def __str__(self) -> str:
        low = f"{self.at_least:g} <= " if self.at_least is not None else ""
        low = f"{self.above:g} < " if self.above is not None else low
        high = f" <= {self.at_most:g}" if self.at_most is not None else ""
        high = f" < {self.below:g}" if self.below is not None else high
        return f"{low}x{high}"


DEFAULT_RANGES: Mapping[str, Interval] = {
    "similarity": Interval(at_least=-1, at_most=1),
    "punsafe": Interval(at_least=0, at_most=1),
    "pwatermark": Interval(at_least=0, at_most=1),
    "aesthetic": Interval(at_least=0, at_most=10),
}


@dataclass(frozen=True)
class RowRule:
    """A rule that every row of `pairs` should keep.

    `holds` is a SQL predicate over the canonical columns; a row keeps the rule where it is true,
    and breaks it where it is false or null. `bit` is the rule's place in the `defects` mask, which
    never changes, whatever other rules a release has.
    """

    name: str
    column: str
    bit: int
    description: str
    holds: str

    @property
    def mask(self) -> int:
        """The value that this rule adds to `defects` in a row that breaks it."""
        return 1 << self.bit

    @property
    def broken(self) -> str:
        """SQL that is true, never null, where a row breaks the rule."""
        return f"({self.holds}) IS NOT TRUE"


# What Unicode calls white space, as a string of SQL: DuckDB's own trim knows the space only.
_BLANKS = "'" + "".join(filter(str.isspace, map(chr, range(0x3001)))) + "'"


def row_rules(columns: Iterable[str], ranges: Mapping[str, Interval]) -> tuple[RowRule, ...]:
    """The rules for a release that has `columns`, with the score ranges that hold for it."""
    limits = {**DEFAULT_RANGES, **ranges}
    every = [
        ("url_http", "url", "url is there and is http or https with a host",
         r"regexp_matches(url, '^[Hh][Tt][Tt][Pp][Ss]?://[^/?#\s]')"),
        ("text_present", "text", "text is there and is not blank", f"trim(text, {_BLANKS}) <> ''"),
        ("width_positive", "width", "width is above 0, or unknown", "width IS NULL OR width > 0"),
        ("height_positive", "height", "height is above 0, or unknown",
         "height IS NULL OR height > 0"),
        *(
            (f"{score}_range", score, f"{score} is there and {limits[score]}",
             limits[score].predicate(score))
            for score in SCORES
        ),
    ]  # fmt: skip
    present = set(columns)
    return tuple(
        RowRule(name, column, bit, description, holds)
        for bit, (name, column, description, holds) in enumerate(every)
        if column in present
    )


# Every rule there is, in words that hold for whatever ranges a release has.
RULE_SUMMARIES: Mapping[str, str] = {
    rule.name: f"{rule.column} is there and within the release's range"
    if rule.column in SCORES
    else rule.description
    for rule in row_rules(COLUMNS_BY_NAME, DEFAULT_RANGES)
}


def defects_expression(rules: Iterable[RowRule]) -> str:
    """SQL for the `defects` mask of a row: the sum of the masks of the rules it breaks."""
    terms = [f"CASE WHEN {rule.holds} THEN 0 ELSE {rule.mask} END" for rule in rules]
    return " + ".join(terms) or "0"


def reasons_expression(rules: Iterable[RowRule]) -> str:
    """SQL that decodes `defects` into the list of the names of the rules that the row breaks."""
    names = ", ".join(f"CASE WHEN defects & {r.mask} <> 0 THEN '{r.name}' END" for r in rules)
    return f"list_filter([{names}], lambda name: name IS NOT NULL)"
