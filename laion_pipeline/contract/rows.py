"""Rules that a row must keep to be valid, and what a row's marks say of them.

Everything about a rule is in one place here: what it is called, what it says, the SQL that decides.
"""

from collections.abc import Iterable, Iterator

from laion_pipeline.contract.check import RowRule
from laion_pipeline.contract.thresholds import DEFECT
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.releases.release import Release

# Unicode's white space and the four ASCII separators, as the inside of a regular expression's
# class: DuckDB's own trim and \s know fewer.
BLANKS = (
    r"\x{9}-\x{d}\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}"
    r"\x{205f}\x{3000}"
)
# Regular expressions are slow, so in each CASE how strings compare decides for almost all rows.
_URL_IS_HTTP = (
    "CASE WHEN (url >= 'https://a' AND url < 'https://{') OR (url >= 'http://a' AND url < 'http://{')"
    rf" THEN true ELSE regexp_matches(url, '^[Hh][Tt][Tt][Pp][Ss]?://[^/?#{BLANKS}]') END"
)
TEXT_IS_PRESENT = (
    "CASE WHEN text >= '!' AND text < chr(127) THEN true"
    f" ELSE regexp_matches(text, '[^{BLANKS}]') END"
)

_IN_QUARANTINE = "The rows are in quarantine and nothing counts them."
_SHIFTED = f"{_IN_QUARANTINE} Many in one shard mean that its columns are shifted or its file bad."


def valid_range(release: Release, score: str) -> Interval:
    """What a valid score of a release is."""
    return release.ranges.get(score, SCORES[score].valid)


def quarantine_rules(release: Release) -> tuple[RowRule, ...]:
    """The rules that a row of `release` must keep to be valid."""
    return tuple(rule for rule in all_quarantine_rules(release) if not rule.skip_reason)


def all_quarantine_rules(release: Release) -> Iterator[RowRule]:
    """Every such rule that there is, in the order of their bits, which never changes."""
    yield _rule(
        release, 0, "url_http", "url", "url is there and is http or https with a host",
        _URL_IS_HTTP, _SHIFTED,
    )  # fmt: skip
    yield _rule(
        release, 1, "text_present", "text", "text is there and is not blank",
        TEXT_IS_PRESENT, _SHIFTED,
    )  # fmt: skip
    for bit, side in enumerate(("width", "height"), 2):
        yield _rule(
            release, bit, f"{side}_positive", side, f"{side} is above 0, or unknown",
            f"{side} IS NULL OR {side} > 0", _IN_QUARANTINE,
        )  # fmt: skip
    for bit, score in enumerate(SCORES, 4):
        limits = valid_range(release, score)
        yield _rule(
            release, bit, f"{score}_range", score,
            f"{score} is there, and {limits.words(score)}", limits.predicate(score), _SHIFTED,
            summary=f"{score} is there and within the release's range",
        )  # fmt: skip


def _rule(
    release: Release,
    bit: int,
    name: str,
    column: str,
    demands: str,
    predicate: str,
    advice: str,
    summary: str = "",
) -> RowRule:
    return RowRule(
        name=name,
        column=column,
        summary=summary or demands,
        demands=demands,
        advice=advice,
        threshold=DEFECT,
        skip_reason="" if column in release.columns else f"it has no {column}",
        predicate=predicate,
        bit=bit,
    )


def defects_expression(release: Release) -> str:
    """SQL for the `defects` mask of a row: the sum of the masks of the rules it breaks."""
    rules = quarantine_rules(release)
    return " + ".join(f"CASE WHEN {rule.predicate} THEN 0 ELSE {rule.mask} END" for rule in rules)


def reasons_expression(rules: Iterable[RowRule]) -> str:
    """SQL that decodes `defects` into the list of the names of the rules that the row breaks."""
    names = ", ".join(f"CASE WHEN defects & {r.mask} <> 0 THEN '{r.name}' END" for r in rules)
    return f"list_filter([{names}], lambda name: name IS NOT NULL)"
