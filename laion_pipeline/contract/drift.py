"""Checks on the change from one revision to the next, which `revision_drift` measures."""

from collections.abc import Iterator
from typing import Final

from laion_pipeline.contract.check import Measure
from laion_pipeline.contract.tables import NO_PREVIOUS
from laion_pipeline.contract.thresholds import Threshold
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.releases.release import Release

DRIFT: Final = "revision_drift"


def drift_measures(release: Release) -> Iterator[Measure]:
    """How far the rows and each score may move from one revision to the next."""
    demands = "about as many rows as the revision before"
    yield Measure(
        asset=DRIFT,
        name="rows_drift",
        demands=demands,
        advice="See `revision_diff` for the shards whose rows were added or removed.",
        threshold=Threshold(warn_above=0.05),
        unit="previous rows",
        denominator="SELECT max(previous_rows) FROM revision_drift WHERE measure = 'rows'",
        evidence="SELECT NULL AS shard_id, abs(rows - previous_rows) AS failing, rows,"
        " previous_rows FROM revision_drift WHERE measure = 'rows' AND rows <> previous_rows",
        look_up="SELECT * FROM revision_diff ORDER BY added + removed DESC",
        empty_reason=NO_PREVIOUS,
    )
    for score in SCORES:
        demands = f"{score} is spread as in the revision before"
        one = f"revision_drift WHERE measure = '{score}'"
        yield Measure(
            asset=DRIFT,
            name=f"{score}_drift",
            demands=demands,
            advice="Compare the histograms in `release_history`. A score that moved this far was"
            " filtered or computed in another way: do not mix rows of the two revisions.",
            # The usual reading: below 0.1 stable, above 0.25 another population.
            threshold=Threshold(warn_above=0.1, error_above=0.25),
            skip_reason=release.lacks(score),
            value_of="population stability index",
            denominator=f"SELECT max(previous_rows) FROM {one}",
            evidence=f"SELECT NULL AS shard_id, 0 AS failing, * FROM {one} AND value > 0",
            value=f"SELECT max(value) FROM {one}",
            look_up=f"FROM {one}",
            empty_reason=NO_PREVIOUS,
        )
