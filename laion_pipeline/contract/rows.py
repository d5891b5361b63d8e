"""Rules that a row must keep to be valid, and what a row's marks say of them.

Everything about a rule is in one place here: what it is called, what it says, the SQL that decides.
"""

from collections.abc import Iterable, Iterator

from laion_pipeline.contract.check import Expected, QuarantineRule
from laion_pipeline.contract.thresholds import DEFECT
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.releases.release import Release

# Unicode's white space and the four ASCII separators: DuckDB's own trim and \s know fewer.
_BLANK_RANGES = (
    *((0x9, 0xD), (0x1C, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A)),
    *((0x2028, 0x2028), (0x2029, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)),
)
# As the inside of a regular expression's class.
BLANKS = "".join(
    rf"\x{{{first:x}}}" + (rf"-\x{{{last:x}}}" if last > first else "")
    for first, last in _BLANK_RANGES
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
# The same without regular expressions: the first letter of the host, and that is not blank.
_ALL_BLANKS = "".join(chr(c) for first, last in _BLANK_RANGES for c in range(first, last + 1))
_AFTER_SCHEME = (  # in small letters, as it is nearly always, found without making them so
    "CASE WHEN starts_with(url, 'https://') THEN substr(url, 9, 1)"
    " WHEN starts_with(url, 'http://') THEN substr(url, 8, 1)"
    " WHEN lower(split_part(url, '//', 1)) = 'https:' THEN substr(url, 9, 1)"
    " WHEN lower(split_part(url, '//', 1)) = 'http:' THEN substr(url, 8, 1) ELSE '' END"
)
_START_OF_HOST = (
    f"CASE WHEN NOT contains('/?#{_ALL_BLANKS}', {_AFTER_SCHEME}) THEN {_AFTER_SCHEME} END"
)
_START_OF_TEXT = (  # trim is slow
    f"CASE WHEN contains('{_ALL_BLANKS}', left(text, 1))"
    f" THEN nullif(left(ltrim(text, '{_ALL_BLANKS}'), 1), '') ELSE left(text, 1) END"
)

_IN_QUARANTINE = "The rows are in quarantine and nothing counts them."
_SHIFTED = f"{_IN_QUARANTINE} Many in one shard mean that its columns are shifted or its file bad."


def valid_range(release: Release, score: str) -> Interval:
    """What a valid score of a release is."""
    return release.ranges.get(score, SCORES[score].valid)


def quarantine_rules(release: Release) -> tuple[QuarantineRule, ...]:
    """The rules that a row of `release` must keep to be valid."""
    return tuple(rule for rule in all_quarantine_rules(release) if not rule.skip_reason)


def all_quarantine_rules(release: Release) -> Iterator[QuarantineRule]:
    """Every such rule that there is, in the order of their bits, which never changes."""
    yield _rule(
        release, 0, "url_http", "url", "url is there and is http or https with a host",
        _URL_IS_HTTP, Expected(_START_OF_HOST), _SHIFTED,
    )  # fmt: skip
    yield _rule(
        release, 1, "text_present", "text", "text is there and is not blank",
        TEXT_IS_PRESENT, Expected(_START_OF_TEXT), _SHIFTED,
    )  # fmt: skip
    for bit, side in enumerate(("width", "height"), 2):
        yield _rule(
            release, bit, f"{side}_positive", side, f"{side} is above 0, or unknown",
            f"{side} IS NULL OR {side} > 0",
            Expected(f"coalesce({side}, 1)", Interval(above=0)), _IN_QUARANTINE,
        )  # fmt: skip
    for bit, score in enumerate(SCORES, 4):
        limits = valid_range(release, score)
        yield _rule(
            release, bit, f"{score}_range", score,
            f"{score} is there, and {limits.words(score)}", limits.predicate(score),
            Expected(f"coalesce({score}, CAST('NaN' AS DOUBLE))", limits), _SHIFTED,
            summary=f"{score} is there and within the release's range",
        )  # fmt: skip


def _rule(
    release: Release,
    bit: int,
    name: str,
    column: str,
    demands: str,
    predicate: str,
    counted_by: Expected,
    advice: str,
    summary: str = "",
) -> QuarantineRule:
    return QuarantineRule(
        name=name,
        column=column,
        summary=summary,
        demands=demands,
        advice=advice,
        threshold=DEFECT,
        skip_reason=release.lacks(column),
        predicate=predicate,
        bit=bit,
        counted_by=counted_by,
    )


def defects_expression(release: Release) -> str:
    """SQL for the `defects` mask of a row: the sum of the masks of the rules it breaks."""
    rules = quarantine_rules(release)
    return " + ".join(f"CASE WHEN {rule.predicate} THEN 0 ELSE {rule.mask} END" for rule in rules)


def reasons_expression(rules: Iterable[QuarantineRule]) -> str:
    """SQL that decodes `defects` into the list of the names of the rules that the row breaks."""
    names = ", ".join(f"CASE WHEN defects & {r.mask} <> 0 THEN '{r.name}' END" for r in rules)
    return f"list_filter([{names}], lambda name: name IS NOT NULL)"
