"""What a check is: one demand on `pairs` or on its history, in words and in SQL."""

from dataclasses import dataclass

from laion_pipeline.contract.thresholds import EXACT, Threshold

ANY_IS_AN_ERROR = "an error where there is one"


@dataclass(frozen=True, kw_only=True)
class Check:
    """A demand, how much short of it is a warning or an error, and what to do about it.

    `summary` says what is demanded of any release, `demands` what of this one; where this release
    cannot be held to it, `skip_reason` says why. A failing check that is `blocking` keeps
    everything downstream from being made, and its threshold is the contract's own where it is not
    `adjustable`. The threshold is on the share of failing `unit` unless it is on a `value_of`.
    """

    name: str
    summary: str
    demands: str
    advice: str
    threshold: Threshold
    asset: str = "pairs"
    skip_reason: str = ""
    blocking: bool = False
    adjustable: bool = True
    unit: str = "rows"
    value_of: str = ""

    @property
    def finds(self) -> str:
        """A query by which a person finds all that fails."""
        return "DESCRIBE pairs"

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
class RowRule(Check):
    """A rule that every row of `pairs` should keep.

    `predicate` is SQL over the canonical columns; a row keeps the rule where it is true, and breaks
    it where it is false or null. A row that breaks a rule with a `bit` is quarantined: the bit is
    the rule's place in the `defects` mask and never changes, whatever other rules a release has. A
    rule without one only counts.
    """

    column: str
    predicate: str
    bit: int | None = None

    @property
    def quarantines(self) -> bool:
        """Whether a row that breaks the rule is not valid."""
        return self.bit is not None

    @property
    def mask(self) -> int:
        """The value that this rule adds to `defects` in a row that breaks it."""
        return 0 if self.bit is None else 1 << self.bit

    @property
    def finds(self) -> str:
        """A query by which a person finds all rows that break the rule."""
        if self.quarantines:
            return (
                "SELECT path AS shard, quarantine.*\n"
                "FROM quarantine JOIN shards USING (shard_id)\n"
                f"WHERE list_contains(reasons, '{self.name}')"
            )
        return (
            "SELECT path AS shard, pairs.*\nFROM pairs JOIN shards USING (shard_id)\n"
            f"WHERE {self.broken}"
        )

    @property
    def broken(self) -> str:
        """SQL that is true, never null, where a row breaks the rule."""
        return f"({self.predicate}) IS NOT TRUE"


@dataclass(frozen=True, kw_only=True)
class MarksCheck(Check):
    """The demand that `defects` says of each row just what it breaks, which is SQL in `marks`."""

    marks: str

    @property
    def finds(self) -> str:
        """A query by which a person finds all rows that are not marked as they should be."""
        return (
            f"SELECT path AS shard, pairs.*, {self.marks} AS should_be\n"
            "FROM pairs LEFT JOIN shards USING (shard_id)\n"
            f"WHERE defects IS DISTINCT FROM ({self.marks})"
        )


@dataclass(frozen=True, kw_only=True)
class Measure(Check):
    """A demand that takes more than a row to see.

    `evidence` is a query whose rows each show some of what fails: `failing` says how many,
    `shard_id`, which may be null, where; the other columns are there to be looked at.
    `denominator` is a query for the number that they are a share of; zero or null when there is
    nothing to compare with, and then `empty_reason` says why. `value`, where given, is a query for
    the value that the threshold is on. `look_up` is what a person runs to find all that fails.
    """

    evidence: str
    denominator: str
    look_up: str
    empty_reason: str
    value: str = ""

    @property
    def finds(self) -> str:
        """A query by which a person finds all that fails."""
        return self.look_up
