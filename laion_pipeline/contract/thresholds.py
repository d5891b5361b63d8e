"""Thresholds: from which measured value on a check warns, and from which it fails."""

from collections.abc import Mapping
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    ValidationError,
    model_validator,
)

from laion_pipeline.common.toml_files import first_problem, read_toml
from laion_pipeline.errors import SettingsError

Verdict = Literal["passed", "warned", "failed"]


class Threshold(BaseModel):
    """A value above `error_above` is an error, else one above `warn_above` a warning.

    For most checks the value is a share of rows, from 0 to 1; absent bounds are never exceeded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    warn_above: NonNegativeFloat | None = Field(default=None, allow_inf_nan=False)
    error_above: NonNegativeFloat | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        bounds = [b for b in (self.warn_above, self.error_above) if b is not None]
        if bounds != sorted(bounds):
            raise ValueError(f"warn_above {bounds[0]:g} is above error_above {bounds[1]:g}")
        return self

    def verdict(self, value: float) -> Verdict:
        """What a measured value means."""
        # Not "above", so that what is not a number passes nothing.
        if self.error_above is not None and not value <= self.error_above:
            return "failed"
        return (
            "warned" if self.warn_above is not None and not value <= self.warn_above else "passed"
        )

    def words(self, *, as_share: bool) -> str:
        """The threshold for people, in percent where it is of a share."""
        bounds = (("a warning", self.warn_above), ("an error", self.error_above))
        return ", ".join(
            f"{what} above {_percent(bound) if as_share else f'{bound:g}'}"
            for what, bound in bounds
            if bound is not None
        )


def share_of(bound: float, count: int) -> int:
    """The most of `count` that a bound allows: as the decimal written down, not as a double."""
    return floor(Fraction(str(bound)) * count)


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"


# A row that breaks a rule is set apart, so a few are only worth knowing of.
DEFECT = Threshold(warn_above=0, error_above=0.001)
NOTED = Threshold(warn_above=0)
EXACT = Threshold(error_above=0)

Overrides = Mapping[str, Threshold]


def read_thresholds(path: Path, defaults: Mapping[str, Threshold]) -> Overrides:
    """The thresholds that a TOML file sets: a table for each check that it changes.

    `defaults` are the thresholds of the checks that have one to change; a bound that the file does
    not name stays.

    Raises SettingsError naming the file and what in it is wrong.
    """
    where = f"LAION_CONTRACT={path}"
    tables = read_toml(path, where)
    overrides = {}
    for name, bounds in tables.items():
        shown = f"{where}: {name}"
        if not isinstance(bounds, dict):
            raise SettingsError(
                f"{shown}: should be a table such as [url_http], with warn_above or error_above"
            )
        if name not in defaults:
            raise SettingsError(
                f"{shown}: no check whose threshold can be set; take one of {', '.join(defaults)}"
            )
        if unknown := bounds.keys() - Threshold.model_fields.keys():
            raise SettingsError(
                f"{shown}.{min(unknown)}: no such bound; take {' or '.join(Threshold.model_fields)}"
            )
        try:
            overrides[name] = Threshold.model_validate({**defaults[name].model_dump(), **bounds})
        except ValidationError as error:
            problem = first_problem(error)
            at = f".{problem.where}" if problem.where else ""
            raise SettingsError(f"{shown}{at}: {problem.what}") from error
    return overrides
