"""The contract's checks, each shown as an asset check of its own, and the rows that fail them."""

from collections.abc import Iterator
from math import isfinite
from typing import Any

import dagster as dg

from assets.resources import Laion
from laion_pipeline.contract import CHECKS
from laion_pipeline.contract.check import CheckedAsset
from laion_pipeline.quality.quarantine import export_quarantine
from laion_pipeline.quality.results import RecordedCheck
from laion_pipeline.quality.validation import validate
from laion_pipeline.session import Session


def check_result(result: RecordedCheck, data_docs: str = "") -> dg.AssetCheckResult:
    """A check's result as Dagster shows it: what was found, where, which rows, what to do."""
    metadata: dict[str, dg.MetadataValue[Any]] = {
        "status": dg.MetadataValue.text(result.status),
        "rule": dg.MetadataValue.text(result.description),
        "threshold": dg.MetadataValue.text(result.threshold),
        "rows": dg.MetadataValue.int(result.rows),
        "failing_rows": dg.MetadataValue.int(result.failing_rows),
        "failing_percent": dg.MetadataValue.float(100 * result.share),
        "value": dg.MetadataValue.float(result.value),
    }
    if result.since is not None:
        since = f"{result.since:%Y-%m-%d %H:%M} UTC, revision {result.since_revision}"
        metadata["since"] = dg.MetadataValue.text(since)
        metadata["what_to_do"] = dg.MetadataValue.text(result.advice)
    if result.shards:
        metadata["shards"] = dg.MetadataValue.table(
            [dg.TableRecord({"shard": path, "failing": n}) for path, n in result.shards]
        )
    if result.examples:
        # JSON, which Dagster shows as text: captions come from strangers.
        metadata["examples"] = dg.MetadataValue.json(
            [{name: _as_json(value) for name, value in row.items()} for row in result.examples]
        )
    if result.sql:
        metadata["sql"] = dg.MetadataValue.md(f"```sql\n{result.sql}\n```")
    if data_docs:
        metadata["data_docs"] = dg.MetadataValue.url(data_docs)
    return dg.AssetCheckResult(
        asset_key=result.asset,
        check_name=result.name,
        passed=not result.is_bad,
        severity=dg.AssetCheckSeverity.WARN
        if result.status == "warned"
        else dg.AssetCheckSeverity.ERROR,
        description=result.finding,
        metadata=metadata,
    )


def _as_json(value: object) -> object:
    """A value as it is where JSON has it, else in words: there are no NaN and infinities."""
    plain = value is None or isinstance(value, int | str)
    return value if plain or (isinstance(value, float) and isfinite(value)) else str(value)


def contract_specs(asset: str) -> list[dg.AssetCheckSpec]:
    """The contract's checks on an asset, as Dagster lists them."""
    return [
        dg.AssetCheckSpec(
            check.name, asset=asset, description=check.summary, blocking=check.blocking
        )
        for check in CHECKS.values()
        if check.asset == asset
    ]


def check_contract(session: Session, asset: CheckedAsset) -> Iterator[dg.AssetCheckResult]:
    """Hold an asset against the contract."""
    docs = session.paths.data_docs
    results = validate(session.warehouse, session.contract, asset, docs)
    index = (docs / "index.html").as_uri()
    yield from (check_result(result, index) for result in results)


@dg.multi_asset_check(specs=contract_specs("pairs"), name="pairs_contract", can_subset=True)
def pairs_contract(
    context: dg.AssetCheckExecutionContext, laion: Laion
) -> Iterator[dg.AssetCheckResult]:
    """Validate `pairs` with the Great Expectations suites that the contract generates."""
    with laion.session() as session:
        results = list(check_contract(session, "pairs"))
    # What is slow is shared by the checks: a few of them cost no less than all.
    selected = {key.name for key in context.selected_asset_check_keys}
    yield from (result for result in results if result.check_name in selected)


@dg.asset(deps=["pairs"], group_name="quality", kinds={"parquet"})
def quarantine(laion: Laion) -> dg.MaterializeResult[None]:
    """The rows that break a rule, each with its shard and the names of the rules, as Parquet."""
    with laion.session() as session:
        rows = export_quarantine(session.warehouse, session.paths.quarantine)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            "path": dg.MetadataValue.path(session.paths.quarantine),
        }
    )
