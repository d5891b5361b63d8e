"""Captions and URLs of the made-up sample release, drawn from `words.toml`.

Numbers, planted defects and files are the business of `sample`.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import product

import numpy as np
from pydantic import BaseModel, ConfigDict


class _Phrases(BaseModel):
    """Captions of one language: an opening and an ending each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    openings: tuple[str, ...]
    endings: tuple[str, ...]

    @property
    def templates(self) -> list[str]:
        return [opening + ending for opening, ending in product(self.openings, self.endings)]


class Words(_Phrases):
    """What `words.toml` holds; its comments say what each is."""

    other_languages: tuple[_Phrases, ...]
    slots: Mapping[str, tuple[str, ...]]
    dirt: Mapping[str, int]
    oddities: tuple[str, ...]
    head_hosts: Mapping[str, str]
    tail_prefixes: tuple[str, ...]
    tail_first: tuple[str, ...]
    tail_second: tuple[str, ...]
    tail_paths: tuple[str, ...]


def read_words() -> Words:
    """Read the packaged word lists."""
    text = (files("laion_pipeline.sources.sample") / "words.toml").read_text("utf-8")
    return Words.model_validate(tomllib.loads(text))


def captions(words: Words, rng: np.random.Generator, rows: int) -> list[str]:
    """Clean captions of about 67 characters, one in ten in another language than English."""
    templates = _draw(rng, words.templates, rows)
    others = [template for phrases in words.other_languages for template in phrases.templates]
    for row, other in _some(rng, rows, 0.1, others):
        templates[row] = other
    drawn = zip(*(_draw(rng, values, rows) for values in words.slots.values()), strict=True)
    return [
        template.format_map(dict(zip(words.slots, values, strict=True)))
        for template, values in zip(templates, drawn, strict=True)
    ]


def soiled(words: Words, rng: np.random.Generator, clean: Sequence[str]) -> list[str]:
    """The captions after a crawl: some with dirt, a few that run to thousands of characters."""
    texts = list(clean)
    dirt = [template for template, count in words.dirt.items() for _ in range(count)]
    for row, template in _some(rng, len(texts), len(dirt) / 100_000, dirt):
        texts[row] = template.format(caption=texts[row])
    for row in rng.integers(len(texts), size=1 + len(texts) // 2000).tolist():
        length = int(rng.integers(500, 5000))
        texts[row] = " ".join(clean[row : row + 100])[:length].strip()
    return texts


def urls(
    words: Words,
    rng: np.random.Generator,
    clean: Sequence[str],
    ids: Sequence[str],
    widths: Sequence[int],
    heights: Sequence[int],
) -> list[str]:
    """A URL for each caption, distinct where the decimal `ids` are.

    Hosts follow Zipf's law. About a tenth of the URLs end in the size in px, as in -360x240.jpg.
    """
    hosts = _hosts(words, rng)
    # With the exponent 1 and some 10,000 hosts the first gets a tenth, as i.pinimg.com does in V1.
    shares = np.cumsum(1 / np.arange(1, len(hosts) + 1))
    picks = np.searchsorted(shares, rng.random(len(ids)) * shares[-1])
    years = _draw(rng, [str(year) for year in range(2009, 2022)], len(ids))
    not_slug = re.compile("[^a-z0-9]+")
    rows = zip(picks.tolist(), ids, clean, widths, heights, years, strict=True)
    return [
        hosts[pick].format(
            id=id_,
            # The 128 bits of the golden ratio, an odd number: distinct ids stay distinct.
            hex=f"{int(id_) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}",
            slug=not_slug.sub("-", caption[:50].lower()).strip("-") or "image",
            title=caption[:30].replace("/", " ").strip(),
            width=width,
            height=height,
            year=year,
        )
        for pick, id_, caption, width, height, year in rows
    ]


def _hosts(words: Words, rng: np.random.Generator) -> list[str]:
    """Scheme, host and path of each host, in the order of their rank."""
    tail = list(product(words.tail_prefixes, words.tail_first, words.tail_second))
    schemes = _draw(rng, ["http", "https", "https", "https"], len(tail))
    paths = _draw(rng, words.tail_paths, len(tail))
    return [host + path for host, path in words.head_hosts.items()] + [
        f"{schemes[place]}://{''.join(tail[place])}.example{paths[place]}"
        for place in rng.permutation(len(tail)).tolist()
    ]


def _draw(rng: np.random.Generator, values: Sequence[str], count: int) -> list[str]:
    return [values[index] for index in rng.integers(len(values), size=count).tolist()]


def _some(
    rng: np.random.Generator, rows: int, share: float, values: Sequence[str]
) -> list[tuple[int, str]]:
    """A `share` of the rows, each with one of the values."""
    some = np.flatnonzero(rng.random(rows) < share).tolist()
    return list(zip(some, _draw(rng, values, len(some)), strict=True))
