"""The data sheet of statistics: a README in the form of Hugging Face's dataset cards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from laion_pipeline import __version__
from laion_pipeline.statistics.aggregates import Aggregate
from laion_pipeline.statistics.croissant import file_of
from laion_pipeline.text import as_code
from laion_pipeline.warehouse.provenance import Provenance

# What Markdown would take for more than text.
_ESCAPED = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>|"})


@dataclass(frozen=True)
class Picture:
    """A chart: its file, its finding, and the same for those who cannot see it."""

    file: str
    title: str
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
    environment = Environment(
        loader=PackageLoader("laion_pipeline", "statistics"),
        autoescape=False,  # noqa: S701 - it is Markdown, and what strangers wrote goes by `as_code`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"plain": as_code, "sentence": _sentence, "line": _line}
    return environment.get_template("card.md").render(
        name=name, told=told, provenance=told.provenance, file_of=file_of, version=__version__
    )


def _sentence(text: str) -> str:
    """The first sentence of a description."""
    return _line(text.partition(". ")[0].removesuffix(".") + ".")


def _line(text: str) -> str:
    """Text that stands in a line, and is nothing but text in Markdown."""
    return " ".join(text.split()).translate(_ESCAPED)
