"""How a run ended, in the few lines that people read, whoever tells them."""

from collections.abc import Sequence
from dataclasses import dataclass

from laion_pipeline.quality.results import RecordedCheck, tally
from laion_pipeline.session import Session


@dataclass(frozen=True)
class Outcome:
    """A run's checks, why it failed if it did, and what the warehouse holds after it.

    `failures` has a line for each step that failed.
    """

    checks: Sequence[RecordedCheck]
    failures: Sequence[str]
    succeeded: bool
    totals: str
    report: str
    data_docs: str

    @property
    def exit_status(self) -> int:
        """0, or 1 when the run failed or a check of severity error did."""
        return int(not self.succeeded or any(c.status == "failed" for c in self.checks))

    @property
    def text(self) -> str:
        """What failed, what there is, what warns, and where to read more."""
        failed = [c for c in self.checks if c.status == "failed"]
        lines = [f"failed check: {check.told}" for check in failed]
        lines += [f"error: {failure}" for failure in self.failures]
        if self.succeeded:
            lines.append(self.totals)
        if self.checks:
            lines.append(f"checks: {tally(self.checks)}")
            lines += [f"  warned: {c.told}" for c in self.checks if c.status == "warned"]
        if self.succeeded:
            lines.append(f"report: {self.report}")
        elif failed:
            lines.append(f"validation: {self.data_docs}")
        return "\n".join(lines)


def outcome_of(
    session: Session, checks: Sequence[RecordedCheck], failures: Sequence[str], *, succeeded: bool
) -> Outcome:
    """The outcome of a run that gave these results of checks, and in which these steps failed."""
    return Outcome(
        checks,
        failures,
        succeeded,
        _totals(session) if succeeded else "",
        str(session.paths.report),
        str(session.paths.data_docs / "index.html"),
    )


def _totals(session: Session) -> str:
    title = session.release.title or session.release.name
    with session.warehouse.connect(read_only=True) as connection:
        rows, quarantined = connection.execute(
            "SELECT count(*), count(*) FILTER (defects <> 0) FROM pairs"
        ).fetchall()[0]
    return f"{title}: {rows:,} rows, {quarantined:,} quarantined"
