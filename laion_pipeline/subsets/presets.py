"""Filters to start from: for usual purposes, and those of published models with their source."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from laion_pipeline.releases.recipes import FILTERS
from laion_pipeline.subsets.ranges import RANGES
from laion_pipeline.text import slug


@dataclass(frozen=True)
class Preset:
    """A filter's fields under a name, what they are for, and where they come from.

    Whoever changes the fields gives it the next `version`, which manifests have.
    """

    fields: Mapping[str, Any]
    about: str
    source: str = ""
    version: int = 1


# The field of each measure, of which published filters are.
_FIELDS = {measure: field for field, measure in RANGES.items()}


def _published() -> Mapping[str, Preset]:
    """The recipes of `training_filters`, so that both mean the same."""
    recipes = defaultdict(list)
    for kept in FILTERS:
        recipes[kept.recipe].append(kept)
    return {
        slug(recipe): Preset(
            # Makers who say nothing of punsafe had no limit on it.
            {"punsafe": "any"} | {_FIELDS[each.measure]: each.kept for each in filters},
            f"the filters of {recipe}",
            filters[0].source,
        )
        for recipe, filters in recipes.items()
    }


PRESETS: Mapping[str, Preset] = {
    "clean": Preset(
        {
            "punsafe": {"at_most": 0.1},
            "pwatermark": {"at_most": 0.5},
            "words": {"at_least": 3},
            "shortest_side": {"at_least": 256},
            "longer_to_shorter": {"at_most": 3},
            "dedupe": ["url", "hash"],
        },
        "what most people would not want to train on is left out",
    ),
    "fine-tune": Preset(
        {
            "punsafe": {"at_most": 0.1},
            "pwatermark": {"at_most": 0.2},
            "similarity": {"at_least": 0.3},
            "words": {"at_least": 3},
            "shortest_side": {"at_least": 512},
            "longer_to_shorter": {"at_most": 2},
            "dedupe": ["url", "hash", "caption"],
            "order": "highest aesthetic",
            "limit": 10_000,
        },
        "the best-looking pairs that are large enough, without repeats",
    ),
    "regularization": Preset(
        {
            "punsafe": {"at_most": 0.1},
            "pwatermark": {"at_most": 0.3},
            "shortest_side": {"at_least": 512},
            "longer_to_shorter": {"at_most": 2},
            "dedupe": ["url", "caption"],
            "limit": 1_000,
        },
        "ordinary pictures of a class: give its word as caption_all",
    ),
    **_published(),
}
