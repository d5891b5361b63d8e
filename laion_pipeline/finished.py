"""Whether everything has been made of what the source has: then there is nothing to refresh."""

import logging

from laion_pipeline.quality.results import read_checks, tally
from laion_pipeline.quality.soundness import read_made, record_made
from laion_pipeline.session import Session
from laion_pipeline.sources.shards import Listing
from laion_pipeline.warehouse.ledger import holds_just
from laion_pipeline.warehouse.provenance import Provenance

logger = logging.getLogger(__name__)

_REPORT = "report"


def record_finished(session: Session, code_version: str) -> None:
    """Keep that everything has been made, up to the report, from the rows that are loaded."""
    with session.warehouse.connect() as connection:
        provenance = Provenance.read(connection)
        record_made(connection, _REPORT, session.finished_version(provenance, code_version))


def is_finished(session: Session, listing: Listing, code_version: str) -> bool:
    """Whether everything has been made of the listing's shards, by the contract and SQL of now.

    If so, it is told, with what the checks found then. A revision that has the shards of the one
    that is loaded has nothing new, and so the numbers stay those of that one. While a check that
    blocks fails, nothing is finished, whatever was made before it did.
    """
    if not session.paths.report.is_file() or not session.paths.warehouse.is_file():
        return False
    with session.warehouse.connect(read_only=True) as connection:
        provenance = Provenance.find(connection)
        if provenance is None or not holds_just(connection, listing, session.settings.max_shards):
            return False
        made = read_made(connection).get(_REPORT)
        checks = read_checks(connection) if made else ()
    if made != session.finished_version(provenance, code_version):
        return False
    if any(check.blocking and check.status == "failed" for check in checks):
        return False
    as_before = f", whose shards are those of {provenance.revision[:12]}"
    logger.info(
        "nothing new at revision %s%s: everything is as it was made on %s UTC; checks then: %s",
        listing.revision[:12],
        as_before if listing.revision != provenance.revision else "",
        f"{max(check.checked_at for check in checks):%Y-%m-%d %H:%M}",
        tally(checks),
    )
    return True
