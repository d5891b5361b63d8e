"""Selecting the pairs of a subset: step by step, with what each step leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from laion_pipeline.contract.captions import CAPTION_FACTS
from laion_pipeline.errors import SettingsError
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.releases.release import Release
from laion_pipeline.subsets.conditions import CHOSEN, OF_CAPTIONS, Condition, conditions_of
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.warehouse.connections import literal
from laion_pipeline.warehouse.views import valid_pairs_query

_KEYS = {
    "url": "url",
    "hash": "coalesce(CAST(hash AS VARCHAR), url)",
    "caption": r"lower(strip_accents(trim(regexp_replace(text, '\s+', ' ', 'g'))))",
}
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


@dataclass(frozen=True)
class Selected:
    """What a filter chose for the subset `name`, and what every step of it left.

    In `CHOSEN` is one pair of `every` that the last step left; `limit` is that of the subset where
    they are not cut to it. Where they are `bare`, it has their numbers only, and in `row` where
    they are in `pairs`. `recorded` is what a manifest has of the filter, `formats` and `train_size`
    are the filter's.
    """

    name: str
    order: str
    recorded: Mapping[str, Any]
    steps: Sequence[Step]
    formats: Sequence[str]
    train_size: int
    every: int = 1
    limit: int | None = None
    bare: bool = False

    @property
    def pairs(self) -> int:
        """How many pairs the subset has."""
        return self.steps[-1].pairs


def select(
    connection: duckdb.DuckDBPyConnection,
    chosen: SubsetFilter,
    release: Release,
    most_rows: int | None = None,
    bare_from: int | None = None,
) -> Selected:
    """Put the pairs that a filter keeps into the temporary table `CHOSEN`.

    If there would be more than `most_rows`, only a part of them, by a hash of their place, of a
    quarter of that; lists of opt-outs and repeats are then counted in that part. From `bare_from`
    on, after the conditions on numbers, only numbers are kept, unless more is needed to choose:
    reading addresses and captions takes longest.

    Raises SettingsError where the filter is not for this release.
    """
    _require(chosen, release)
    conditions = conditions_of(chosen, release, connection)
    for condition in conditions:
        for name, table in condition.lists.items():
            connection.register(name, table)
    numbers = [each for each in conditions if each.on == "numbers"]
    texts = [each for each in conditions if each.on in ("texts", "captions")]
    lists = [each for each in conditions if each.on == "lists"]
    steps = _counted(connection, numbers)
    bare = (
        bare_from is not None
        and steps[-1].pairs >= bare_from
        and not lists
        and not chosen.dedupe
        and "hash" in release.columns
    )
    kept = _Kept(connection, chosen, release, bare=bare)
    # Reading texts takes longest. Where they leave few, as they mostly do, it is done just once.
    if not most_rows or texts or steps[-1].pairs <= most_rows:
        kept.fill([*numbers, *texts[:1]], texts[1:], limit=most_rows and most_rows + 1)
        steps += kept.reached(texts)
    if most_rows and steps[len(numbers) + bool(texts)].pairs > most_rows:
        if texts:
            steps = _counted(connection, [*numbers, *texts])
        every = max(1, -(-4 * steps[-1].pairs // most_rows))
        kept.fill([*numbers, *texts], every=every)
    steps += [kept.step(each.words, each.sql, each.values) for each in lists]
    steps += [kept.step(f"one a {key}", _first_of(_KEYS[key])) for key in chosen.dedupe]
    uncut = chosen.limit if kept.every > 1 or bare else None
    if chosen.limit is not None:
        steps.append(kept.first(chosen.limit, chosen.order, steps[-1].pairs, cut=uncut is None))
    order = f"random with seed {chosen.seed}" if chosen.order == "random" else chosen.order
    return Selected(
        chosen.name, order, chosen.recorded(), steps, chosen.formats, chosen.train_size,
        kept.every, uncut, bare,
    )  # fmt: skip


def _require(chosen: SubsetFilter, release: Release) -> None:
    score = chosen.order.rpartition(" ")[2]
    if score in SCORES and (lacking := release.lacks(score)):
        raise SettingsError(f"order: {chosen.order}: not with {release.name}: {lacking}")
    if "hash" in chosen.dedupe and (lacking := release.lacks("hash")):
        raise SettingsError(f"dedupe: hash: not with {release.name}: {lacking}")


def _counted(connection: duckdb.DuckDBPyConnection, conditions: Sequence[Condition]) -> list[Step]:
    """How many valid pairs each condition leaves, in one pass."""
    found = connection.execute(
        f"SELECT {_reached(conditions)} AS reached, count(*) FROM {_source(conditions)}"
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


def _source(conditions: Sequence[Condition]) -> str:
    """The view to read: DuckDB makes all that `pair_captions` says, also of what is not kept."""
    return "pair_captions" if _on_captions(conditions) else "valid_pairs"


def _on_captions(conditions: Sequence[Condition]) -> bool:
    return any(each.on == "captions" for each in conditions)


def _place(chosen: SubsetFilter, release: Release, *, bare: bool) -> str:
    """Where a pair stands in the subset's order; the same on every machine and in any year.

    What is random goes by a digest of the seed and the pair's hash; ties go by that too, and pairs
    that are alike in these by all that they have.
    """
    pair = (
        "coalesce(CAST(hash AS VARCHAR), '')" if "hash" in release.columns else "url || ' ' || text"
    )
    every = ", ".join(f"coalesce(CAST({name} AS VARCHAR), '')" for name in release.columns)
    end, _, score = chosen.order.partition(" ")
    value = {"highest": f"-{score}", "lowest": score}.get(end, "0.0")
    mixed = f"md5({literal(str(chosen.seed))} || ' ' || {pair})"
    last = "''" if bare else f"md5(concat_ws(' ', {every}))"
    return f"{{'by': {value}, 'then': {mixed}, 'last': {last}}}"


class _Kept:
    """The pairs in `CHOSEN`, one of `every` that there are, of which each step leaves some."""

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
        self.every = 1

    def fill(
        self,
        conditions: Sequence[Condition],
        later: Sequence[Condition] = (),
        every: int = 1,
        limit: int | None = None,
    ) -> None:
        """Keep what meets the conditions, and of each how many of the `later` ones it `reached`."""
        self.every = every
        facts = "".join(f"{CAPTION_FACTS[name]} AS {name}, " for name in OF_CAPTIONS)
        source = valid_pairs_query(self._release, "rowid AS row")
        measured = _on_captions(conditions)
        if measured:
            source = f"SELECT {facts}* FROM ({source})"
        terms = [f"({condition.sql})" for condition in conditions]
        if every > 1:
            terms.append(f"hash(row) % {every} = 0")
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
        self._connection.execute(f"DELETE FROM {CHOSEN} WHERE ({kept}) IS NOT TRUE", values)
        ((rows,),) = self._connection.execute(f"SELECT count(*) FROM {CHOSEN}").fetchall()
        return Step(words, rows * self.every, self.every > 1, kept, values)

    def first(self, limit: int, order: str, pairs: int, *, cut: bool) -> Step:
        """The first ones of the subset; the others are left out where it is to be `cut`."""
        words = f"the first {limit:,}, {order}"
        if not cut:
            return Step(words, min(limit, pairs))
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


def _first_of(key: str) -> str:
    """That a pair is the first, in the subset's order, of those with the same key."""
    return (
        f"rowid IN (SELECT rowid FROM {CHOSEN}"
        f" QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY place, rowid) = 1)"
    )
