"""What a check is: one demand on `pairs` or on its history, in words and in SQL."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from laion_pipeline.contract.thresholds import EXACT, Threshold, share_of
from laion_pipeline.releases.intervals import Interval

ANY_IS_AN_ERROR = "an error where there is one"


@dataclass(frozen=True, kw_only=True)
class Check(ABC):
    """A demand, how much short of it is a warning or an error, and what to do about it.

    `demands` says what is demanded of this release, and `summary`, where that differs, what of any;
    where this release cannot be held to it, `skip_reason` says why. A failing check that is
    `blocking` keeps everything downstream from being made, and its threshold is the contract's own
    where it is not `adjustable`. The threshold is on the share of failing `unit` unless it is on a
    `value_of`.
    """

    name: str
    demands: str
    advice: str
    threshold: Threshold
    summary: str = ""
    asset: str = "pairs"
    skip_reason: str = ""
    blocking: bool = False
    adjustable: bool = True
    unit: str = "rows"
    value_of: str = ""

    @property
    @abstractmethod
    def finds(self) -> str:
        """A query by which a person finds all that fails."""

    @property
    def in_general(self) -> str:
        """What is demanded of any release."""
        return self.summary or self.demands

    @property
    def threshold_in_words(self) -> str:
        """The threshold for people."""
        return self.words_of(self.threshold)

    def words_of(self, threshold: Threshold) -> str:
        """A threshold for what this check measures, for people."""
        if self.value_of:
            return f"{self.value_of}: {threshold.words(as_share=False)}"
        if threshold == EXACT:
            return ANY_IS_AN_ERROR
        return f"{threshold.words(as_share=True)} of the {self.unit}"


@dataclass(frozen=True, kw_only=True)
class SchemaCheck(Check):
    """The demand that a table has just the columns that it should, of their types."""

    @property
    def finds(self) -> str:
        """A query by which a person sees the columns that there are."""
        return f"DESCRIBE {self.asset}"


@dataclass(frozen=True, kw_only=True)
class RowCheck(Check):
    """A demand on every row of `pairs`, whose failing rows are counted shard by shard."""

    @property
    @abstractmethod
    def failing(self) -> str:
        """SQL that is true, never null, where a row fails."""

    @property
    @abstractmethod
    def shown(self) -> tuple[str, ...]:
        """SQL for what a person should see of a failing row."""


@dataclass(frozen=True, kw_only=True)
class MarksCheck(RowCheck):
    """The demand that `defects` says of each row just what it breaks, which is SQL in `marks`."""

    marks: str

    @property
    def finds(self) -> str:
        """A query by which a person finds all rows that are not marked as they should be."""
        return (
            f"SELECT path AS shard, pairs.*, {self.marks} AS should_be\n"
            f"FROM pairs LEFT JOIN shards USING (shard_id)\nWHERE {self.failing}"
        )

    @property
    def failing(self) -> str:
        """SQL that is true where a row is marked otherwise."""
        return f"defects IS DISTINCT FROM ({self.marks})"

    @property
    def shown(self) -> tuple[str, ...]:
        """How the row is marked, how it should be, and what it is."""
        return "defects", f"{self.marks} AS should_be", "url", "text"


@dataclass(frozen=True)
class Expected:
    """What Great Expectations expects of a row that keeps a rule, for it to count by.

    `value` is SQL over the canonical columns that is not null and lies `within` a range, where
    there is one.
    """

    value: str
    within: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class RowRule(RowCheck):
    """A rule that every row of `pairs` should keep.

    `predicate` is SQL over the canonical columns; a row keeps the rule where it is true, and breaks
    it where it is false or null. The row is valid all the same: how many do is only counted.
    """

    column: str
    predicate: str

    @property
    def finds(self) -> str:
        """A query by which a person finds all rows that break the rule."""
        return (
            "SELECT path AS shard, pairs.*\nFROM pairs JOIN shards USING (shard_id)\n"
            f"WHERE {self.broken}"
        )

    @property
    def broken(self) -> str:
        """SQL that is true, never null, where a row breaks the rule."""
        return f"({self.predicate}) IS NOT TRUE"

    @property
    def failing(self) -> str:
        """SQL for the rows that break the rule."""
        return self.broken

    @property
    def shown(self) -> tuple[str, ...]:
        """What the rule is about, and what the row is."""
        return tuple(dict.fromkeys((self.column, "url", "text")))

    @property
    def expected(self) -> Expected:
        """What is expected of a row that keeps the rule: here no more than the predicate."""
        return Expected(f"CASE WHEN {self.predicate} THEN true END")


@dataclass(frozen=True, kw_only=True)
class QuarantineRule(RowRule):
    """A rule that a row must keep to be valid; one that breaks it is quarantined.

    `bit` is the rule's place in the `defects` mask and never changes, whatever other rules a
    release has. What is `counted_by` is not the predicate in other words, so that two counts that
    agree mean something.
    """

    bit: int
    counted_by: Expected

    @property
    def mask(self) -> int:
        """The value that this rule adds to `defects` in a row that breaks it."""
        return 1 << self.bit

    @property
    def finds(self) -> str:
        """A query by which a person finds all rows that break the rule."""
        return (
            "SELECT path AS shard, quarantine.*\n"
            "FROM quarantine JOIN shards USING (shard_id)\n"
            f"WHERE list_contains(reasons, '{self.name}')"
        )

    @property
    def failing(self) -> str:
        """SQL for the rows that bear the rule's mark."""
        return f"defects & {self.mask} <> 0"

    @property
    def expected(self) -> Expected:
        """What is expected of a valid row."""
        return self.counted_by


@dataclass(frozen=True, kw_only=True)
class Measure(Check):
    """A demand that takes more than a row to see.

    `evidence` is a query whose rows each show some of what fails: `failing` says how many,
    `shard_id`, which may be null, where; the other columns are there to be looked at.
    `denominator` is a query for the number that they are a share of; zero or null when there is
    nothing to compare with, and then `empty_reason` says why. `value`, where given, is a query for
    the value that the threshold is on. `look_up` is what a person runs to find all that fails. What
    is `sampled` reads a sample of the rows, which has to be drawn first.
    """

    evidence: str
    denominator: str
    look_up: str
    empty_reason: str
    value: str = ""
    sampled: bool = False

    @property
    def finds(self) -> str:
        """A query by which a person finds all that fails."""
        return self.look_up


@dataclass(frozen=True, kw_only=True)
class RowCount(Measure):
    """A demand on how many rows there are: about `published`, or any at all."""

    published: int | None = None

    def limits(self, bound: float) -> tuple[int, int | None]:
        """The fewest and the most rows by which a bound of the threshold is kept."""
        if self.published is None:
            return 1, None
        off = share_of(bound, self.published)
        return self.published - off, self.published + off
