"""Loading: every row of the changed shards into `pairs`, exactly once, with its defects marked.

Each batch of shards is one transaction that replaces their rows and writes the ledger, so that
however a load ends, the warehouse holds whole shards and knows which.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import duckdb

from laion_pipeline.errors import LaionError, ShardError
from laion_pipeline.releases.release import Release
from laion_pipeline.sources.shards import (
    Fetched,
    FileState,
    Listing,
    Shard,
    file_state,
    verified_state,
)
from laion_pipeline.warehouse.connections import Warehouse, transaction
from laion_pipeline.warehouse.ledger import (
    LEDGER_DDL,
    Entry,
    Plan,
    plan_changes,
    read_ledger,
)
from laion_pipeline.warehouse.pairs import create_pairs, keep_to_contract
from laion_pipeline.warehouse.previous import begin_change, forget_previous, keep_replaced
from laion_pipeline.warehouse.provenance import Provenance, record_provenance, withdraw_provenance
from laion_pipeline.warehouse.shard_rows import ShardFile, find_damaged, inspect_shard, select_rows

logger = logging.getLogger(__name__)

# A file has one row group, which is one thread's work: several files a statement keep all busy.
BATCH_SHARDS = 16


@dataclass(frozen=True)
class LoadResult:
    """What a load did, and what the warehouse holds after it."""

    plan: Plan
    rows_loaded: int
    rows: int
    valid_rows: int
    provenance: Provenance


class Supply(Protocol):
    """Brings shards just before they are loaded, and takes them away again."""

    def fetch(self, listing: Listing, shards: Sequence[Shard]) -> Fetched:
        """See that `shards` are in the listing's folder, whole."""

    def discard(self, listing: Listing, shards: Sequence[Shard]) -> None:
        """Delete what `fetch` brought."""


def load_pairs(
    warehouse: Warehouse,
    release: Release,
    listing: Listing,
    supply: Supply | None = None,
    batch_shards: int = BATCH_SHARDS,
) -> LoadResult:
    """Make `pairs` hold just the rows of the listing's shards.

    Without `supply` the shards must be there already. With it each batch is fetched when its turn
    comes, and deleted once it is in the warehouse; a batch that cannot be fetched does not keep the
    others back.

    Raises ShardError or LayoutError for a shard that cannot be loaded: before anything changes
    where its footer tells or it is in the first batch, else with whole batches loaded and no
    provenance until a load succeeds.
    """
    with warehouse.connect(reads_files=True) as connection:
        ledger = read_ledger(connection, release)
        plan = plan_changes(listing, ledger)
        if supply is None:
            for entry in plan.to_load:
                inspect_shard(release, listing, entry)
        _prepare(connection, release, rebuild=not ledger)
        rows_loaded = _load(connection, release, listing, plan.to_load, supply, batch_shards)
        _settle(connection, release, listing, plan)
        if supply is not None:  # what a load that was killed has left
            supply.discard(listing, listing.shards)
        rows, valid_rows = connection.execute(
            "SELECT count(*), count(*) FILTER (defects = 0) FROM pairs"
        ).fetchall()[0]
        provenance = Provenance.read(connection)
    return LoadResult(plan, rows_loaded, rows, valid_rows, provenance)


def _load(
    connection: duckdb.DuckDBPyConnection,
    release: Release,
    listing: Listing,
    entries: Sequence[Entry],
    supply: Supply | None,
    batch_shards: int,
) -> int:
    """Load shards batch by batch; return the number of their rows."""
    rows = 0
    failures: list[LaionError] = []
    for start in range(0, len(entries), batch_shards):
        batch = entries[start : start + batch_shards]
        if supply is not None:
            batch = _supplied(supply, release, listing, batch, failures)
        if batch:
            rows += _load_batch(connection, release, listing, batch)
        if supply is not None:
            supply.discard(listing, [entry.shard for entry in batch])
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ShardError("; ".join(map(str, failures)))
    return rows


