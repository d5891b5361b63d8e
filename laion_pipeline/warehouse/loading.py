"""Loading: every row of the changed shards into `pairs`, exactly once, with its defects marked.

Each batch of shards is one transaction that replaces their rows and writes the ledger, so that
however a load ends, the warehouse holds whole shards and knows which.
"""

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from laion_pipeline.contract import defects_expression
from laion_pipeline.errors import ShardError
from laion_pipeline.releases.release import Release
from laion_pipeline.sources.pages import verify_pages
from laion_pipeline.sources.shards import FileState, Listing, Shard, file_state, verified_state
from laion_pipeline.warehouse.connections import Warehouse, is_disk_full, literal, transaction
from laion_pipeline.warehouse.ledger import LEDGER_DDL, Plan, plan_changes
from laion_pipeline.warehouse.pairs import count_rows, marking
from laion_pipeline.warehouse.previous import begin_change, forget_previous, keep_replaced
from laion_pipeline.warehouse.provenance import Provenance, record_provenance, withdraw_provenance
from laion_pipeline.warehouse.shard_rows import ShardFile, find_damaged
from laion_pipeline.warehouse.stores import IN_WAREHOUSE, Store, read_ledger
from laion_pipeline.warehouse.supply import Kept, Supply
from laion_pipeline.warehouse.views import create_views

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadResult:
    """What a load did, and what the warehouse holds after it."""

    plan: Plan
    rows_loaded: int
    rows: int
    valid_rows: int
    provenance: Provenance


def load_pairs(
    warehouse: Warehouse,
    release: Release,
    listing: Listing,
    supply: Supply | None = None,
    store: Store = IN_WAREHOUSE,
) -> LoadResult:
    """Make `pairs` hold just the rows of the listing's shards, which `supply` brings.

    By default they are there already. `store` keeps the rows.

    Raises ShardError or LayoutError for a shard that cannot be loaded: before anything changes
    where shards are kept and its footer tells, or it is in the first batch, else with whole batches
    loaded and no provenance until a load succeeds.
    """
    with warehouse.connect(reads_files=True) as connection:
        # Rules are tested on every row, whatever the footers say of their values.
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        ledger = read_ledger(connection, release, store)
        plan = plan_changes(listing, ledger)
        batches = (supply or Kept(release)).batches(listing, plan.to_load)
        _prepare(connection, release, store, rebuild=not ledger)
        rows_loaded = 0
        progress = _Progress(plan)
        for batch in batches:
            rows_loaded += _load(connection, release, store, listing, batch)
            progress.tell(batch, rows_loaded)
        _settle(connection, release, store, listing, plan)
        store.tidy(connection)
        rows, quarantined = count_rows(connection)
        provenance = Provenance.read(connection)
    return LoadResult(plan, rows_loaded, rows, rows - quarantined, provenance)


def _prepare(
    connection: duckdb.DuckDBPyConnection, release: Release, store: Store, *, rebuild: bool
) -> None:
    """Make the tables, and see that those which are there fit the contract and say of what."""
    with transaction(connection):
        if rebuild:
            if _holds_shards(connection):
                logger.info(
                    "pairs: was made by another version or engine, or as the release was described"
                    " before: all shards are loaded again"
                )
            withdraw_provenance(connection)
            connection.execute("DROP TABLE IF EXISTS shards")
            store.create(connection, release)
            forget_previous(connection)
        elif lost := store.lost(connection):
            withdraw_provenance(connection)
            store.delete(connection, release, lost)
        connection.execute(LEDGER_DDL)
    _keep_to_contract(connection, release, store)


