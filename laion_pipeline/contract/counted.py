"""Rules that a row may break and still be valid: how many do is only counted.

They are what the release's makers say they kept, and the usual dirt in captions.
"""

from collections.abc import Iterator
from dataclasses import replace

from laion_pipeline.contract.captions import HAS_CONTROL, HAS_ENTITY, HAS_REPLACEMENT, ONLY_DIGITS
from laion_pipeline.contract.check import RowRule
from laion_pipeline.contract.rows import TEXT_IS_PRESENT, valid_range
from laion_pipeline.contract.thresholds import DEFECT, NOTED, Threshold
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.releases.release import FILTERED_SCORES, Release

_STILL_COUNTED = "The rows are valid and counted."


def counted_rules(release: Release) -> Iterator[RowRule]:
    """Every such rule that there is, with the numbers that hold for `release`."""
    for score in FILTERED_SCORES:
        rule = RowRule(
            name=f"{score}_filter",
            column=score,
            summary=f"{score} is within what the release's makers kept",
            demands="",
            advice=f"{_STILL_COUNTED} The release is not filtered as it is described: filter on"
            f" {score} yourself before training.",
            threshold=DEFECT,
            predicate="true",
        )
        yield _kept(rule, release, release.filters.get(score))
    rule = RowRule(
        name="similarity_cutoff",
        column="similarity",
        summary="similarity reaches the release's cut-off, which is known to leak",
        demands="",
        advice=f"{_STILL_COUNTED} A few in ten thousand are usual. Filter on similarity where it"
        " matters.",
        threshold=NOTED,
        predicate="true",
    )
    cutoff = release.similarity_cutoff
    yield _kept(rule, release, None if cutoff is None else Interval(at_least=cutoff))
    yield RowRule(
        name="sizes_known",
        column="width",
        demands="width and height are both known",
        advice=f"{_STILL_COUNTED} Tables about sizes leave them out. Many mean that the size"
        " columns were not read as they are spelled.",
        threshold=Threshold(warn_above=0.01),
        skip_reason=release.lacks("width", "height"),
        predicate="width IS NOT NULL AND height IS NOT NULL",
    )
    yield from _captions()


def _kept(rule: RowRule, release: Release, kept: Interval | None) -> RowRule:
    """The rule that a score is within what the release's makers kept, if they say what that is."""
    score = rule.column
    if lack := release.lacks(score):
        return replace(rule, skip_reason=lack)
    if kept is None:
        return replace(rule, skip_reason=f"its makers publish no such limit on {score}")
    valid = valid_range(release, score).predicate(score)
    return replace(
        rule,
        demands=f"{kept.words(score)}, as the release's makers kept it",
        # A score that is out of its range, or not there, breaks the rule about that alone.
        predicate=f"({kept.predicate(score)}) OR ({valid}) IS NOT TRUE",
    )


def _captions() -> Iterator[RowRule]:
    for name, demands, dirty, advice in (
        ("text_not_only_digits", "text is more than digits", ONLY_DIGITS,
         "Such captions say nothing about the image, and are commoner the lower the similarity."),
        ("text_without_replacement_characters", "text holds no U+FFFD, the mark of a letter lost"
         " to a wrong encoding", HAS_REPLACEMENT, "The letters cannot be had back."),
        ("text_without_control_characters", "text holds no control characters", HAS_CONTROL,
         "Tabs and line breaks are among them: replace them by blanks before training."),
        ("text_without_html_entities", "text holds no HTML entities, such as &amp;", HAS_ENTITY,
         "Decode them before training (in Python, html.unescape)."),
    ):  # fmt: skip
        yield RowRule(
            name=name,
            column="text",
            demands=demands,
            advice=f"{_STILL_COUNTED} {advice}",
            threshold=NOTED,
            # A blank caption is another rule's business.
            predicate=f"CASE WHEN {dirty} THEN NOT ({TEXT_IS_PRESENT}) ELSE true END",
        )
