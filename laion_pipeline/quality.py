"""Data quality of `pairs`: what the validation of the contract found, with examples.

Structural checks hold exactly or fail; a row rule that some rows break warns up to
`DEFECT_SHARE_LIMIT` of the rows and fails above it.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

from laion_pipeline.checks import EXAMPLES, CheckResult, Status, record_checks
from laion_pipeline.contract import DEFECT_SHARE_LIMIT, RULE_SUMMARIES, RowRule
from laion_pipeline.provenance import Provenance
from laion_pipeline.releases import Release
from laion_pipeline.text import displayable
from laion_pipeline.validation import (
    RECONCILIATION_CHECK,
    SCHEMA_CHECK,
    STRUCTURAL_CHECKS,
    run_suite,
)
from laion_pipeline.warehouse import Warehouse

logger = logging.getLogger(__name__)

EXAMPLE_CHARACTERS = 80

# Every check on `pairs`, with what it demands.
PAIRS_CHECKS: Mapping[str, str] = {**STRUCTURAL_CHECKS, **RULE_SUMMARIES}


def validate_pairs(
    warehouse: Warehouse, release: Release, docs: Path | None = None
) -> tuple[CheckResult, ...]:
    """Validate `pairs` against the contract, and keep the results in the warehouse.

    There is a result for every check of PAIRS_CHECKS, in that order; a rule about a column that
    the release lacks says so. With `docs`, the run is added to the Data Docs in that folder.
    """
    with warehouse.connect(read_only=True) as connection:
        revision = Provenance.read(connection).revision
    failing = run_suite(warehouse, release, f"{release.name} {revision[:12]}", docs)
    rules = {rule.name: rule for rule in release.rules}
    with warehouse.connect() as connection:
        rows = _count(connection, "SELECT count(*) FROM pairs")
        shards = _count(connection, "SELECT count(*) FROM shards")
        results = tuple(
            _structural_result(
                name, failing.get(name), shards if name == RECONCILIATION_CHECK else rows
            )
            if name in STRUCTURAL_CHECKS
            else _rule_result(connection, rules.get(name), name, failing.get(name), rows)
            for name in PAIRS_CHECKS
        )
        record_checks(connection, results)
    logger.info("checks: %s", ", ".join(f"{n} {status}" for status, n in _tally(results).items()))
    return results


def _tally(results: Iterable[CheckResult]) -> Mapping[str, int]:
    return Counter(result.status for result in results)


def _structural_result(name: str, failing: int | None, of: int) -> CheckResult:
    if failing is None:
        return _not_run(name, of)
    status: Status = "failed" if failing else "passed"
    return CheckResult("pairs", name, status, STRUCTURAL_CHECKS[name], of, failing)


def _not_run(name: str, of: int) -> CheckResult:
    why = f"could not be checked, since {SCHEMA_CHECK} failed"
    return CheckResult("pairs", name, "failed", why, of, 0)


def _rule_result(
    connection: duckdb.DuckDBPyConnection,
    rule: RowRule | None,
    name: str,
    failing: int | None,
    rows: int,
) -> CheckResult:
    if rule is None:
        absent = f"{name}: the column is not in this release"
        return CheckResult("pairs", name, "not in this release", absent, 0, 0)
    if failing is None:
        return _not_run(name, rows)
    status: Status = "passed"
    if failing:
        status = "warned" if failing <= DEFECT_SHARE_LIMIT * rows else "failed"
    examples = _examples(connection, rule) if failing else ()
    return CheckResult("pairs", name, status, rule.description, rows, failing, examples)


def _examples(
    connection: duckdb.DuckDBPyConnection, rule: RowRule
) -> tuple[Mapping[str, object], ...]:
    """The first few rows that break a rule, in an order that does not depend on the loading."""
    shown = dict.fromkeys([rule.column, "url", "text"])
    found = connection.execute(
        f"SELECT path AS shard, {', '.join(shown)} FROM pairs JOIN shards USING (shard_id)"
        f" WHERE {rule.broken} ORDER BY path, url, text, {rule.column} LIMIT {EXAMPLES}"
    ).to_arrow_table()
    return tuple({name: _shown(value) for name, value in row.items()} for row in found.to_pylist())


def _shown(value: object) -> object:
    return displayable(value, EXAMPLE_CHARACTERS) if isinstance(value, str) else value


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
