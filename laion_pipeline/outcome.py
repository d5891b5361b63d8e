"""How a run ended, in the few lines that people read, whoever tells them."""

from collections.abc import Sequence
from dataclasses import dataclass

from laion_pipeline.quality.results import RecordedCheck, tally
from laion_pipeline.session import Session
from laion_pipeline.warehouse.pairs import count_rows


@dataclass(frozen=True)
class Outcome:
    """What a run came to: its checks, a line for each step that failed, and the rows there are."""

    checks: Sequence[RecordedCheck]
    failures: Sequence[str]
    totals: str
    report: str
    data_docs: str

    @classmethod
    def of(
        cls, session: Session, checks: Sequence[RecordedCheck], failures: Sequence[str]
    ) -> "Outcome":
        """The outcome of a run with these results of checks, in which these steps failed."""
        report, data_docs = session.paths.report, session.paths.data_docs / "index.html"
        totals = "" if failures else _totals(session)
        return cls(checks, failures, totals, str(report), str(data_docs))

    @property
    def exit_status(self) -> int:
        """0, or 1 when the run failed or a check of severity error did."""
        return int(bool(self.failures) or any(c.status == "failed" for c in self.checks))

    @property
    def text(self) -> str:
        """What failed, what there is, what warns, and where to read more."""
        failed = [c for c in self.checks if c.status == "failed"]
        lines = [f"failed check: {check.told}" for check in failed]
        lines += [f"error: {failure}" for failure in self.failures]
        if not self.failures:
            lines.append(self.totals)
        if self.checks:
            lines.append(f"checks: {tally(self.checks)}")
            lines += [f"  warned: {c.told}" for c in self.checks if c.status == "warned"]
        if not self.failures:
            lines.append(f"report: {self.report}")
        elif failed:
            lines.append(f"validation: {self.data_docs}")
        return "\n".join(lines)


def _totals(session: Session) -> str:
    title = session.release.title or session.release.name
    with session.warehouse.connect(read_only=True) as connection:
        rows, quarantined = count_rows(connection)
    return f"{title}: {rows:,} rows, {quarantined:,} quarantined"
