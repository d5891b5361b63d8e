"""The data sheet of statistics: a README in the form of Hugging Face's dataset cards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from laion_pipeline import __version__
from laion_pipeline.common.markdown import card_template
from laion_pipeline.statistics.aggregates import Aggregate
from laion_pipeline.statistics.croissant import file_of
from laion_pipeline.warehouse.provenance import Provenance


@dataclass(frozen=True)
class Picture:
    """A chart: its file, and what it shows in words."""

    file: str
    alt: str


@dataclass(frozen=True)
class Told:
    """What a card tells: of which rows, what checks found, and what is and is not handed on."""

    provenance: Provenance
    rows: int
    quarantined: int
    checks: str
    tables: Sequence[Aggregate]
    left_out: Mapping[str, str]
    pictures: Sequence[Picture]


def card(name: str, told: Told) -> str:
    """The card, as Markdown with its fields in YAML."""
    return card_template("statistics").render(
        name=name,
        told=told,
        provenance=told.provenance,
        file_of=file_of,
        first_sentence=_first_sentence,
        version=__version__,
    )


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].removesuffix(".") + "."
