"""Searching the index: the pairs that are asked for, and what they add up to."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from math import ceil, floor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from laion_pipeline.errors import WarehouseError
from laion_pipeline.explore.asked import PAGE_PAIRS, Asked
from laion_pipeline.explore.index import WHOLE_COLUMNS, IndexFacts, find_index
from laion_pipeline.explore.numbers import double_of, whole_of
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.report import Row
from laion_pipeline.subsets.terms import FOLDED, WORD
from laion_pipeline.text import displayable

if TYPE_CHECKING:
    import tantivy

HOSTS_SHOWN = 10
WORDS_SHOWN = 15
# Of so many pairs, at random, the words are counted.
WORDS_OF = 200
# What more of all pairs have says nothing of some.
COMMON_SHARE = 0.02
_LONGEST_WORD = 40
_REASON_CHARACTERS = 300
_COUNTED = f"""
SELECT word, count(*) AS pairs
FROM (
    SELECT unnest(list_distinct(regexp_extract_all({FOLDED.format("text")}, '{WORD}'))) AS word
    FROM captions
)
WHERE length(word) BETWEEN 2 AND {_LONGEST_WORD}
GROUP BY word
ORDER BY pairs DESC, word
"""


@dataclass(frozen=True)
class Counted:
    """A host or a word, and how many pairs have it."""

    name: str
    pairs: int


@dataclass(frozen=True)
class Found:
    """What was found: how many `pairs`, and the `rows` of one page of them.

    `ordered` are those that have the score which they are ordered by. `hosts` are the commonest of
    all that were found, `words` those of `words_of` of them. Finding them took `seconds`.
    """

    pairs: int
    ordered: int
    rows: Sequence[Row]
    hosts: Sequence[Counted]
    words: Sequence[Counted]
    words_of: int
    seconds: float

    @property
    def pages(self) -> int:
        """How many pages of them there are."""
        return -(-self.ordered // PAGE_PAIRS)


class Explorer:
    """Opens the index in the folder `place`: always the last one that was made."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._opened: Look | None = None
        self._opening = Lock()

    def look(self) -> "Look | None":
        """A look at the index; None while there is none.

        Raises WarehouseError when it cannot be read.
        """
        with self._opening:
            facts = find_index(self._place)
            if facts is None:
                self._opened = None
            elif self._opened is None or self._opened.facts != facts:
                self._opened = Look(facts, self._place / facts.version)
            return self._opened


class Look:
    """An index that is open: of the same pairs, whatever is made meanwhile."""

    def __init__(self, facts: IndexFacts, folder: Path) -> None:
        import tantivy

        self.facts, self._folder = facts, folder
        with self._read():
            index = tantivy.Index.open(str(folder))
            self._schema, self._searcher = index.schema, index.searcher()

    def find(self, asked: Asked) -> Found:
        """What is asked for.

        Raises WarehouseError when the index cannot be read.
        """
        began = time.monotonic()
        with self._read():
            return self._find(asked, began)

    @contextmanager
    def _read(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError) as error:  # what the index makes of whatever is wrong
            raise WarehouseError(
                f"{self._folder}: the search index cannot be read:"
                f" {displayable(str(error), _REASON_CHARACTERS)}; delete this folder, and make it"
                " again",
                needs=["search_index"],
            ) from error

    def _find(self, asked: Asked, began: float) -> Found:
        from tantivy import Order, Query

        query = self._query(asked)
        ordered = query
        if asked.score:
            ordered = query.and_must_match(Query.exists_query(asked.score))
        found = self._searcher.search(
            ordered,
            PAGE_PAIRS,
            order_by_field=asked.score or "place",
            order=Order.Desc if asked.order.startswith("highest") else Order.Asc,
            offset=PAGE_PAIRS * (asked.page - 1),
        )
        some = self._searcher.search(query, WORDS_OF, order_by_field="place", order=Order.Asc)
        sample = self._captions([address for _, address in some.hits])
        return Found(
            pairs=_count(some),
            ordered=_count(found),
            rows=self._rows([address for _, address in found.hits]),
            hosts=self._hosts(query),
            words=self._words(sample, asked),
            words_of=len(sample),
            seconds=time.monotonic() - began,
        )

    def _query(self, asked: Asked) -> "tantivy.Query":
        from tantivy import Occur, Query

        parts = [(Occur.Must, Query.all_query())]
        parts += [(Occur.Must, self._word(word)) for word in asked.words]
        parts += [(Occur.MustNot, self._word(word)) for word in asked.without]
        for name, kept in asked.ranges.items():
            parts.append((Occur.Must, self._range(name, kept)))
        if asked.host:
            pattern = rf"([^ ]*\.)?{re.escape(asked.host)}"
            parts.append((Occur.Must, Query.regex_query(self._schema, "host", pattern)))
        return Query.boolean_query(parts)

    def _word(self, word: str) -> "tantivy.Query":
        from tantivy import Query

        return Query.term_query(self._schema, "words", word, "basic")

    def _range(self, name: str, kept: Interval) -> "tantivy.Query":
        from tantivy import FieldType, Query

        is_score = name not in WHOLE_COLUMNS
        low, high = kept.at_least, kept.at_most
        return Query.range_query(
            self._schema,
            name,
            FieldType.Integer,
            None if low is None else whole_of(low) if is_score else ceil(low),
            None if high is None else whole_of(high) if is_score else floor(high),
        )

    def _rows(self, addresses: "Sequence[tantivy.DocAddress]") -> Sequence[Row]:
        """What the pairs at these addresses have."""
        columns: dict[str, Sequence[object]] = {}
        for name in WHOLE_COLUMNS:
            columns[name] = self._searcher.fast_field_values(name, list(addresses))
        for name in self.facts.scores:
            wholes = self._searcher.fast_field_values(name, list(addresses))
            columns[name] = [None if whole is None else double_of(int(whole)) for whole in wholes]
        columns["shard"] = [self.facts.shards.get(int(str(shard))) for shard in columns["shard"]]
        documents = [self._searcher.doc(address) for address in addresses]
        for name in ("url", "text"):
            columns[name] = [bytes(each.get_first(name) or b"").decode() for each in documents]
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _captions(self, addresses: "Sequence[tantivy.DocAddress]") -> Sequence[str]:
        documents = (self._searcher.doc(address) for address in addresses)
        return [bytes(each.get_first("text") or b"").decode() for each in documents]

    def _hosts(self, query: "tantivy.Query") -> Sequence[Counted]:
        wanted = {"hosts": {"terms": {"field": "host", "size": HOSTS_SHOWN}}}
        found = self._searcher.aggregate(query, wanted)["hosts"]["buckets"]
        return [Counted(each["key"], each["doc_count"]) for each in found]

    def _words(self, captions: Sequence[str], asked: Asked) -> Sequence[Counted]:
        """The commonest words of captions, but for those asked for and those that many have."""
        most = COMMON_SHARE * self.facts.pairs
        telling = (
            each
            for each in _counted(captions)
            if each.name not in asked.words and self._searcher.doc_freq("words", each.name) <= most
        )
        return list(islice(telling, WORDS_SHOWN))


def _count(found: "tantivy.SearchResult") -> int:
    """How many there are in all, of which a page was searched."""
    return int(found.count)  # type: ignore[attr-defined]  # which its stub leaves out


def _counted(captions: Sequence[str]) -> Iterator[Counted]:
    """The words of captions, the commonest first, each counted once a caption."""
    with duckdb.connect() as connection:
        connection.register("captions", pa.table({"text": pa.array(captions, pa.string())}))
        for word, pairs in connection.execute(_COUNTED).fetchall():
            yield Counted(word, pairs)
