"""Validating a table against the contract: every check judged, explained, and recorded.

Great Expectations judges; here its judgement is put together with where the failures are, which
rows are an example, and what to do.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from laion_pipeline.contract import Check, Contract, Measure, RowRule
from laion_pipeline.contract.check import MarksCheck
from laion_pipeline.contract.tables import SCHEMA
from laion_pipeline.quality.data_docs import Run, publish_docs
from laion_pipeline.quality.judging import Judgement, judge, worse
from laion_pipeline.quality.measuring import (
    Evidence,
    Measured,
    Measurements,
    find_wrong_marks,
    measure_all,
    measure_nothing,
)
from laion_pipeline.quality.results import (
    EXAMPLES,
    CheckResult,
    RecordedCheck,
    Status,
    record_checks,
    tally,
)
from laion_pipeline.quality.row_sample import draw_row_sample
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.pairs import has_columns
from laion_pipeline.warehouse.provenance import Provenance

logger = logging.getLogger(__name__)


def validate(
    warehouse: Warehouse, contract: Contract, asset: str, docs: Path | None = None
) -> tuple[RecordedCheck, ...]:
    """Hold a table against its contract, and keep the results in the warehouse.

    There is a result for every check on `asset`, in the contract's order; one that the release
    cannot be held to says so. With `docs`, the run is added to the Data Docs in that folder.

    Raises WarehouseError when the table is not there.
    """
    if not contract.on(asset):
        return ()
    started = time.monotonic()
    with warehouse.connect(read_only=True) as connection:
        revision = Provenance.read(connection).revision
    with warehouse.connect() as connection:
        if asset == "pairs" and not has_columns(connection, contract.release):
            measured = measure_nothing(connection, asset)
        else:
            if asset == "pairs":
                draw_row_sample(connection, contract.release)
            measured = measure_all(connection, contract, asset)
    run_name = f"{contract.release.name} {revision[:12]}"
    with TemporaryDirectory() as built:
        judged = judge(warehouse, contract, measured, run_name, Path(built))
        with warehouse.connect() as connection:
            found = _Found(judged.by_check, measured)
            results = record_checks(
                connection,
                [_result(connection, check, found) for check in contract.on(asset)],
            )
        if docs is not None and judged.context is not None:
            now = datetime.now(UTC)
            run = Run(name=run_name, time=f"{now:%Y-%m-%d %H:%M:%S}", tally=tally(results))
            publish_docs(judged.context, Path(built), docs, run, results)
    seconds = time.monotonic() - started
    logger.info("checks on %s: %s in %.1f s", asset, tally(results), seconds)
    return results


@dataclass(frozen=True)
class _Found:
    """All that is known of a table: what was measured, and what Great Expectations says."""

    judged: Mapping[str, Judgement]
    measured: Measurements

    @property
    def rows(self) -> int:
        return self.measured.rows


def _result(connection: duckdb.DuckDBPyConnection, check: Check, found: _Found) -> CheckResult:
    if check.skip_reason:
        return _told(check, "not in this release", check.skip_reason)
    measured = found.measured.by_check.get(check.name)
    if isinstance(check, Measure) and measured is not None and measured.value is None:
        return _told(check, "nothing to compare with", check.empty_reason)
    judgement = found.judged.get(check.name)
    if judgement is None:
        return _told(check, "failed", f"could not be checked, since {SCHEMA} failed")
    if isinstance(check, MarksCheck):
        return _account(connection, check, judgement, found.rows)
    if isinstance(check, RowRule) and check.quarantines:
        failing = int(judgement.failing_rows or 0)
        share = failing / found.rows if found.rows else 0.0
        evidence = found.measured[check.name].evidence
        return _counted(check, judgement.verdict, Measured(failing, found.rows, share, evidence))
    if measured is not None:
        return _counted(check, judgement.verdict, measured)
    columns = len(connection.table(check.asset).columns)
    share = judgement.unmet / columns
    return _counted(check, judgement.verdict, Measured(judgement.unmet, columns, share, Evidence()))


def _told(check: Check, status: Status, why: str) -> CheckResult:
    return CheckResult(
        asset=check.asset,
        name=check.name,
        status=status,
        description=why,
        threshold=check.threshold_in_words,
        unit=check.unit,
        advice=check.advice if status == "failed" else "",
        blocking=check.blocking,
    )


def _counted(check: Check, status: Status, measured: Measured) -> CheckResult:
    return CheckResult(
        asset=check.asset,
        name=check.name,
        status=status,
        description=check.demands,
        threshold=check.threshold_in_words,
        unit=check.unit,
        rows=measured.denominator,
        failing_rows=measured.failing_rows,
        value=measured.value or 0.0,
        value_of=check.value_of,
        shards=measured.evidence.shards,
        examples=measured.evidence.examples,
        sql=check.finds,
        advice=check.advice,
        blocking=check.blocking,
    )


def _account(
    connection: duckdb.DuckDBPyConnection, check: MarksCheck, judgement: Judgement, rows: int
) -> CheckResult:
    """Whether the views lose no row, beside what Great Expectations says of the marks."""
    source = _count(connection, "SELECT coalesce(sum(rows), 0) FROM shards")
    shown = _count(
        connection, "SELECT (SELECT count(*) FROM valid_pairs) + count(*) FROM quarantine"
    )
    failing = int(judgement.failing_rows or 0) + abs(source - shown)
    share = failing / rows if rows else float(failing > 0)
    evidence = find_wrong_marks(connection, check) if judgement.failing_rows else Evidence()
    if source != shown:
        lost = {"source_rows": source, "valid_and_quarantined": shown}
        evidence = replace(evidence, examples=(lost, *evidence.examples)[:EXAMPLES])
    verdict = worse(judgement.verdict, check.threshold.verdict(share))
    return _counted(check, verdict, Measured(failing, rows, share, evidence))


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
