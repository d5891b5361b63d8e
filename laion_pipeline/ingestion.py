"""Ingestion as a whole: what a source has, what that changes, and getting it into `pairs`."""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from laion_pipeline.common.files import remove_leftovers
from laion_pipeline.errors import DamagedWarehouseError, DiskFullError
from laion_pipeline.session import Session
from laion_pipeline.sources.shards import Fetched, Listing, Shard
from laion_pipeline.sources.source import InPlace, Source
from laion_pipeline.text import listed
from laion_pipeline.warehouse.damage import is_known_as_damaged, set_warehouse_aside
from laion_pipeline.warehouse.ledger import Entry, Plan, plan_changes
from laion_pipeline.warehouse.loading import LoadResult, load_pairs
from laion_pipeline.warehouse.parquet_store import remove_files
from laion_pipeline.warehouse.shard_rows import ShardFile, inspect_shard
from laion_pipeline.warehouse.stores import IN_WAREHOUSE, read_ledger
from laion_pipeline.warehouse.supply import Streamed

logger = logging.getLogger(__name__)

# Measured: 5,000,000 rows of 537 MB in V1's layout make a warehouse of 978 MB. The rest is room to
# work, for spilling and for new rows beside the old ones that they replace.
WAREHOUSE_BYTES_PER_SHARD_BYTE = 2.0


@dataclass(frozen=True)
class FetchResult:
    """What a source lists, what that changes about the warehouse, and what fetching it took."""

    listing: Listing
    plan: Plan
    fetched: Fetched
    seconds: float


def fetch_shards(session: Session) -> FetchResult:
    """Fetch the shards that the warehouse lacks, and publish the listing for `load_pairs`.

    Where shards are not kept, nothing is fetched yet: loading fetches them batch by batch.

    Raises SettingsError, SourceError, HubError, DiskFullError or, for a shard that cannot be
    loaded, ShardError or LayoutError; the listing is then left as it was.
    """
    started = time.monotonic()
    source = session.open_source()
    remove_leftovers(session.paths.root)
    ledger = _sound_ledger(session, source)
    full = source.list_shards()
    listing = _first(session, full)
    plan = plan_changes(listing, ledger)
    wanted = [entry.shard for entry in plan.to_load]
    _preflight(session, source, listing, plan)
    fetched = Fetched(0, 0)
    if session.settings.keep_shards:
        fetched = source.fetch(listing, wanted)
        full = full.with_states(fetched.shards)
    inspected = [
        inspect_shard(session.release, listing, entry)
        for entry in plan.to_load
        if session.settings.keep_shards or listing.file(entry.shard).is_file()
    ]
    _tell_of_text(inspected)
    _tell_of_size(session, inspected)
    full.write(session.paths.listing)
    source.discard_unlisted(full)
    return FetchResult(listing, plan, fetched, time.monotonic() - started)


def load_listing(session: Session, listing: Listing) -> LoadResult:
    """Load the listing's shards, or the first few, fetching them now where they are not kept.

    Raises what `load_pairs` and, where shards are not kept, fetching raises.
    """
    listing = _first(session, listing)
    supply = None
    if not session.settings.keep_shards:
        supply = Streamed(session.release, session.open_source(), session.settings.downloads)
    store = session.engine.store
    result = load_pairs(session.warehouse, session.release, listing, supply, store)
    if store is IN_WAREHOUSE:
        remove_files(session.paths.pairs)  # of another engine, before
    return result


def _sound_ledger(session: Session, source: Source) -> Mapping[str, Entry]:
    """What the warehouse holds, by path: nothing where there is none, or a damaged one gives way.

    Raises DamagedWarehouseError where all shards would have to be fetched again.
    """
    file = session.paths.warehouse
    if not file.exists():
        return {}
    finding = f"{file}: damaged, as a run before has seen"
    if not is_known_as_damaged(file):
        try:
            with session.warehouse.connect(read_only=True) as connection:
                return read_ledger(connection, session.release, session.engine.store)
        except DamagedWarehouseError as error:
            finding = error.finding
    if not (session.settings.keep_shards or isinstance(source, InPlace)):
        raise DamagedWarehouseError(
            finding,
            "its shards were not kept, so that making it again takes fetching them all: delete"
            f" {file.name} to have that done",
        )
    place = set_warehouse_aside(file)
    logger.warning(
        "%s; moved to %s, which may be deleted, and made again from the shards", finding, place.name
    )
    return {}


def _first(session: Session, listing: Listing) -> Listing:
    shards = listing.shards[: session.settings.max_shards]
    return replace(listing, shards=shards, complete=len(shards) == len(listing.shards))


def _preflight(session: Session, source: Source, listing: Listing, plan: Plan) -> None:
    """Say what will happen, before anything does.

    Raises DiskFullError when there is no room for it.
    """
    wanted = [entry.shard for entry in plan.to_load]
    missing = source.bytes_missing(listing, wanted)
    kept = missing if session.settings.keep_shards else _largest_batch(session, wanted)
    needed = kept + round(WAREHOUSE_BYTES_PER_SHARD_BYTE * sum(shard.bytes for shard in wanted))
    free = shutil.disk_usage(session.paths.root).free
    logger.info(
        "shards: %s; %s to fetch, %s of disk needed, %s free; %s, revision %s",
        plan, _megabytes(missing), _megabytes(needed), _megabytes(free), listing.origin,
        listing.revision[:12],
    )  # fmt: skip
    if successor := session.release.successor:
        logger.warning(
            "shards: %s was withdrawn by its makers, who ask to use %s in its place",
            session.release.name, successor,
        )  # fmt: skip
    if needed > free:
        raise DiskFullError(
            f"{session.paths.root}: {_megabytes(needed)} of disk needed, {_megabytes(free)} free;"
            " make room, set LAION_DATA_DIR to a larger disk, or take less with LAION_MAX_SHARDS"
            " or LAION_KEEP_SHARDS=false"
        )


def _tell_of_size(session: Session, files: Sequence[ShardFile]) -> None:
    """Say which shards unpack to more than there is memory for."""
    limit = session.settings.memory_limit_bytes
    for file in files:
        if file.footer.unpacked_bytes > limit:
            logger.warning(
                "shards: %s unpacks to %s, which is much for LAION_MEMORY_LIMIT=%s: loading it will"
                " be slow, and take room on the disk", file.entry.shard.name,
                _megabytes(file.footer.unpacked_bytes), session.settings.memory_limit,
            )  # fmt: skip


def _tell_of_text(files: Sequence[ShardFile]) -> None:
    """Say which columns are numbers written out as text, and in how many shards."""
    found = [[c.name for c in file.layout if c.is_number_in_text] for file in files]
    if texts := [names for names in found if names]:
        logger.warning(
            "shards: %s are text in %d of %d shards; they are read as numbers, and a value that is"
            " none ends the load", listed(texts[0]), len(texts), len(found),
        )  # fmt: skip


def _largest_batch(session: Session, shards: list[Shard]) -> int:
    """Bytes of the shards that are on disk at once where they are not kept."""
    sizes = sorted((shard.bytes for shard in shards), reverse=True)
    return sum(sizes[: session.settings.downloads])


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"
