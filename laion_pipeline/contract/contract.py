"""The contract of one release: its checks, in the order in which they are told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

from laion_pipeline.contract.check import Check, Measure, RowRule
from laion_pipeline.contract.counted import counted_rules
from laion_pipeline.contract.drift import drift_measures
from laion_pipeline.contract.rows import all_quarantine_rules
from laion_pipeline.contract.tables import structural_checks, table_measures
from laion_pipeline.contract.thresholds import Overrides, read_thresholds
from laion_pipeline.releases.release import ANY, Release


@dataclass(frozen=True)
class Contract:
    """What the rows of `release` must be; every check there is, also those it lacks columns for."""

    release: Release
    checks: tuple[Check, ...]

    @classmethod
    def of(
        cls, release: Release, overrides: Overrides | None = None, accepted_removal: str = ""
    ) -> Self:
        """The contract of a release, with other thresholds where `overrides` names a check.

        `accepted_removal` is how a revision begins that may have lost as many rows as it has.
        """
        changed = overrides or {}
        return cls(
            release,
            tuple(
                replace(check, threshold=changed.get(check.name, check.threshold))
                for check in _checks(release, accepted_removal)
            ),
        )

    def on(self, asset: str) -> tuple[Check, ...]:
        """The checks on an asset, in order."""
        return tuple(check for check in self.checks if check.asset == asset)

    @cached_property
    def row_rules(self) -> tuple[RowRule, ...]:
        """The rules for rows that this release can be held to."""
        return tuple(c for c in self.checks if isinstance(c, RowRule) and not c.skip_reason)

    def measures(self, asset: str) -> tuple[Measure, ...]:
        """The measures of an asset that this release can be held to."""
        return tuple(c for c in self.on(asset) if isinstance(c, Measure) and not c.skip_reason)

    def __getitem__(self, name: str) -> Check:
        """The check with that name."""
        return next(check for check in self.checks if check.name == name)


def _checks(release: Release, accepted_removal: str = "") -> Iterator[Check]:
    yield from structural_checks(release)
    yield from all_quarantine_rules(release)
    yield from table_measures(release, accepted_removal)
    yield from counted_rules(release)
    yield from drift_measures(release)


# Every check there is, whatever the release, for what is the same about them.
CHECKS: Mapping[str, Check] = {check.name: check for check in _checks(ANY)}


def read_overrides(path: Path) -> Overrides:
    """The thresholds that a TOML file sets: a table for each check that it changes.

    Raises SettingsError naming the file and what in it is wrong.
    """
    adjustable = {name: c.threshold for name, c in CHECKS.items() if c.adjustable}
    return read_thresholds(path, adjustable)
