"""Data sheets in Markdown, by templates, in which what strangers wrote is text and nothing else."""

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from laion_pipeline.text import displayable

_CELL_CHARACTERS = 200
# What Markdown would take for more than text.
_ESCAPED = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>|"})


def card_template(folder: str) -> Template:
    """The template `card.md` of a folder of the library.

    Its filters: `plain` for what strangers wrote, `line` for our own words.
    """
    environment = Environment(
        loader=PackageLoader("laion_pipeline", folder),
        autoescape=False,  # noqa: S701 - it is Markdown, and what strangers wrote goes by `plain`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"plain": as_code, "line": as_line}
    return environment.get_template("card.md")


def as_code(text: str) -> str:
    """Text as code, without what would end it or the cell it stands in."""
    shown = displayable(text, _CELL_CHARACTERS)
    return f"`{shown.replace('`', chr(39)).replace('|', '/')}`"


def as_line(text: str) -> str:
    """Text in one line, with what Markdown would take for more escaped."""
    return " ".join(text.split()).translate(_ESCAPED)
