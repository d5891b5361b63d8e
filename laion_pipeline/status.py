"""Where a release stands: what is loaded, what the source has, what checks found, what is old."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from laion_pipeline import watching
from laion_pipeline.contract.thresholds import Verdict
from laion_pipeline.errors import LaionError
from laion_pipeline.quality.results import RecordedCheck, find_checks
from laion_pipeline.quality.soundness import read_made
from laion_pipeline.session import Session
from laion_pipeline.sources.folder import FolderSource
from laion_pipeline.sources.hub.source import HubSource
from laion_pipeline.warehouse.pairs import count_rows
from laion_pipeline.warehouse.provenance import Provenance


@dataclass(frozen=True)
class Status:
    """A release as its folder and its source are now; revisions are '' where there is none.

    `source_problem` says why the source could not be asked. `out_of_date` names what was made from
    other rows than those that are loaded, and `source` where the source has something new.
    """

    release: str
    title: str
    loaded_revision: str
    loaded_at: datetime | None
    source_revision: str
    source_problem: str
    rows: int
    quarantined: int
    checks: Sequence[RecordedCheck]
    out_of_date: Sequence[str]
    disk_bytes: int

    def checks_that(self, verdict: Verdict) -> Sequence[RecordedCheck]:
        """The checks that failed, say, when they were made last."""
        return [check for check in self.checks if check.status == verdict]


def read_status(session: Session, code_version: str) -> Status:
    """The status of a session's release; `code_version` is that of the tables' SQL.

    Raises WarehouseBusyError when a run holds the warehouse for longer than the wait.
    """
    source_revision, source_is_new, problem = _ask_source(session)
    provenance: Provenance | None = None
    rows = quarantined = 0
    checks: Sequence[RecordedCheck] = ()
    stale: list[str] = []
    if session.paths.warehouse.exists():
        with session.warehouse.connect(read_only=True) as connection:
            provenance = Provenance.find(connection)
            if provenance is not None:
                rows, quarantined = count_rows(connection)
                checks = find_checks(connection)
                finished = session.finished_version(provenance, code_version)
                stale = _stale(connection, {provenance.data_version, finished})
    if source_is_new:
        stale.insert(0, "source")
    return Status(
        release=session.release.name,
        title=session.release.title or session.release.name,
        loaded_revision=provenance.revision if provenance else "",
        loaded_at=provenance.loaded_at if provenance else None,
        source_revision=source_revision,
        source_problem=problem,
        rows=rows,
        quarantined=quarantined,
        checks=checks,
        out_of_date=stale,
        disk_bytes=sum(f.stat().st_size for f in session.paths.root.rglob("*") if f.is_file()),
    )


def _ask_source(session: Session) -> tuple[str, bool, str]:
    """The source's revision where it has one, whether it is not what is here, and what went wrong.

    A folder has no revision before it is hashed, but it is seen whether its files have changed.
    """
    try:
        source = session.open_source()
        loaded = watching.loaded_revision(session)
        if isinstance(source, HubSource):
            revision = watching.hub_revision(session, source)
            return revision, bool(loaded) and revision != loaded, ""
        if isinstance(source, FolderSource):
            listed = watching.listed_version(session)
            changed = bool(listed) and watching.folder_version(source) != listed
            return "" if changed else loaded, changed, ""
    except LaionError as error:
        return "", False, str(error)
    return loaded, False, ""


def _stale(connection: duckdb.DuckDBPyConnection, current: Collection[str]) -> list[str]:
    made = read_made(connection)
    return sorted(name for name, version in made.items() if version not in current)
