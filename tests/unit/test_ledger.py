"""Planning: every listed shard gets one id, keeps it, and is read only when it must be."""

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from laion_pipeline.sources.shards import Listing, Shard
from laion_pipeline.warehouse.ledger import Entry, Plan, plan_changes

Ledger = Mapping[str, Entry]

# Few paths and contents, so that shards are renamed, swapped and copied often.
PATHS = st.sampled_from("abcdefgh")
CONTENTS = st.sampled_from("pqrst")
LISTINGS = st.dictionaries(PATHS, CONTENTS, max_size=8)
LEDGERS = st.tuples(LISTINGS, st.permutations(range(12))).map(
    lambda drawn: {
        path: Entry(number, Shard(path, content, 1))
        for (path, content), number in zip(drawn[0].items(), drawn[1], strict=False)
    }
)


# Three shards of the same content, of which two are renamed and one is gone.
COPIES = {path: Entry(number, Shard(path, "p", 1)) for number, path in enumerate("abc")}
RENAMED = {"d": "p", "e": "p"}


def listing(contents: Mapping[str, str]) -> Listing:
    shards = tuple(Shard(path, content, 1) for path, content in sorted(contents.items()))
    return Listing("sample", "r", "a test", False, Path(), shards)


def contents_of(ledger: Ledger) -> dict[str, str]:
    return {path: entry.shard.sha256 for path, entry in ledger.items()}


def ids_of(entries: Iterable[Entry]) -> dict[str, int]:
    return {entry.shard.path: entry.shard_id for entry in entries}


def shuffled(ledger: Ledger, seed: int) -> Ledger:
    entries = list(ledger.items())
    random.Random(seed).shuffle(entries)
    return dict(entries)


def loaded(ledger: Ledger, entries: Sequence[Entry]) -> Ledger:
    """What the ledger says once the rows of `entries` are in, in place of older ones."""
    ids = {entry.shard_id for entry in entries}
    kept = {path: entry for path, entry in ledger.items() if entry.shard_id not in ids}
    return kept | {entry.shard.path: entry for entry in entries}


def applied(ledger: Ledger, plan: Plan) -> Ledger:
    """What the ledger says once all of a plan is done."""
    present = loaded(ledger, plan.to_load)
    gone = {entry.shard_id for entry in (*plan.removed, *plan.unchanged)}
    kept = [entry for entry in present.values() if entry.shard_id not in gone]
    return {entry.shard.path: entry for entry in (*kept, *plan.unchanged)}


@given(LEDGERS, LISTINGS)
def test_every_listed_shard_is_in_just_one_group(ledger: Ledger, wanted: dict[str, str]) -> None:
    plan = plan_changes(listing(wanted), ledger)
    planned = [*plan.new, *plan.changed, *plan.unchanged]
    assert sorted(entry.shard.path for entry in planned) == sorted(wanted)
    assert all(entry.shard.sha256 == wanted[entry.shard.path] for entry in planned)


@given(LEDGERS, LISTINGS)
def test_ids_are_unique_and_no_id_is_taken_over(ledger: Ledger, wanted: dict[str, str]) -> None:
    plan = plan_changes(listing(wanted), ledger)
    used = [entry.shard_id for entry in (*plan.new, *plan.changed, *plan.unchanged, *plan.removed)]
    assert len(set(used)) == len(used)
    assert {entry.shard_id for entry in plan.new}.isdisjoint(ids_of(ledger.values()).values())


@given(LEDGERS, LISTINGS)
def test_a_shard_at_its_path_keeps_its_id(ledger: Ledger, wanted: dict[str, str]) -> None:
    plan = plan_changes(listing(wanted), ledger)
    before = ids_of(ledger.values())
    stayed = wanted.keys() & ledger.keys()
    same = {path for path in stayed if ledger[path].shard.sha256 == wanted[path]}
    assert {p: i for p, i in ids_of(plan.unchanged).items() if p in stayed} == {
        path: before[path] for path in same
    }
    assert ids_of(plan.changed) == {path: before[path] for path in stayed - same}


