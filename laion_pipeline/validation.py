"""Great Expectations: the suite that the contract generates, its run, and the pages about it."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from laion_pipeline.data_docs import docs_config, publish_docs
from laion_pipeline.errors import WarehouseError
from laion_pipeline.ledger import pairs_columns
from laion_pipeline.releases import Release
from laion_pipeline.warehouse import Warehouse

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.expectations.expectation import Expectation

SCHEMA_CHECK = "schema_as_contracted"
RECONCILIATION_CHECK = "every_source_row_loaded"
STRUCTURAL_CHECKS: Mapping[str, str] = {
    SCHEMA_CHECK: "pairs has just the columns of the contract, with its types",
    RECONCILIATION_CHECK: "pairs has as many rows of each shard as its Parquet footer says",
}

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


def run_suite(
    warehouse: Warehouse, release: Release, run_name: str, docs: Path | None
) -> Mapping[str, int]:
    """Run the suite; for each check that could be run, what fails it: rows, columns or shards.

    A check about columns that are not as contracted cannot be run, and is then missing. With
    `docs`, the run is added to the Data Docs in that folder.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read at import
    import great_expectations as gx
    from great_expectations.core.result_format import ResultFormat

    logging.getLogger("great_expectations").setLevel(logging.ERROR)  # it warns of its own innards
    with _opened(warehouse, docs) as (context, pairs):
        suite = context.suites.add(
            gx.ExpectationSuite("pairs", expectations=list(_expectations(release)))
        )
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name="pairs", data=pairs, suite=suite)
        )
        results = definition.run(
            result_format=ResultFormat.SUMMARY, run_id=gx.RunIdentifier(run_name=run_name)
        ).results
        if docs is not None:
            publish_docs(context, docs)
    return _failing(results, warehouse)


def _failing(
    results: Sequence["ExpectationValidationResult"], warehouse: Warehouse
) -> Mapping[str, int]:
    failing: dict[str, int] = {}
    not_run: dict[str, str] = {}
    for result in results:
        assert result.expectation_config is not None
        check = result.expectation_config.meta["check"]
        message = _exception_message(result.exception_info)
        if message and check != SCHEMA_CHECK:
            not_run[check] = message
            continue
        observed = result.result.get("observed_value")
        unexpected = observed if isinstance(observed, int) else int(not result.success)
        failing[check] = failing.get(check, 0) + unexpected
    if not_run and not failing[SCHEMA_CHECK]:
        check, message = next(iter(not_run.items()))
        raise WarehouseError(f"{warehouse.file}: {check} cannot be checked: {message}")
    return failing


def _exception_message(info: Mapping[str, Any]) -> str | None:
    """Why an expectation could not be run: told once, or once for each metric it asked for."""
    told = [info] if "raised_exception" in info else list(info.values())
    return next((str(one["exception_message"]) for one in told if one["raised_exception"]), None)


def _expectations(release: Release) -> Iterator["Expectation"]:
    import great_expectations.expectations as gxe
    from great_expectations.expectations.metadata_types import FailureSeverity

    columns = pairs_columns(release)
    yield gxe.ExpectTableColumnsToMatchSet(
        column_set=[name for name, _ in columns], exact_match=True, meta={"check": SCHEMA_CHECK}
    )
    for name, type_ in columns:
        yield gxe.ExpectColumnValuesToBeInTypeList(
            column=name,
            type_list=[type_, *_REPORTED_AS.get(type_, ())],
            meta={"check": SCHEMA_CHECK},
        )
    yield gxe.UnexpectedRowsExpectation(
        unexpected_rows_query=_UNRECONCILED,
        description=STRUCTURAL_CHECKS[RECONCILIATION_CHECK],
        meta={"check": RECONCILIATION_CHECK},
    )
    for rule in release.rules:
        yield gxe.UnexpectedRowsExpectation(
            unexpected_rows_query=f"SELECT shard_id FROM {{batch}} WHERE {rule.broken}",
            description=f"{rule.name}: {rule.description}",
            meta={"check": rule.name},
            severity=FailureSeverity.WARNING,
        )


@contextmanager
def _opened(
    warehouse: Warehouse, docs: Path | None
) -> Iterator[tuple["AbstractDataContext", "BatchDefinition[Any]"]]:
    """`pairs` as Great Expectations sees it, through a read-only connection of its own."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    with warehouse.connect(read_only=True):
        pass  # waits for whoever holds the file, and says so, which SQLAlchemy would not
    context = gx.get_context(mode="ephemeral", project_config=docs_config(docs) if docs else None)
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
        yield context, asset.add_batch_definition_whole_table("all")
    finally:
        source.get_execution_engine().close()
        source.get_engine().dispose()
