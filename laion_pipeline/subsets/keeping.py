"""The pairs that are kept so far, in a temporary table, and what each step leaves of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb

from laion_pipeline.contract.captions import CAPTION_FACTS
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.releases.release import Release
from laion_pipeline.subsets.conditions import CHOSEN, OF_CAPTIONS, Condition
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.warehouse.connections import literal
from laion_pipeline.warehouse.stores import numbered_valid_pairs

# What a bare pair has: numbers are read much sooner than texts.
_NUMBERS = ("width", "height", "hash", *SCORES)


@dataclass(frozen=True)
class Step:
    """A condition, and how many pairs meet it and all before; scaled up where `about`.

    `sql` is the condition, with `?` for its `values`.
    """

    words: str
    pairs: int
    about: bool = False
    sql: str = ""
    values: Sequence[str] = ()


def counted(
    connection: duckdb.DuckDBPyConnection,
    conditions: Sequence[Condition],
    shards: Sequence[int] = (),
) -> list[Step]:
    """How many valid pairs each condition leaves, in one pass; of some `shards` only if given."""
    where = f" WHERE {_is_of(shards)}" if shards else ""
    found = connection.execute(
        f"SELECT {_reached(conditions)} AS reached, count(*) FROM {_source(conditions)}{where}"
        " GROUP BY reached",
        [value for condition in conditions for value in condition.values],
    ).fetchall()
    left = [
        sum(pairs for reached, pairs in found if reached >= place)
        for place in range(len(conditions) + 1)
    ]
    return [
        Step("valid pairs", left[0]),
        *(
            Step(each.words, pairs, sql=each.sql, values=each.values)
            for each, pairs in zip(conditions, left[1:], strict=True)
        ),
    ]


def _is_of(shards: Sequence[int]) -> str:
    return f"shard_id IN ({', '.join(map(str, shards))})"


def _source(conditions: Sequence[Condition]) -> str:
    """The view to read: DuckDB makes all that `pair_captions` says, also of what is not kept."""
    return "pair_captions" if _on_captions(conditions) else "valid_pairs"


def _on_captions(conditions: Sequence[Condition]) -> bool:
    return any(each.on == "captions" for each in conditions)


def shuffled(release: Release, seed: int) -> str:
    """What puts pairs in an order that is random, and the same every time, as SQL."""
    pair = (
        "coalesce(CAST(hash AS VARCHAR), '')" if "hash" in release.columns else "url || ' ' || text"
    )
    return f"md5({literal(str(seed))} || ' ' || {pair})"


def _place(chosen: SubsetFilter, release: Release, *, bare: bool) -> str:
    """Where a pair stands in the subset's order; the same on every machine and in any year.

    What is random goes by a digest of the seed and the pair's hash; ties go by that too, and pairs
    that are alike in these by all that they have.
    """
    every = ", ".join(f"coalesce(CAST({name} AS VARCHAR), '')" for name in release.columns)
    end, _, score = chosen.order.partition(" ")
    value = {"highest": f"-{score}", "lowest": score}.get(end, "0.0")
    mixed = shuffled(release, chosen.seed)
    last = "''" if bare else f"md5(concat_ws(' ', {every}))"
    return f"{{'by': {value}, 'then': {mixed}, 'last': {last}}}"


def left_by(
    connection: duckdb.DuckDBPyConnection, words: str, kept: str, values: Sequence[str] = ()
) -> Step:
    """What is left in `CHOSEN` where `kept` is true; the others go."""
    connection.execute(f"DELETE FROM {CHOSEN} WHERE ({kept}) IS NOT TRUE", values)
    return Step(words, _rows(connection), sql=kept, values=values)


def _rows(connection: duckdb.DuckDBPyConnection) -> int:
    ((rows,),) = connection.execute(f"SELECT count(*) FROM {CHOSEN}").fetchall()
    return int(rows)


class Kept:
    """The pairs in `CHOSEN`, of which each step leaves some; each may stand for several."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        chosen: SubsetFilter,
        release: Release,
        *,
        bare: bool,
    ) -> None:
        self._connection, self._release, self._bare = connection, release, bare
        self._place = _place(chosen, release, bare=bare)
        self._each = 1.0

    @property
    def every(self) -> int:
        """Of about how many pairs one is kept."""
        return round(self._each)

    def fill(
        self,
        conditions: Sequence[Condition],
        later: Sequence[Condition] = (),
        every: int = 1,
        limit: int | None = None,
        shards: Sequence[int] = (),
    ) -> None:
        """Keep what meets the conditions, and of each how many of the `later` ones it `reached`.

        Of some `shards` only if given, one of `every` by a hash of its place, no more than `limit`.
        """
        facts = "".join(f"{CAPTION_FACTS[name]} AS {name}, " for name in OF_CAPTIONS)
        source = numbered_valid_pairs(self._connection, self._release)
        measured = _on_captions(conditions)
        if measured:
            source = f"SELECT {facts}* FROM ({source})"
        terms = [f"({condition.sql})" for condition in conditions]
        if every > 1:
            terms.append(f"hash(row) % {every} = 0")
        if shards:
            terms.append(_is_of(shards))
        where = f" WHERE {' AND '.join(terms)}" if terms else ""
        kept = f"SELECT * FROM ({source}){where}{f' LIMIT {limit}' if limit else ''}"
        if not measured and (_on_captions(later) or not self._bare):
            kept = f"SELECT {facts}* FROM ({kept})"
        columns = f"row, {', '.join(_NUMBERS)}" if self._bare else "*"
        self._connection.execute(f"DROP TABLE IF EXISTS {CHOSEN}")
        self._connection.execute(
            f"CREATE TEMP TABLE {CHOSEN} AS SELECT {self._place} AS place,"
            f" {_reached(later)} AS reached, {columns} FROM ({kept})",
            [value for condition in [*later, *conditions] for value in condition.values],
        )

    def stand_for(self, pairs: int) -> None:
        """Let those that are kept stand for so many, so that no step can leave more."""
        self._each = max(1.0, pairs / max(1, _rows(self._connection)))

    def reached(self, conditions: Sequence[Condition]) -> Sequence[Step]:
        """What the conditions leave that `fill` was given: the last one first, then the later."""
        found = self._connection.execute(
            f"SELECT reached, count(*) FROM {CHOSEN} GROUP BY reached"
        ).fetchall()
        self._connection.execute(f"DELETE FROM {CHOSEN} WHERE reached < {len(conditions) - 1}")
        return [
            Step(
                each.words,
                sum(pairs for reached, pairs in found if reached >= place),
                sql=each.sql,
                values=each.values,
            )
            for place, each in enumerate(conditions)
        ]

    def step(self, words: str, kept: str = "true", values: Sequence[str] = ()) -> Step:
        """What is left of them where `kept` is true."""
        left = left_by(self._connection, words, kept, values)
        return replace(left, pairs=round(left.pairs * self._each), about=self._each > 1)

    def first(self, limit: int, order: str, pairs: int, *, cut: bool) -> Step:
        """The first ones of the subset; the others are left out where it is to be `cut`."""
        words = f"the first {limit:,}, {order}"
        if not cut:
            return Step(words, min(limit, pairs), self._each > 1 and pairs < limit)
        return self.step(
            words, f"rowid IN (SELECT rowid FROM {CHOSEN} ORDER BY place, rowid LIMIT {limit})"
        )


def _reached(conditions: Sequence[Condition]) -> str:
    """How many conditions a pair meets, in turn."""
    cases = " ".join(
        f"WHEN ({condition.sql}) IS NOT TRUE THEN {place}"
        for place, condition in enumerate(conditions)
    )
    return f"CASE {cases} ELSE {len(conditions)} END" if conditions else "0"
