"""What is asked for: words, ranges of scores, a host and an order, as the page's form has them."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import duckdb
from pydantic import ValidationError

from laion_pipeline.common.toml_files import first_problem
from laion_pipeline.errors import SettingsError
from laion_pipeline.explore.index import IndexFacts
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.subsets.filter import ORDERS
from laion_pipeline.subsets.terms import FOLDED, WORD
from laion_pipeline.text import displayable

PAGE_PAIRS = 50
# Whoever looks further than this wants a subset.
MOST_PAGES = 200
SIDE = "shortest_side"
SAFE = 0.1
_RANDOM = ORDERS[0]
_MOST_CHARACTERS = 500
_HOST = re.compile(r"[^\s/?#@\\:]{1,253}")
_WORDS = f"SELECT regexp_extract_all({FOLDED.format('?')}, '{WORD}')"


@dataclass(frozen=True)
class Asked:
    """Which pairs are asked for: those with all `words`, none of `without`, within all `ranges`.

    Words are without case and accents. `host` stands for itself and all below it. `page` counts
    from 1, in `order`.
    """

    words: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    ranges: Mapping[str, Interval] = field(default_factory=dict)
    host: str = ""
    order: str = _RANDOM
    page: int = 1

    @classmethod
    def read(cls, given: Mapping[str, str], facts: IndexFacts) -> Self:
        """What a form says of the pairs of an index; without `punsafe_to`, what is safe.

        Raises SettingsError naming the field that is wrong.
        """
        text = given.get("words", "")
        if len(text) > _MOST_CHARACTERS:
            raise SettingsError(f"words: should be no more than {_MOST_CHARACTERS} characters")
        pieces = text.split()
        host = given.get("host", "").strip().lower().removesuffix(".")
        if host and not _HOST.fullmatch(host):
            raise SettingsError(f"host: {displayable(host, 100)} is not the name of a host")
        order = given.get("order") or _RANDOM
        orders = orders_of(facts)
        if order not in orders:
            raise SettingsError(f"order: should be one of {', '.join(orders)}")
        page = given.get("page") or "1"
        if not re.fullmatch(r"[0-9]{1,4}", page) or not 1 <= int(page) <= MOST_PAGES:
            raise SettingsError(f"page: should be from 1 to {MOST_PAGES}")
        return cls(
            words=_folded(piece for piece in pieces if not piece.startswith("-")),
            without=_folded(piece for piece in pieces if piece.startswith("-")),
            ranges=_ranges({"punsafe_to": f"{SAFE:g}", **given}, facts),
            host=host,
            order=order,
            page=int(page),
        )

    @property
    def score(self) -> str:
        """The score that they are ordered by; '' where that is random."""
        return self.order.partition(" ")[2]

    def toml(self, facts: IndexFacts) -> str:
        """The file of a subset that has just these pairs; '' where nothing was asked for."""
        fields: dict[str, Any] = {"caption_all": self.words, "caption_none": self.without}
        fields |= {name: self.ranges[name] for name in (*facts.scores, SIDE) if name in self.ranges}
        fields |= {"hosts_allowed": [self.host] if self.host else []}
        conditions = {name: value for name, value in fields.items() if value}
        if conditions.get("punsafe") == Interval(at_most=SAFE):
            del conditions["punsafe"]  # as it is without
        if not conditions:
            return ""
        if "punsafe" not in self.ranges:
            conditions["punsafe"] = "any"
        return "".join(
            f"{name} = {_toml(value)}\n"
            for name, value in {**conditions, "order": self.order}.items()
        )


def orders_of(facts: IndexFacts) -> Sequence[str]:
    """How the pairs of an index may be ordered."""
    return [each for each in ORDERS if each == _RANDOM or each.split()[1] in facts.scores]


def _folded(pieces: Iterable[str]) -> tuple[str, ...]:
    """The words of pieces of text, each once, as captions are compared."""
    with duckdb.connect() as connection:
        ((words,),) = connection.execute(_WORDS, [" ".join(pieces)]).fetchall()
    return tuple(dict.fromkeys(words))


def _ranges(given: Mapping[str, str], facts: IndexFacts) -> Mapping[str, Interval]:
    found = {}
    for name in (*facts.scores, SIDE):
        low, high = (_number(given.get(f"{name}{end}", ""), name) for end in ("_from", "_to"))
        if low is None and high is None:
            continue
        try:
            found[name] = Interval(at_least=low, at_most=high)
        except ValidationError as error:
            raise SettingsError(f"{name}: {first_problem(error).what}") from error
    return found


def _number(text: str, name: str) -> float | None:
    if not text.strip():
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise SettingsError(f"{name}: {displayable(text, 50)} is not a number")
    return number


def _toml(value: object) -> str:
    if isinstance(value, Interval):
        bounds = value.model_dump(exclude_none=True)
        return f"{{ {', '.join(f'{end} = {bound!r}' for end, bound in bounds.items())} }}"
    return json.dumps(value, ensure_ascii=False)
