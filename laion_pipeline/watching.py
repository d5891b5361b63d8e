"""Whether a source has something new: asked lightly, without listing or hashing anything."""

from dataclasses import replace

from laion_pipeline.errors import WarehouseError
from laion_pipeline.session import Session
from laion_pipeline.sources.folder import FolderSource
from laion_pipeline.sources.hub.client import HubClient
from laion_pipeline.sources.hub.source import HubSource
from laion_pipeline.sources.shards import Listing
from laion_pipeline.warehouse.ledger import holds_just
from laion_pipeline.warehouse.provenance import Provenance, version_of


def hub_revision(session: Session, source: HubSource) -> str:
    """The commit that the configured revision stands for now, by one request.

    Raises HubError when the Hub refuses, and HubUnavailableError when it does not answer.
    """
    return HubClient(session.release).commit(source.revision, attempts=1)


def loaded_revision(session: Session) -> str:
    """The revision that is loaded, whole or, where that is asked for, in part; '' if none is.

    Of two that have the same shards it is the one that was listed last.

    Raises WarehouseBusyError, without waiting, when another process holds the warehouse.
    """
    if not session.paths.warehouse.exists():
        return ""
    warehouse = replace(session.warehouse, busy_wait_seconds=0)
    with warehouse.connect(read_only=True) as connection:
        provenance = Provenance.find(connection)
        if provenance is None:
            return ""
        listing = _listing(session)
        if listing and holds_just(connection, listing, session.settings.max_shards):
            return listing.revision
    return provenance.revision


def folder_version(source: FolderSource) -> str:
    """Made from the names, sizes and times of a folder's shards: equal as long as none changes.

    Raises SettingsError when it cannot be read, SourceError when it has no shard, or one that
    cannot be read.
    """
    return version_of(*((name, source.state(name)) for name in source.names()))


def listed_version(session: Session) -> str:
    """The same, as it was when the shards were listed last; '' if they have not been."""
    listing = _listing(session)
    if listing is None:
        return ""
    return version_of(*((shard.path, shard.state) for shard in listing.shards))


def _listing(session: Session) -> Listing | None:
    try:
        return Listing.read(session.paths.listing)
    except WarehouseError:
        return None
