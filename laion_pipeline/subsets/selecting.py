"""Selecting the pairs of a subset: step by step, with what each step leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from laion_pipeline.errors import SettingsError
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.releases.release import Release
from laion_pipeline.subsets.conditions import CHOSEN, Condition, conditions_of
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.host_consent import HostConsent
from laion_pipeline.subsets.keeping import Kept, Step, counted

_KEYS = {
    "url": "url",
    "hash": "coalesce(CAST(hash AS VARCHAR), url)",
    "caption": r"lower(strip_accents(trim(regexp_replace(text, '\s+', ' ', 'g'))))",
}
# Of many pairs, texts are searched in one shard of so many only, where there are enough of them...
_ONE_SHARD_IN = 16
_FEWEST_SHARDS = 4
# ... and so many pairs found, so that their number is right to some 3 %.
_TELLING = 1_000


@dataclass(frozen=True)
class Selected:
    """What a filter chose for the subset `name`, and what every step of it left.

    In `CHOSEN` is one pair of `every` that the last step left; `limit` is that of the subset where
    they are not cut to it. Where they are `bare`, it has their numbers only, and in `row` where
    they are in `pairs`. `recorded` is what a manifest has of the filter, `formats` and `train_size`
    are the filter's. `consent` is what hosts said, where they were asked.
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
    consent: HostConsent | None = None

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

    If there would be more than `most_rows`, only a part of them: those of some shards, or a quarter
    of that, by a hash of their place; lists of opt-outs and repeats are then counted in that part,
    and where it is of some shards, what the texts leave, too. From `bare_from` on, after the
    conditions on numbers, only numbers are kept, unless more is needed to choose: reading addresses
    and captions takes longest.

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
    steps = counted(connection, numbers)
    bare = (
        bare_from is not None
        and steps[-1].pairs >= bare_from
        and not lists
        and not chosen.dedupe
        and "hash" in release.columns
    )
    kept = Kept(connection, chosen, release, bare=bare)
    if most_rows and steps[-1].pairs > most_rows:
        steps = _fill_with_part(connection, kept, steps, numbers, texts, most_rows)
    else:
        steps += _fill_with_all(kept, numbers, texts)
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


def _fill_with_all(
    kept: Kept, numbers: Sequence[Condition], texts: Sequence[Condition], limit: int | None = None
) -> Sequence[Step]:
    """Keep what meets all conditions, reading texts just once; what each on texts leaves.

    With more than `limit` pairs after the first of them, some pairs, and what that one leaves.
    """
    kept.fill([*numbers, *texts[:1]], texts[1:], limit=limit and limit + 1)
    return kept.reached(texts)


def _fill_with_part(
    connection: duckdb.DuckDBPyConnection,
    kept: Kept,
    steps: Sequence[Step],
    numbers: Sequence[Condition],
    texts: Sequence[Condition],
    most_rows: int,
) -> list[Step]:
    """Keep a part of what meets all conditions; what each leaves, after `steps` on numbers."""
    shards = _some_shards(connection) if texts else ()
    part = counted(connection, [*numbers, *texts], shards) if shards else []
    if part and part[-1].pairs >= _TELLING:
        scale = steps[-1].pairs / part[len(numbers)].pairs
        every = _thinned(part[-1].pairs, most_rows)
        kept.fill([*numbers, *texts], every=every, shards=shards)
        found = part[len(numbers) + 1 :]
        steps = [*steps, *(replace(s, pairs=round(s.pairs * scale), about=True) for s in found)]
        kept.stand_for(steps[-1].pairs)
        return steps
    if texts:
        left = _fill_with_all(kept, numbers, texts, most_rows)
        if left[0].pairs <= most_rows:
            return [*steps, *left]
        steps = counted(connection, [*numbers, *texts])
    kept.fill([*numbers, *texts], every=_thinned(steps[-1].pairs, most_rows))
    kept.stand_for(steps[-1].pairs)
    return list(steps)


def _thinned(pairs: int, most_rows: int) -> int:
    """Of how many pairs one is kept, so that there are not too many."""
    return -(-4 * pairs // most_rows) if pairs > most_rows else 1


def _some_shards(connection: duckdb.DuckDBPyConnection) -> Sequence[int]:
    """One in so many shards, from the first to the last; none where that would be too few."""
    held = connection.execute("SELECT shard_id FROM shards ORDER BY shard_id").fetchall()
    some = [shard_id for (shard_id,) in held[::_ONE_SHARD_IN]]
    return some if len(some) >= _FEWEST_SHARDS else ()


def _require(chosen: SubsetFilter, release: Release) -> None:
    score = chosen.order.rpartition(" ")[2]
    if score in SCORES and (lacking := release.lacks(score)):
        raise SettingsError(f"order: {chosen.order}: not with {release.name}: {lacking}")
    if "hash" in chosen.dedupe and (lacking := release.lacks("hash")):
        raise SettingsError(f"dedupe: hash: not with {release.name}: {lacking}")


def _first_of(key: str) -> str:
    """That a pair is the first, in the subset's order, of those with the same key."""
    return (
        f"rowid IN (SELECT rowid FROM {CHOSEN}"
        f" QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY place, rowid) = 1)"
    )