def _holds_shards(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether anything was ever loaded, by whatever version."""
    has_ledger = connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'shards'"
    ).fetchall()[0][0]
    return bool(has_ledger and connection.execute("FROM shards LIMIT 1").fetchall())


def _keep_to_contract(
    connection: duckdb.DuckDBPyConnection, release: Release, store: Store
) -> None:
    """Mark the rows there are again if the rules have changed since; make the views on them."""
    rules = defects_expression(release)
    fingerprint = f"rules {hashlib.sha256(rules.encode()).hexdigest()[:16]}"
    with transaction(connection):
        if marking(connection) not in (None, fingerprint):
            logger.info("pairs: the rules have changed, marking all rows again")
            store.mark(connection, release, rules)
        connection.execute(f"COMMENT ON COLUMN pairs.defects IS {literal(fingerprint)}")
        create_views(connection, release)


def _load(
    connection: duckdb.DuckDBPyConnection,
    release: Release,
    store: Store,
    listing: Listing,
    batch: Sequence[ShardFile],
) -> int:
    """Load shards in one transaction; return the number of their rows."""
    started = time.monotonic()
    shards = [file.entry.shard for file in batch]
    rows = sum(file.footer.rows for file in batch)
    what = shards[0].name if len(shards) == 1 else f"{len(shards)} shards"
    logger.info("pairs: loading %s", what)
    states = {shard: verified_state(listing.folder, shard) for shard in shards}
    for file in batch:
        if file.footer.has_checksums:
            verify_pages(Path(file.file), file.entry.shard.path)
    try:
        with transaction(connection):
            begin_change(connection, made_up=listing.made_up)
            withdraw_provenance(connection)
            _delete(connection, release, store, [file.entry.shard_id for file in batch])
            store.insert(connection, release, batch)
            connection.executemany(
                "INSERT INTO shards VALUES (?, ?, ?, ?, ?, ?, now() AT TIME ZONE 'UTC')",
                [_ledger_row(file, listing.revision) for file in batch],
            )
            _see_unchanged(listing, states)
    except duckdb.Error as error:
        if isinstance(error, duckdb.OutOfMemoryException) or is_disk_full(error):
            raise
        _see_unchanged(listing, states)
        if damaged := find_damaged(connection, release, batch):
            raise damaged from error
        raise
    seconds = time.monotonic() - started
    logger.info("pairs: loaded %s, %s rows in %.1f s", what, f"{rows:,}", seconds)
    return rows


class _Progress:
    """How far a load is, told after each batch but the last; by bytes, which tell of all shards."""

    def __init__(self, plan: Plan) -> None:
        self._shards = len(plan.to_load)
        self._bytes = sum(entry.shard.bytes for entry in plan.to_load)
        self._began = time.monotonic()
        self._done_shards = self._done_bytes = 0

    def tell(self, batch: Sequence[ShardFile], rows: int) -> None:
        """Say what is done with a batch, which brought the rows to as many."""
        self._done_shards += len(batch)
        self._done_bytes += sum(file.entry.shard.bytes for file in batch)
        if self._done_shards >= self._shards:
            return
        share = self._done_bytes / self._bytes
        seconds_left = (time.monotonic() - self._began) * (1 - share) / share
        logger.info(
            "pairs: %d of %d shards, %.1f of about %.1f M rows, %s left",
            self._done_shards, self._shards, rows / 1e6, rows / share / 1e6,
            f"{seconds_left / 60:.0f} min" if seconds_left > 90 else f"{seconds_left:.0f} s",
        )  # fmt: skip


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
    return (file.entry.shard_id, shard.path, revision, shard.sha256, shard.bytes, file.footer.rows)


def _settle(
    connection: duckdb.DuckDBPyConnection,
    release: Release,
    store: Store,
    listing: Listing,
    plan: Plan,
) -> None:
    """Take out what has gone, and record that what is there is the listing's revision."""
    with transaction(connection):
        now = Provenance.find(connection)  # there still, where no row changes
        if now and (now.revision, now.complete) != (listing.revision, listing.complete):
            begin_change(connection, made_up=listing.made_up)
        _delete(connection, release, store, [entry.shard_id for entry in plan.removed])
        if plan.unchanged:
            connection.executemany(
                "UPDATE shards SET path = ?, revision = ? WHERE shard_id = ?",
                [(e.shard.path, listing.revision, e.shard_id) for e in plan.unchanged],
            )
        record_provenance(connection, release, listing)


def _delete(
    connection: duckdb.DuckDBPyConnection, release: Release, store: Store, shard_ids: Sequence[int]
) -> None:
    if shard_ids:
        keep_replaced(connection, shard_ids)
        store.delete(connection, release, shard_ids)
        connection.execute("DELETE FROM shards WHERE list_contains(?, shard_id)", [list(shard_ids)])
