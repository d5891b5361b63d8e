"""Searching the index: the pairs that are asked for, and what they add up to."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil, floor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from laion_pipeline.explore.asked import PAGE_PAIRS, Asked
from laion_pipeline.explore.index import WHOLE_COLUMNS, IndexFacts, find_index
from laion_pipeline.explore.numbers import double_of, whole_of
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.report import Row
from laion_pipeline.subsets.terms import FOLDED, NEITHER

if TYPE_CHECKING:
    import tantivy

HOSTS_SHOWN = 10
WORDS_SHOWN = 15
# Of so many pairs, at random, the words are counted.
WORDS_OF = 1_000
# What more of all pairs have says nothing of some.
COMMON_SHARE = 0.02
_LONGEST_WORD = 40
_COUNTED = f"""
SELECT word, count(*) AS pairs
FROM (
    SELECT unnest(list_distinct(regexp_extract_all({FOLDED.format("text")}, $words))) AS word
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

    facts: IndexFacts
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
    """Searches the index in the folder `place`: always the last one that was made."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._open: tuple[IndexFacts, tantivy.Index] | None = None
        self._opening = Lock()

    def facts(self) -> IndexFacts | None:
        """What the index is of; None while there is none."""
        opened = self._opened()
        return opened and opened[0]

    def find(self, asked: Asked) -> Found | None:
        """What is asked for; None while there is no index."""
        began = time.monotonic()
        opened = self._opened()
        if opened is None:
            return None
        facts, index = opened
        searching = _Searching(facts, index.schema, index.searcher())
        return searching.find(asked, began)

    def _opened(self) -> "tuple[IndexFacts, tantivy.Index] | None":
        import tantivy

        with self._opening:
            facts = find_index(self._place)
            if facts is None:
                self._open = None
            elif self._open is None or self._open[0] != facts:
                self._open = facts, tantivy.Index.open(str(self._place / facts.folder))
            return self._open


class _Searching:
    """One look at an index, all of which is of the same pairs."""

    def __init__(
        self, facts: IndexFacts, schema: "tantivy.Schema", searcher: "tantivy.Searcher"
    ) -> None:
        self._facts, self._schema, self._searcher = facts, schema, searcher

    def find(self, asked: Asked, began: float) -> Found:
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
            facts=self._facts,
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
        for name in self._facts.scores:
            wholes = self._searcher.fast_field_values(name, list(addresses))
            columns[name] = [None if whole is None else double_of(int(whole)) for whole in wholes]
        columns["shard"] = [self._facts.shards.get(int(str(shard))) for shard in columns["shard"]]
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
        most = COMMON_SHARE * self._facts.pairs
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
        found = connection.execute(_COUNTED, {"words": f"{NEITHER.replace('[^', '[')}+"})
        for word, pairs in found.fetchall():
            yield Counted(word, pairs)
