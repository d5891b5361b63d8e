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

import duckdb

from laion_pipeline.common.files import workplace
from laion_pipeline.contract import Check, Contract, Measure, QuarantineRule
from laion_pipeline.contract.check import MarksCheck
from laion_pipeline.contract.tables import SCHEMA
from laion_pipeline.engine.engine import DUCKDB, Engine
from laion_pipeline.quality.data_docs import Run, publish_docs
from laion_pipeline.quality.judging import Judgement, judge
from laion_pipeline.quality.measuring import Evidence, Measured, Measurements, measure_all
from laion_pipeline.quality.results import (
    EXAMPLES,
    CheckResult,
    RecordedCheck,
    Status,
    record_checks,
    tally,
)
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.provenance import Provenance

logger = logging.getLogger(__name__)

_NOTHING = Measured(0, 0, None, Evidence())


def validate(
    warehouse: Warehouse,
    contract: Contract,
    asset: str,
    docs: Path | None = None,
    engine: Engine = DUCKDB,
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
        measured = measure_all(connection, contract, asset, engine)
    run_name = f"{contract.release.name} {revision[:12]}"
    with workplace(docs or warehouse.file.with_name("data_docs")) as built:
        judged = judge(warehouse, contract, measured, run_name, built, engine)
        with warehouse.connect() as connection:
            found = _Found(contract, judged.by_check, measured)
            results = record_checks(
                connection, [_result(connection, check, found) for check in contract.on(asset)]
            )
        if docs is not None and judged.context is not None:
            now = datetime.now(UTC)
            run = Run(name=run_name, time=f"{now:%Y-%m-%d %H:%M:%S}", tally=tally(results))
            publish_docs(judged.context, built, docs, run, results)
    seconds = time.monotonic() - started
    logger.info("checks on %s: %s in %.1f s", asset, tally(results), seconds)
    return results


@dataclass(frozen=True)
class _Found:
    """All that is known of a table: what was measured, and what Great Expectations says."""

    contract: Contract
    judged: Mapping[str, Judgement]
    measured: Measurements


def _result(connection: duckdb.DuckDBPyConnection, check: Check, found: _Found) -> CheckResult:
    if check.skip_reason:
        return _result_of(check, "not in this release", told=check.skip_reason)
    measured = found.measured.by_check.get(check.name)
    if isinstance(check, Measure) and measured is not None and measured.value is None:
        return _result_of(check, "nothing to compare with", told=check.empty_reason)
    judgement = found.judged.get(check.name)
    if isinstance(check, MarksCheck) and found.measured.by_check:
        return _account(connection, check, found)
    if judgement is None and measured is not None and measured.value is not None:
        return _result_of(check, check.threshold.verdict(measured.value), measured)
    if judgement is None:
        return _result_of(check, "failed", told=f"could not be checked, since {SCHEMA} failed")
    if isinstance(check, QuarantineRule):
        failing = judgement.failing_rows or 0
        share = failing / found.measured.rows if found.measured.rows else 0.0
        evidence = found.measured[check.name].evidence
        measured = Measured(failing, found.measured.rows, share, evidence)
    elif measured is None:
        columns = len(connection.table(check.asset).columns)
        measured = Measured(judgement.unmet, columns, judgement.unmet / columns, Evidence())
    return _result_of(check, judgement.verdict, measured)


def _result_of(
    check: Check, status: Status, measured: Measured = _NOTHING, told: str = ""
) -> CheckResult:
    """A result of what was measured, or of nothing, and then `told` says why."""
    return CheckResult(
        asset=check.asset,
        name=check.name,
        status=status,
        description=told or check.demands,
        threshold=check.threshold_in_words,
        unit=check.unit,
        rows=measured.denominator,
        failing_rows=measured.failing_rows,
        value=measured.value or 0.0,
        value_of="" if told else check.value_of,
        shards=measured.evidence.shards,
        examples=measured.evidence.examples,
        sql="" if told else check.finds,
        advice=check.advice if status == "failed" or not told else "",
        blocking=check.blocking,
    )


def _account(
    connection: duckdb.DuckDBPyConnection, check: MarksCheck, found: _Found
) -> CheckResult:
    """Whether the views lose no row, and all rows bear the marks that they should.

    They do where each row's are what the predicates say now, and where as many rows bear a rule's
    mark as Great Expectations finds to break it.
    """
    source = _count(connection, "SELECT coalesce(sum(rows), 0) FROM shards")
    shown = _count(
        connection, "SELECT (SELECT count(*) FROM valid_pairs) + count(*) FROM quarantine"
    )
    marks = found.measured[check.name]
    examples: list[Mapping[str, object]] = []
    if source != shown:
        examples.append({"source_rows": source, "valid_and_quarantined": shown})
    disagreed = 0
    for rule in found.contract.row_rules:
        said = found.judged.get(rule.name)
        if said is None or not isinstance(rule, QuarantineRule):
            continue
        marked, counted = found.measured[rule.name].failing_rows, said.failing_rows or 0
        if marked != counted:
            disagreed = max(disagreed, abs(marked - counted))
            examples.append({"rule": rule.name, "rows_marked": marked, "rows_counted": counted})
    # Rows with wrong marks are often those that the counts differ by.
    failing = max(marks.failing_rows, disagreed) + abs(source - shown)
    share = failing / found.measured.rows if found.measured.rows else float(failing > 0)
    shown_rows = (*examples, *marks.evidence.examples)[:EXAMPLES]
    evidence = replace(marks.evidence, examples=shown_rows)
    told = Measured(failing, found.measured.rows, share, evidence)
    return _result_of(check, check.threshold.verdict(share), told)


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
