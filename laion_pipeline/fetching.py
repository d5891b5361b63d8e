"""Fetching: find out what a source has, and get onto this machine what the warehouse lacks."""

import logging
import time
from dataclasses import dataclass

from laion_pipeline.ledger import Plan, plan_changes, read_ledger
from laion_pipeline.loading import inspect_shard
from laion_pipeline.session import Session
from laion_pipeline.shards import Fetched, Listing
from laion_pipeline.sources import list_shards, open_source

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FetchResult:
    """What a source lists, what that changes about the warehouse, and what fetching it took."""

    listing: Listing
    plan: Plan
    fetched: Fetched
    seconds: float


def fetch_shards(session: Session) -> FetchResult:
    """Fetch the shards that the warehouse lacks, and publish the listing for `load_pairs`.

    Raises SettingsError, SourceError, HubError, or, for a shard that cannot be loaded, ShardError
    or LayoutError; the listing is then left as it was.
    """
    started = time.monotonic()
    source = open_source(session.settings, session.release)
    listing = list_shards(source, session.settings.max_shards)
    plan = _plan(session, listing)
    logger.info("shards: %s of %s, revision %s", plan, listing.origin, listing.revision[:12])
    fetched = source.fetch(listing, [entry.shard for entry in plan.to_load])
    for entry in plan.to_load:
        inspect_shard(session.release, listing, entry)
    listing.write(session.paths.listing)
    return FetchResult(listing, plan, fetched, time.monotonic() - started)


def _plan(session: Session, listing: Listing) -> Plan:
    if not session.paths.warehouse.exists():
        return plan_changes(listing, {})
    with session.warehouse.connect(read_only=True) as connection:
        return plan_changes(listing, read_ledger(connection, session.release))
