"""The contract's checks on `pairs`, each shown as an asset check of its own."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.resources import Laion
from laion_pipeline.checks import CheckResult
from laion_pipeline.quality import PAIRS_CHECKS, validate_pairs
from laion_pipeline.validation import STRUCTURAL_CHECKS


def check_result(result: CheckResult) -> dg.AssetCheckResult:
    """A check's result as Dagster shows it: what was demanded, how much fails, and examples."""
    warned = result.status == "warned"
    metadata: dict[str, dg.MetadataValue[Any]] = {
        "status": dg.MetadataValue.text(result.status),
        "rule": dg.MetadataValue.text(result.description),
        "rows": dg.MetadataValue.int(result.rows),
        "failing_rows": dg.MetadataValue.int(result.failing_rows),
        "failing_percent": dg.MetadataValue.float(100 * result.share),
    }
    if result.examples:
        # JSON, which Dagster shows as text: captions come from strangers.
        metadata["examples"] = dg.MetadataValue.json(
            [{key: str(value) for key, value in row.items()} for row in result.examples]
        )
    if result.status == "not in this release":
        description = result.description
    else:
        description = f"{result.failing_rows:,} of {result.rows:,} fail: {result.description}"
    return dg.AssetCheckResult(
        asset_key=result.asset,
        check_name=result.name,
        passed=result.status in ("passed", "not in this release"),
        severity=dg.AssetCheckSeverity.WARN if warned else dg.AssetCheckSeverity.ERROR,
        description=description,
        metadata=metadata,
    )


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            name,
            asset="pairs",
            description=summary,
            blocking=name in STRUCTURAL_CHECKS,
        )
        for name, summary in PAIRS_CHECKS.items()
    ],
    name="pairs_contract",
    can_subset=True,
)
def pairs_contract(
    context: dg.AssetCheckExecutionContext, laion: Laion
) -> Iterator[dg.AssetCheckResult]:
    """Validate `pairs` with the Great Expectations suite that the contract generates."""
    with laion.session() as session:
        results = validate_pairs(session.warehouse, session.release, session.paths.data_docs)
    # The suite is one scan: a few of its checks cost no less than all.
    selected = {key.name for key in context.selected_asset_check_keys}
    yield from (check_result(result) for result in results if result.name in selected)
