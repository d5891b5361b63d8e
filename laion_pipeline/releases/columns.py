"""The canonical columns that a release's rows are brought to, whatever it calls them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from laion_pipeline.releases.intervals import Interval

ColumnKind = Literal["text", "whole", "real"]


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


@dataclass(frozen=True)
class Score(Column):
    """A column that holds a score of the pair, and all that is known of that score.

    `valid` is the range of a release that names none, and `label` names it on an axis. From one
    whole number to the next there are `bins_per_unit` bins of its histogram, at the edges of which
    are `steps_per_unit` thresholds of a filter, which keeps what is above where `higher_is_better`,
    else what is below.
    """

    valid: Interval = field(kw_only=True)
    bins_per_unit: int = field(kw_only=True)
    steps_per_unit: int = field(kw_only=True)
    higher_is_better: bool = field(kw_only=True)
    label: str = field(kw_only=True)


_PROBABILITY = Interval(at_least=0, at_most=1)
# The order of the scores is that of their bits in `defects`: a new one comes after all others.
COLUMNS: tuple[Column, ...] = (
    Column("url", "text", "Address of the image", ("url",)),
    Column("text", "text", "Caption: the image's alt text", ("text", "caption")),
    # Where a release has both, `width` is the size after resizing.
    Column("width", "whole", "Width of the image", ("original_width", "width"), "px"),
    Column("height", "whole", "Height of the image", ("original_height", "height"), "px"),
    Score("similarity", "real", "Cosine similarity of caption and image by CLIP",
          ("similarity", "clip_l14_similarity_score", "clip_b32_similarity_score"),
          valid=Interval(at_least=-1, at_most=1), bins_per_unit=200, steps_per_unit=50,
          higher_is_better=True, label="similarity of caption and image"),
    Column("hash", "whole", "First 64 bits of MurmurHash3 x64 128 of url + text", ("hash",)),
    Score("punsafe", "real", "Probability that the image is unsafe for work", ("punsafe",),
          valid=_PROBABILITY, bins_per_unit=100, steps_per_unit=20, higher_is_better=False,
          label="probability of being unsafe"),
    Score("pwatermark", "real", "Probability that the image has a watermark", ("pwatermark",),
          valid=_PROBABILITY, bins_per_unit=100, steps_per_unit=20, higher_is_better=False,
          label="probability of a watermark"),
    Score("aesthetic", "real", "Aesthetic score predicted from the image's CLIP embedding",
          ("aesthetic", "aesthetic_score"), valid=Interval(at_least=0, at_most=10),
          bins_per_unit=20, steps_per_unit=4, higher_is_better=True, label="aesthetic score"),
    Column("license", "text", "Licence as found beside the image", ("license",)),
    Column("nsfw", "text", "Tag of the first safety classifier", ("nsfw",)),
    Column("language", "text", "Language of the caption", ("language",)),
)  # fmt: skip
COLUMNS_BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}

# What `valid_pairs` always has, as nulls where a release lacks one, so that one SQL serves all.
CORE_COLUMNS: tuple[Column, ...] = tuple(
    column for column in COLUMNS if column.name not in ("license", "nsfw", "language")
)
SCORES: Mapping[str, Score] = {c.name: c for c in COLUMNS if isinstance(c, Score)}
