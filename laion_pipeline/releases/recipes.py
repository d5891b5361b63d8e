"""What published models were trained on: the filters that their makers say they used.

A filter is one line here. Aesthetic scores in it are those of the second model (V2), whose scale is
not that of LAION-Aesthetics V1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from laion_pipeline.releases.columns import SCORES
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.releases.release import Release

_SIZE = ("width", "height")
# What a filter may look at, as SQL over `pair_captions`, and the columns that it takes.
MEASURES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    **{score: (score, (score,)) for score in SCORES},
    # `least` would take the one of two sides that is known.
    "each side": (
        "CASE WHEN width <= height THEN width WHEN width > height THEN height END",
        _SIZE,
    ),
    "pixels": ("CAST(width AS DOUBLE) * height", _SIZE),
    "width / height": ("CAST(width AS DOUBLE) / height", _SIZE),
    "aspect ratio": (
        "CASE WHEN width <= height THEN CAST(height AS DOUBLE) / width"
        " ELSE CAST(width AS DOUBLE) / height END",
        _SIZE,
    ),
    "characters": ("characters", ("text",)),
    "words": ("words", ("text",)),
}


@dataclass(frozen=True)
class Filter:
    """One condition of a recipe: the measure has to lie in the interval; `source` says so."""

    recipe: str
    measure: str
    kept: Interval
    source: str

    @property
    def words(self) -> str:
        """The condition, for people."""
        return self.kept.words(self.measure)

    @property
    def predicate(self) -> str:
        """The condition, as SQL over `pair_captions`; not true where the measure is unknown."""
        return measured(self.measure, self.kept)

    def is_known(self, release: Release) -> bool:
        """Whether a release has what the filter looks at."""
        return not release.lacks(*MEASURES[self.measure][1])


def measured(measure: str, kept: Interval) -> str:
    """That a measure is in an interval, as SQL over `pair_captions`; not true where unknown."""
    return kept.predicate(f"CAST({MEASURES[measure][0]} AS DOUBLE)")


_SD_1 = "model card of CompVis/stable-diffusion-v1-4"
_SD_2 = "model card of stabilityai/stable-diffusion-2-base"
_SD_2_1 = "model card of stabilityai/stable-diffusion-2-1"
_DATACOMP = "Gadre and others 2023, arXiv 2304.14108, basic filtering, but for its test for English"
_LAION = "LAION's announcement of LAION-Aesthetics, 2022"

# A recipe's filters in the order in which they are applied.
FILTERS: tuple[Filter, ...] = (
    Filter("Stable Diffusion v1.2 to v1.5", "each side", Interval(at_least=512), _SD_1),
    Filter("Stable Diffusion v1.2 to v1.5", "aesthetic", Interval(above=5), _SD_1),
    Filter("Stable Diffusion v1.2 to v1.5", "pwatermark", Interval(below=0.5), _SD_1),
    Filter("Stable Diffusion v2-base", "punsafe", Interval(at_most=0.1), _SD_2),
    Filter("Stable Diffusion v2-base", "aesthetic", Interval(at_least=4.5), _SD_2),
    Filter("Stable Diffusion v2-base", "each side", Interval(at_least=512), _SD_2),
    Filter("Stable Diffusion v2.1", "punsafe", Interval(at_most=0.98), _SD_2_1),
    Filter("Stable Diffusion v2.1", "aesthetic", Interval(at_least=4.5), _SD_2_1),
    Filter("Stable Diffusion v2.1", "each side", Interval(at_least=512), _SD_2_1),
    Filter("DataComp basic", "words", Interval(above=2), _DATACOMP),
    Filter("DataComp basic", "characters", Interval(above=5), _DATACOMP),
    Filter("DataComp basic", "aspect ratio", Interval(below=3), _DATACOMP),
    Filter("DataComp basic", "each side", Interval(above=200), _DATACOMP),
    Filter("LAION-Aesthetics V1", "aesthetic", Interval(above=7), _LAION),
    Filter("LAION-Aesthetics V1", "punsafe", Interval(below=0.5), _LAION),
    Filter("LAION-Aesthetics V1", "pwatermark", Interval(below=0.8), _LAION),
)
