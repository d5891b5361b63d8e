"""The contract's checks, each shown as an asset check of its own, and the rows that fail them."""

from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Any

import dagster as dg

from assets.outcome import BLOCKED_BY
from assets.resources import Laion
from assets.shown import rounded, table_of
from assets.ui.links import file_link, file_metadata
from laion_pipeline.contract import CHECKS
from laion_pipeline.quality.quarantine import export_quarantine
from laion_pipeline.quality.results import RecordedCheck
from laion_pipeline.quality.validation import validate
from laion_pipeline.session import Session
from laion_pipeline.tables.table import SELF_CHECK


def check_result(result: RecordedCheck, session: Session) -> dg.AssetCheckResult:
    """A check's result as Dagster shows it: what was found, where, which rows, what to do."""
    metadata: dict[str, dg.MetadataValue[Any]] = {
        "status": dg.MetadataValue.text(result.status),
        "revision": dg.MetadataValue.text(result.revision),
    }
    if result.is_checked:
        metadata |= {
            "rule": dg.MetadataValue.text(result.description),
            "threshold": dg.MetadataValue.text(result.threshold),
            "rows": dg.MetadataValue.int(result.rows),
            "failing_rows": dg.MetadataValue.int(result.failing_rows),
            "failing_percent": dg.MetadataValue.float(rounded(100 * result.share)),
            "value": dg.MetadataValue.float(rounded(result.value)),
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
    if result.name != SELF_CHECK:  # which is this project's own
        index = session.paths.data_docs / "index.html"
        metadata["data_docs"] = file_link(session, index)
        metadata["data_docs_path"] = dg.MetadataValue.path(index)
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


def stop_if_blocked(results: Iterable[RecordedCheck]) -> None:
    """End a step in which a check that blocks has failed, saying what it found and what to do."""
    told = [check.told for check in results if check.blocking and check.status == "failed"]
    if told:
        raise dg.Failure(" ".join(told), {BLOCKED_BY: len(told)}, allow_retries=False)


def _as_json(value: object) -> object:
    """A value as it is where JSON has it, else in words: there are no NaN and infinities."""
    plain = value is None or isinstance(value, int | str)
    return value if plain or (isinstance(value, float) and isfinite(value)) else str(value)


def contract_specs(asset: str) -> list[dg.AssetCheckSpec]:
    """The contract's checks on an asset, as Dagster lists them."""
    return [
        dg.AssetCheckSpec(
            check.name, asset=asset, description=check.in_general, blocking=check.blocking
        )
        for check in CHECKS.values()
        if check.asset == asset
    ]


def check_contract(session: Session, asset: str) -> tuple[RecordedCheck, ...]:
    """Hold an asset against the contract."""
    return validate(
        session.warehouse, session.contract, asset, session.paths.data_docs, session.engine
    )


@dg.multi_asset_check(specs=contract_specs("pairs"), name="pairs_contract", can_subset=True)
def pairs_contract(
    context: dg.AssetCheckExecutionContext, laion: Laion
) -> Iterator[dg.AssetCheckResult]:
    """Validate `pairs` with the Great Expectations suites that the contract generates."""
    with laion.session() as session:
        results = check_contract(session, "pairs")
        laion.tag(session, results[0].revision)
    # What is slow is shared by the checks: a few of them cost no less than all.
    selected = {key.name for key in context.selected_asset_check_keys}
    yield from (check_result(result, session) for result in results if result.name in selected)
    stop_if_blocked(results)


@dg.asset(deps=["pairs"], group_name="quality", kinds={"parquet"})
def quarantine(laion: Laion) -> dg.MaterializeResult[None]:
    """The rows that break a rule, each with its shard and the names of the rules, as Parquet."""
    with laion.sound() as (session, provenance):
        result = export_quarantine(session.warehouse, session.paths.quarantine)
    return dg.MaterializeResult(
        metadata={
            **laion.told(provenance, result.rows),
            "dagster/row_count": result.rows,
            "dagster/table_name": "quarantine",
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn(name, type_) for name, type_ in result.types.items()]
            ),
            "sql": dg.MetadataValue.md(f"```sql\n{result.query}\n```"),
            **({"first_rows": table_of(result.first)} if result.first else {}),
            **file_metadata(session, session.paths.quarantine),
        }
    )
