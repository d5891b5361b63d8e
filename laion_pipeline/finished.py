"""Whether everything has been made of what the source has: then there is nothing to refresh."""

import logging

from laion_pipeline.provenance import Provenance
from laion_pipeline.quality.results import read_checks, tally
from laion_pipeline.quality.soundness import read_made, record_made
from laion_pipeline.session import Session
from laion_pipeline.shards import Listing

logger = logging.getLogger(__name__)

_REPORT = "report"


def record_finished(session: Session, code_version: str) -> None:
    """Keep that everything has been made, up to the report, from the rows that are loaded."""
    with session.warehouse.connect() as connection:
        provenance = Provenance.read(connection)
        record_made(connection, _REPORT, session.finished_version(provenance, code_version))


def is_finished(session: Session, listing: Listing, code_version: str) -> bool:
    """Whether everything has been made of the listing's shards, by the contract and SQL of now.

    If so, it is told, with what the checks found then. While a check that blocks fails, nothing is
    finished, whatever was made before it did.
    """
    shards = listing.shards[: session.settings.max_shards]
    if not session.paths.report.is_file() or not session.paths.warehouse.is_file():
        return False
    with session.warehouse.connect(read_only=True) as connection:
        provenance = Provenance.find(connection)
        if provenance is None or provenance.revision != listing.revision:
            return False
        made = read_made(connection).get(_REPORT)
        held = connection.execute("SELECT path, sha256 FROM shards").fetchall()
        checks = read_checks(connection) if made else ()
    if made != session.finished_version(provenance, code_version):
        return False
    if any(check.blocking and check.status == "failed" for check in checks):
        return False
    if dict(held) != {shard.path: shard.sha256 for shard in shards}:
        return False
    logger.info(
        "nothing new at revision %s: everything is as it was made on %s UTC; checks then: %s",
        provenance.revision[:12],
        f"{max(check.checked_at for check in checks):%Y-%m-%d %H:%M}",
        tally(checks),
    )
    return True