@given(LEDGERS, LISTINGS)
@example(COPIES, RENAMED)
def test_renamed_content_is_never_read_again(ledger: Ledger, wanted: dict[str, str]) -> None:
    plan = plan_changes(listing(wanted), ledger)
    appeared = [content for path, content in wanted.items() if path not in ledger]
    gone = [entry.shard.sha256 for path, entry in ledger.items() if path not in wanted]
    for content in {*appeared, *gone}:
        moved = min(appeared.count(content), gone.count(content))
        new = [entry for entry in plan.new if entry.shard.sha256 == content]
        removed = [entry for entry in plan.removed if entry.shard.sha256 == content]
        assert len(new) == appeared.count(content) - moved
        assert len(removed) == gone.count(content) - moved
    contents = {entry.shard_id: entry.shard.sha256 for entry in ledger.values()}
    for entry in plan.unchanged:
        assert contents[entry.shard_id] == entry.shard.sha256


@given(LEDGERS, LISTINGS)
def test_what_has_gone_is_removed(ledger: Ledger, wanted: dict[str, str]) -> None:
    plan = plan_changes(listing(wanted), ledger)
    assert set(plan.removed) <= set(ledger.values())
    assert all(entry.shard.path not in wanted for entry in plan.removed)


@given(LEDGERS, LISTINGS)
def test_a_plan_done_gives_the_listing_and_leaves_nothing_to_do(
    ledger: Ledger, wanted: dict[str, str]
) -> None:
    after = applied(ledger, plan_changes(listing(wanted), ledger))
    assert contents_of(after) == wanted
    again = plan_changes(listing(wanted), after)
    assert (again.new, again.changed, again.removed) == ((), (), ())
    assert ids_of(again.unchanged) == ids_of(after.values())


@given(LEDGERS, LISTINGS, st.lists(st.integers(0, 8), max_size=3), st.integers(0, 99))
@example(COPIES, RENAMED, [], 0)
def test_interrupted_loads_end_with_the_same_ids(
    ledger: Ledger, wanted: dict[str, str], stops: list[int], seed: int
) -> None:
    target = listing(wanted)
    whole = ids_of(applied(ledger, plan_changes(target, ledger)).values())
    for stop in stops:
        ledger = loaded(ledger, plan_changes(target, ledger).to_load[:stop])
    assert ids_of(applied(ledger, plan_changes(target, ledger)).values()) == whole
    # DuckDB gives the ledger's rows in any order.
    mixed = shuffled(ledger, seed)
    assert ids_of(applied(mixed, plan_changes(target, mixed)).values()) == whole


@given(LISTINGS)
def test_a_first_load_counts_from_0_in_the_order_of_the_listing(wanted: dict[str, str]) -> None:
    plan = plan_changes(listing(wanted), {})
    assert ids_of(plan.new) == {path: number for number, path in enumerate(sorted(wanted))}
    assert plan.to_load == plan.new


@given(LEDGERS, LISTINGS)
def test_shards_are_read_in_the_order_of_their_ids(ledger: Ledger, wanted: dict[str, str]) -> None:
    plan = plan_changes(listing(wanted), ledger)
    assert set(plan.to_load) == {*plan.new, *plan.changed}
    ids = [entry.shard_id for entry in plan.to_load]
    assert ids == sorted(ids)


def test_new_shards_fill_the_gaps_between_ids() -> None:
    ledger = {path: Entry(id_, Shard(path, path, 1)) for path, id_ in (("a", 1), ("b", 3))}
    plan = plan_changes(listing({"a": "a", "c": "c", "d": "d", "e": "e"}), ledger)
    assert ids_of(plan.new) == {"c": 0, "d": 2, "e": 4}, "3 is not free before b has gone"
    assert str(plan) == "3 new, 0 changed, 1 unchanged, 1 removed"
