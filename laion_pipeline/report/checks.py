"""The checks in groups, by what they are about, so that dozens of them can be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from laion_pipeline.contract import quarantine_rules
from laion_pipeline.quality.results import RecordedCheck
from laion_pipeline.releases.release import ANY
from laion_pipeline.tables.table import SELF_CHECK

_RULES = frozenset(rule.name for rule in quarantine_rules(ANY))


@dataclass(frozen=True)
class CheckGroup:
    """Checks that are about the same."""

    title: str
    checks: Sequence[RecordedCheck]


def grouped(checks: Sequence[RecordedCheck]) -> Sequence[CheckGroup]:
    """Every check in just one group; no group is empty."""
    groups: dict[str, list[RecordedCheck]] = {title: [] for title in _TITLES.values()}
    for check in checks:
        groups[_TITLES[_kind(check)]].append(check)
    return [CheckGroup(title, held) for title, held in groups.items() if held]


_TITLES: Mapping[str, str] = {
    "blocking": "All rows are there, in the columns of the contract: else nothing is made of them",
    "row": "What makes a row valid: a row that breaks one of these is in quarantine",
    "release": "The release as a whole, and what its captions are like",
    "drift": "Whether the data is still what it was at the revision before",
    "own": "The derived tables, each by an invariant of its own",
}


def _kind(check: RecordedCheck) -> str:
    if check.name == SELF_CHECK:
        return "own"
    if check.asset != "pairs":
        return "drift"
    if check.blocking:
        return "blocking"
    return "row" if check.name in _RULES else "release"
