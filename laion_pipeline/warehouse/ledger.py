"""The shard ledger: which content the warehouse holds, and so what a listing changes about it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count

import duckdb

from laion_pipeline.sources.shards import Listing, Shard

LEDGER_COLUMNS: Mapping[str, str] = {
    "shard_id": "INTEGER",
    "path": "VARCHAR",
    "revision": "VARCHAR",
    "sha256": "VARCHAR",
    "bytes": "BIGINT",
    "rows": "BIGINT",
    "loaded_at": "TIMESTAMP",
}
_TYPED = ", ".join(f"{name} {type_} NOT NULL" for name, type_ in LEDGER_COLUMNS.items())
LEDGER_DDL = f"CREATE TABLE IF NOT EXISTS shards ({_TYPED}, PRIMARY KEY (shard_id))"


@dataclass(frozen=True)
class Entry:
    """A line of the ledger: a shard whose rows are in `pairs` under `shard_id`."""

    shard_id: int
    shard: Shard


@dataclass(frozen=True)
class Plan:
    """What it takes to make the warehouse hold just the shards of a listing.

    `unchanged` includes shards that only got another path, since their rows are there already.
    """

    new: tuple[Entry, ...]
    changed: tuple[Entry, ...]
    unchanged: tuple[Entry, ...]
    removed: tuple[Entry, ...]

    @property
    def to_load(self) -> tuple[Entry, ...]:
        """The shards whose rows have to be read, in the order of their ids."""
        return tuple(sorted((*self.new, *self.changed), key=lambda entry: entry.shard_id))

    def __str__(self) -> str:
        return (
            f"{len(self.new)} new, {len(self.changed)} changed,"
            f" {len(self.unchanged)} unchanged, {len(self.removed)} removed"
        )


def holds_just(
    connection: duckdb.DuckDBPyConnection, listing: Listing, first: int | None = None
) -> bool:
    """Whether the warehouse holds just the shards of a listing, or just the `first` of them."""
    held = connection.execute("SELECT path, sha256 FROM shards").fetchall()
    return dict(held) == {shard.path: shard.sha256 for shard in listing.shards[:first]}


def plan_changes(listing: Listing, ledger: Mapping[str, Entry]) -> Plan:
    """Compare a listing with the ledger.

    A shard keeps its id as long as its path, or else its content, stays; a new one gets the lowest
    free id in the order of the listing, so that however often loading is interrupted, the same
    shards end with the same ids.
    """
    listed = {shard.path for shard in listing.shards}
    gone: dict[str, list[Entry]] = {}
    for entry in sorted(ledger.values(), key=lambda entry: entry.shard_id, reverse=True):
        if entry.shard.path not in listed:
            gone.setdefault(entry.shard.sha256, []).append(entry)
    unused = _unused_ids(ledger.values())
    new: list[Entry] = []
    changed: list[Entry] = []
    unchanged: list[Entry] = []
    for shard in listing.shards:
        if known := ledger.get(shard.path):
            same = known.shard.sha256 == shard.sha256
            (unchanged if same else changed).append(Entry(known.shard_id, shard))
        elif renamed := gone.get(shard.sha256):
            unchanged.append(Entry(renamed.pop().shard_id, shard))
        else:
            new.append(Entry(next(unused), shard))
    kept = {entry.shard_id for entry in (*changed, *unchanged)}
    removed = tuple(entry for entry in ledger.values() if entry.shard_id not in kept)
    return Plan(tuple(new), tuple(changed), tuple(unchanged), removed)


def _unused_ids(entries: Iterable[Entry]) -> Iterator[int]:
    used = {entry.shard_id for entry in entries}
    return (number for number in count() if number not in used)
