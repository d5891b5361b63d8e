"""Ranges of numbers, as releases describe them and as SQL tests them."""

import math
from typing import Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator


class Interval(BaseModel):
    """A range of numbers, each end open, closed or absent; never holds null or NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    @field_validator("*")
    @classmethod
    def _finite(cls, bound: float | None) -> float | None:
        if bound is not None and not math.isfinite(bound):
            raise ValueError("should be a finite number")
        return bound

    @model_validator(mode="after")
    def _one_bound_a_side(self) -> Self:
        if self.at_least is not None and self.above is not None:
            raise ValueError("give at_least or above, not both")
        if self.at_most is not None and self.below is not None:
            raise ValueError("give at_most or below, not both")
        low = self.above if self.at_least is None else self.at_least
        high = self.below if self.at_most is None else self.at_most
        if low is None and high is None:
            raise ValueError("give at_least, above, at_most or below")
        if low is not None and high is not None and low > high:
            raise ValueError(f"{low:g} is above {high:g}, so that nothing is in the range")
        return self

    def predicate(self, column: str) -> str:
        """SQL that is true where `column` lies in the range (and so is not null or NaN)."""
        bounds = [(self.at_least, ">="), (self.above, ">"), (self.at_most, "<="), (self.below, "<")]
        terms = [
            f"{column} {sign} {_literal(bound)}" for bound, sign in bounds if bound is not None
        ]
        # Also beside an upper bound, which NaN is above: DuckDB leaves a comparison out where a
        # Parquet file's statistics say that it holds, and those know nothing of NaN.
        return " AND ".join([*terms, f"NOT isnan({column})"])

    def meets(self, other: "Interval") -> bool:
        """Whether some number may be in both; not where they only touch at an open end."""
        lows = [(bound, open_) for each in (self, other) for bound, open_ in each._lows()]
        highs = [(bound, open_) for each in (self, other) for bound, open_ in each._highs()]
        return not any(
            low > high or (low == high and (low_open or high_open))
            for low, low_open in lows
            for high, high_open in highs
        )

    def _lows(self) -> list[tuple[float, bool]]:
        bounds = ((self.at_least, False), (self.above, True))
        return [(bound, open_) for bound, open_ in bounds if bound is not None]

    def _highs(self) -> list[tuple[float, bool]]:
        bounds = ((self.at_most, False), (self.below, True))
        return [(bound, open_) for bound, open_ in bounds if bound is not None]

    def words(self, name: str) -> str:
        """The range of what is called `name`, for people."""
        low = f"{self.at_least:g} <= " if self.at_least is not None else ""
        low = f"{self.above:g} < " if self.above is not None else low
        high = f" <= {self.at_most:g}" if self.at_most is not None else ""
        high = f" < {self.below:g}" if self.below is not None else high
        return f"{low}{name}{high}"


def _literal(number: float) -> str:
    """A number in SQL.

    Without an exponent DuckDB takes it for a decimal, whose way to a double rounds twice where it
    has more than 15 digits.
    """
    text = repr(number)
    return text if "e" in text or len(text) <= 15 else f"{text}e0"
