"""Validation of `pairs`: one Great Expectations suite, generated from the contract.

Structural checks hold exactly or fail; a row rule that some rows break warns up to
`DEFECT_SHARE_LIMIT` of the rows and fails above it.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import duckdb

from laion_pipeline.checks import EXAMPLES, CheckResult, Status, record_checks
from laion_pipeline.contract import DEFECT_SHARE_LIMIT, RULE_SUMMARIES, RowRule
from laion_pipeline.errors import WarehouseError
from laion_pipeline.ledger import pairs_columns
from laion_pipeline.releases import Release
from laion_pipeline.text import displayable
from laion_pipeline.warehouse import Warehouse

if TYPE_CHECKING:
    from great_expectations.datasource.fluent.interfaces import Batch
    from great_expectations.expectations.expectation import Expectation

logger = logging.getLogger(__name__)

EXAMPLE_CHARACTERS = 80

SCHEMA_CHECK = "schema_as_contracted"
RECONCILIATION_CHECK = "every_source_row_loaded"
STRUCTURAL_CHECKS: Mapping[str, str] = {
    SCHEMA_CHECK: "pairs has just the columns of the contract, with its types",
    RECONCILIATION_CHECK: "pairs has as many rows of each shard as its Parquet footer says",
}
# Every check on `pairs`, with what it demands.
PAIRS_CHECKS: Mapping[str, str] = {**STRUCTURAL_CHECKS, **RULE_SUMMARIES}

# What Great Expectations calls a type, where that is not what DuckDB calls it.
_REPORTED_AS: Mapping[str, tuple[str, ...]] = {"VARCHAR": ("String",)}

# Each line is a shard, in the ledger or only in the table, whose rows are not all there.
_UNRECONCILED = """
SELECT ledger.path
FROM shards AS ledger
FULL JOIN (SELECT shard_id, count(*) AS loaded FROM {batch} GROUP BY shard_id) AS found
    ON found.shard_id = ledger.shard_id
WHERE ledger.rows IS DISTINCT FROM coalesce(found.loaded, 0)
"""


def validate_pairs(warehouse: Warehouse, release: Release) -> tuple[CheckResult, ...]:
    """Validate `pairs` against the contract, and keep the results in the warehouse.

    There is a result for every check of PAIRS_CHECKS, in that order; a rule about a column that
    the release lacks says so.
    """
    failing = _validate(warehouse, release)
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


def _validate(warehouse: Warehouse, release: Release) -> dict[str, int]:
    """Run the suite; for each check that could be run, what fails it: rows, columns or shards.

    A check about columns that are not as contracted cannot be run, and is then missing.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import
    import great_expectations as gx
    from great_expectations.core.result_format import ResultFormat

    logging.getLogger("great_expectations").setLevel(logging.ERROR)  # it warns of its own innards
    failing: dict[str, int] = {}
    with _batch(warehouse) as batch:
        for expectations in _steps(release):
            suite = gx.ExpectationSuite("pairs", expectations=expectations)
            validated = batch.validate(suite, result_format=ResultFormat.SUMMARY)
            for result in validated.results:
                assert result.expectation_config is not None
                check = result.expectation_config.meta["check"]
                if not (message := _exception_message(result.exception_info)):
                    observed = result.result.get("observed_value")
                    unexpected = observed if isinstance(observed, int) else int(not result.success)
                    failing[check] = failing.get(check, 0) + unexpected
                elif not failing[SCHEMA_CHECK]:
                    raise WarehouseError(f"{warehouse.file}: cannot be validated: {message}")
    return failing


def _exception_message(info: Mapping[str, Any]) -> str | None:
    """Why an expectation could not be run: told once, or once for each metric it asked for."""
    told = [info] if "raised_exception" in info else list(info.values())
    return next((str(one["exception_message"]) for one in told if one["raised_exception"]), None)


def _steps(release: Release) -> Iterator[list["Expectation"]]:
    """The suite in the order in which it makes sense: a type is asked for only of a column."""
    yield _columns_expected(release)
    yield _types_expected(release)
    yield _rows_expected(release)


def _columns_expected(release: Release) -> list["Expectation"]:
    import great_expectations.expectations as gxe

    columns = [name for name, _ in pairs_columns(release)]
    return [
        gxe.ExpectTableColumnsToMatchSet(
            column_set=columns, exact_match=True, meta={"check": SCHEMA_CHECK}
        )
    ]


def _types_expected(release: Release) -> list["Expectation"]:
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectColumnValuesToBeInTypeList(
            column=name,
            type_list=[type_, *_REPORTED_AS.get(type_, ())],
            meta={"check": SCHEMA_CHECK},
        )
        for name, type_ in pairs_columns(release)
    ]


def _rows_expected(release: Release) -> list["Expectation"]:
    import great_expectations.expectations as gxe
    from great_expectations.expectations.metadata_types import FailureSeverity

    return [
        gxe.UnexpectedRowsExpectation(
            unexpected_rows_query=_UNRECONCILED,
            description=STRUCTURAL_CHECKS[RECONCILIATION_CHECK],
            meta={"check": RECONCILIATION_CHECK},
        ),
        *(
            gxe.UnexpectedRowsExpectation(
                unexpected_rows_query=f"SELECT shard_id FROM {{batch}} WHERE {rule.broken}",
                description=rule.description,
                meta={"check": rule.name},
                severity=FailureSeverity.WARNING,
            )
            for rule in release.rules
        ),
    ]


@contextmanager
def _batch(warehouse: Warehouse) -> Iterator["Batch"]:
    """`pairs` as Great Expectations sees it, through a read-only connection of its own."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    with warehouse.connect(read_only=True):
        pass  # waits for whoever holds the file, and says so, which SQLAlchemy would not
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_sql(  # type: ignore[call-arg]  # `kwargs` is a field of it
        "warehouse",
        # Quoted, or a % or $ of the path would be read as more than itself.
        connection_string=f"duckdb:///{quote(str(warehouse.file))}?access_mode=READ_ONLY",
        kwargs={
            # Great Expectations fetches after it has given the connection back, when DuckDB's
            # results would be gone with the roll-back.
            "isolation_level": "AUTOCOMMIT",
            "skip_autocommit_rollback": True,
            "connect_args": {"config": warehouse.config()},
        },
    )
    try:
        asset = source.add_table_asset("pairs", table_name="pairs")
        yield asset.add_batch_definition_whole_table("all").get_batch()
    finally:
        source.get_execution_engine().close()
        source.get_engine().dispose()


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