def _supplied(
    supply: Supply,
    release: Release,
    listing: Listing,
    batch: Sequence[Entry],
    failures: list[LaionError],
) -> Sequence[Entry]:
    """Fetch a batch; of its shards those that can be loaded, what is wrong with others told."""
    try:
        fetched = {s.path: s for s in supply.fetch(listing, [e.shard for e in batch]).shards}
    except LaionError as error:
        failures.append(error)
        fetched = {}
    ready = []
    for entry in batch:
        if not fetched and not listing.file(entry.shard).is_file():
            continue  # that it is not there has been told
        try:
            shard = fetched.get(entry.shard.path, entry.shard)
            if not fetched:  # what is there may be of before: this verifies it
                (shard,) = supply.fetch(listing, [entry.shard]).shards
            inspect_shard(release, listing, entry)
        except LaionError as error:
            failures.append(error)
        else:
            ready.append(replace(entry, shard=shard))
    return ready


def _prepare(connection: duckdb.DuckDBPyConnection, release: Release, *, rebuild: bool) -> None:
    """Make the tables, and see that those which are there fit the contract and say of what."""
    with transaction(connection):
        if rebuild:
            withdraw_provenance(connection)
            connection.execute("DROP TABLE IF EXISTS shards")
            create_pairs(connection, release)
            forget_previous(connection)
        connection.execute(LEDGER_DDL)
    keep_to_contract(connection, release)


def _load_batch(
    connection: duckdb.DuckDBPyConnection,
    release: Release,
    listing: Listing,
    entries: Sequence[Entry],
) -> int:
    """Load shards in one transaction; return the number of their rows."""
    started = time.monotonic()
    batch = [inspect_shard(release, listing, entry) for entry in entries]
    ids = [entry.shard_id for entry in entries]
    rows = sum(shard.rows for shard in batch)
    what = entries[0].shard.name if len(entries) == 1 else f"{len(entries)} shards"
    logger.info("pairs: loading %s", what)
    states = {entry.shard: verified_state(listing.folder, entry.shard) for entry in entries}
    try:
        with transaction(connection):
            begin_change(connection, made_up=listing.made_up)
            withdraw_provenance(connection)
            _delete(connection, ids)
            # Shards of one statement are read as one table, so they must be laid out alike.
            for layout in dict.fromkeys(shard.layout for shard in batch):
                alike = [shard for shard in batch if shard.layout == layout]
                select, parameters = select_rows(release, layout, alike)
                connection.execute(f"INSERT INTO pairs BY NAME {select}", parameters)
            connection.executemany(
                "INSERT INTO shards VALUES (?, ?, ?, ?, ?, ?, now() AT TIME ZONE 'UTC')",
                [_ledger_row(shard, listing.revision) for shard in batch],
            )
            _see_unchanged(listing, states)
    except duckdb.Error as error:
        _see_unchanged(listing, states)
        if damaged := find_damaged(connection, release, batch):
            raise damaged from error
        raise
    seconds = time.monotonic() - started
    logger.info("pairs: loaded %s, %s rows in %.1f s", what, f"{rows:,}", seconds)
    return rows


def _see_unchanged(listing: Listing, states: Mapping[Shard, FileState]) -> None:
    """See that what was read is what is about to be written into the ledger."""
    for shard, state in states.items():
        if file_state(listing.folder, shard) != state:
            raise ShardError(
                f"{shard.path}: was changed while it was loaded, and is not; run again when"
                " nothing writes it any more"
            )


def _ledger_row(file: ShardFile, revision: str) -> tuple[int, str, str, str, int, int]:
    shard = file.entry.shard
    return (file.entry.shard_id, shard.path, revision, shard.sha256, shard.bytes, file.rows)


def _settle(
    connection: duckdb.DuckDBPyConnection, release: Release, listing: Listing, plan: Plan
) -> None:
    """Take out what has gone, and record that what is there is the listing's revision."""
    with transaction(connection):
        now = Provenance.find(connection)  # there still, where no row changes
        if now and (now.revision, now.complete) != (listing.revision, listing.complete):
            begin_change(connection, made_up=listing.made_up)
        _delete(connection, [entry.shard_id for entry in plan.removed])
        if plan.unchanged:
            connection.executemany(
                "UPDATE shards SET path = ?, revision = ? WHERE shard_id = ?",
                [(e.shard.path, listing.revision, e.shard_id) for e in plan.unchanged],
            )
        record_provenance(connection, release, listing)


def _delete(connection: duckdb.DuckDBPyConnection, shard_ids: Sequence[int]) -> None:
    if shard_ids:
        keep_replaced(connection, shard_ids)
        for table in ("pairs", "shards"):
            connection.execute(
                f"DELETE FROM {table} WHERE list_contains(?, shard_id)", [list(shard_ids)]
            )
