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

_KEYS = {
    "url": "url",
    "hash": "coalesce(CAST(hash AS VARCHAR), url)",
    "caption": r"lower(strip_accents(trim(regexp_replace(text, '\s+', ' ', 'g'))))",
}


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
    they are not cut to it. `recorded` is what a manifest has of the filter, `formats` and
    `train_size` are the filter's.
    """

    name: str
    order: str
    recorded: Mapping[str, Any]
    steps: Sequence[Step]
    formats: Sequence[str]
    train_size: int
    every: int = 1
    limit: int | None = None

    @property
    def pairs(self) -> int:
        """How many pairs the subset has."""
        return self.steps[-1].pairs


def select(
    connection: duckdb.DuckDBPyConnection,
    chosen: SubsetFilter,
    release: Release,
    most_rows: int | None = None,
) -> Selected:
    """Put the pairs that a filter keeps into the temporary table `CHOSEN`.

    If there would be more than `most_rows`, only a part of them, by their hash, of a quarter of
    that; lists of opt-outs and repeats are then counted in that part.

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
    # With the first on texts at once, so that not all that the numbers leave need be kept.
    at_once, later, every = texts[:1], texts[1:], 1
    place = _place(chosen, release)
    # Reading texts takes longest. Where they leave few, as they mostly do, it is done just once.
    if not most_rows or texts or steps[-1].pairs <= most_rows:
        _keep(connection, [*numbers, *at_once], place, limit=most_rows and most_rows + 1)
    if most_rows and (not texts or _rows(connection) > most_rows) and steps[-1].pairs > most_rows:
        steps, at_once, later = _counted(connection, [*numbers, *texts]), texts, []
        every = max(1, -(-4 * steps[-1].pairs // most_rows))
        _keep(connection, [*numbers, *at_once], place, every)
    kept = _Kept(connection, every)
    if later or len(steps) == 1 + len(numbers):  # else that was counted
        steps += [kept.step(each.words, each.sql, each.values) for each in at_once]
    steps += [kept.step(each.words, each.sql, each.values) for each in [*later, *lists]]
    steps += [kept.step(f"one a {key}", _first_of(_KEYS[key])) for key in chosen.dedupe]
    if chosen.limit is not None:
        steps.append(kept.first(chosen.limit, chosen.order, steps[-1].pairs))
    order = f"random with seed {chosen.seed}" if chosen.order == "random" else chosen.order
    uncut = chosen.limit if every > 1 else None
    recorded, formats = chosen.recorded(), chosen.formats
    return Selected(chosen.name, order, recorded, steps, formats, chosen.train_size, every, uncut)


def _require(chosen: SubsetFilter, release: Release) -> None:
    score = chosen.order.rpartition(" ")[2]
    if score in SCORES and (lacking := release.lacks(score)):
        raise SettingsError(f"order: {chosen.order}: not with {release.name}: {lacking}")
    if "hash" in chosen.dedupe and (lacking := release.lacks("hash")):
        raise SettingsError(f"dedupe: hash: not with {release.name}: {lacking}")


def _counted(connection: duckdb.DuckDBPyConnection, conditions: Sequence[Condition]) -> list[Step]:
    """How many valid pairs each condition leaves, in one pass."""
    cases = " ".join(
        f"WHEN ({condition.sql}) IS NOT TRUE THEN {place}"
        for place, condition in enumerate(conditions)
    )
    reached = f"CASE {cases} ELSE {len(conditions)} END" if conditions else "0"
    values = [value for condition in conditions for value in condition.values]
    found = connection.execute(
        f"SELECT {reached} AS reached, count(*) FROM {_source(conditions)} GROUP BY reached", values
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


def _keep(
    connection: duckdb.DuckDBPyConnection,
    conditions: Sequence[Condition],
    place: str,
    every: int = 1,
    limit: int | None = None,
) -> None:
    terms = [f"({condition.sql})" for condition in conditions]
    if every > 1:
        terms.append(f"hash(url) % {every} = 0")
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    values = [value for condition in conditions for value in condition.values]
    connection.execute(f"DROP TABLE IF EXISTS {CHOSEN}")
    source, facts = _source(conditions), ", ".join(CAPTION_FACTS)
    columns = "*" if source == "valid_pairs" else f"* EXCLUDE ({facts})"
    measured = ", ".join(f"{CAPTION_FACTS[name]} AS {name}" for name in OF_CAPTIONS)
    connection.execute(
        f"CREATE TEMP TABLE {CHOSEN} AS SELECT {place} AS place, {measured}, *"
        f" FROM (SELECT {columns} FROM {source}{where}{f' LIMIT {limit}' if limit else ''})",
        values,
    )


def _source(conditions: Sequence[Condition]) -> str:
    """The view to read: DuckDB makes all that `pair_captions` says, also of what is not kept."""
    return "pair_captions" if any(each.on == "captions" for each in conditions) else "valid_pairs"


def _rows(connection: duckdb.DuckDBPyConnection) -> int:
    ((rows,),) = connection.execute(f"SELECT count(*) FROM {CHOSEN}").fetchall()
    return int(rows)


def _place(chosen: SubsetFilter, release: Release) -> str:
    """Where a pair stands in the subset's order; the same on every machine and in any year.

    What is random goes by a digest of the seed and the pair; ties go by that too, and pairs that
    are alike in these by all that they have.
    """
    mixed = f"md5({literal(str(chosen.seed))} || ' ' || url || ' ' || text)"
    every = ", ".join(f"coalesce(CAST({name} AS VARCHAR), '')" for name in release.columns)
    end, _, score = chosen.order.partition(" ")
    value = {"highest": f"-{score}", "lowest": score}.get(end, "0.0")
    return f"{{'by': {value}, 'then': {mixed}, 'last': md5(concat_ws(' ', {every}))}}"


class _Kept:
    """The pairs in `CHOSEN`, of which each step leaves some."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, every: int) -> None:
        self._connection, self._every = connection, every

    def step(self, words: str, kept: str = "true", values: Sequence[str] = ()) -> Step:
        self._connection.execute(f"DELETE FROM {CHOSEN} WHERE ({kept}) IS NOT TRUE", values)
        rows = _rows(self._connection) * self._every
        return Step(words, rows, self._every > 1, kept, values)

    def first(self, limit: int, order: str, pairs: int) -> Step:
        words = f"the first {limit:,}, {order}"
        if self._every > 1:
            return Step(words, min(limit, pairs))
        return self.step(
            words, f"rowid IN (SELECT rowid FROM {CHOSEN} ORDER BY place, rowid LIMIT {limit})"
        )


def _first_of(key: str) -> str:
    """That a pair is the first, in the subset's order, of those with the same key."""
    return (
        f"rowid IN (SELECT rowid FROM {CHOSEN}"
        f" QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY place, rowid) = 1)"
    )
