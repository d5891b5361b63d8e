"""Letting Great Expectations judge: its run over the suites, and what it says of each check."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from laion_pipeline.contract import Contract
from laion_pipeline.contract.tables import SCHEMA
from laion_pipeline.contract.thresholds import Verdict
from laion_pipeline.engine.engine import DUCKDB, Engine
from laion_pipeline.errors import WarehouseError
from laion_pipeline.quality.data_docs import docs_config
from laion_pipeline.quality.expectations import suites_of
from laion_pipeline.quality.measuring import Measurements
from laion_pipeline.warehouse.connections import Warehouse

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.data_context import AbstractDataContext


@dataclass
class Judgement:
    """What Great Expectations says of a check: the worst of its unmet expectations.

    `unmet` counts them, and `failing_rows` is what it counted itself, where it counted rows.
    """

    verdict: Verdict = "passed"
    unmet: int = 0
    failing_rows: int | None = None


@dataclass(frozen=True)
class Judged:
    """What Great Expectations says of each check, and its context, which can build the pages."""

    by_check: Mapping[str, Judgement]
    context: "AbstractDataContext | None" = None


def judge(
    warehouse: Warehouse,
    contract: Contract,
    measured: Measurements,
    run_name: str,
    pages: Path,
    engine: Engine = DUCKDB,
) -> Judged:
    """Run the suites for what was measured; what they say of each check.

    A check about columns that are not as contracted cannot be judged, and is then missing; so is
    one that only a measurement can tell. `pages` is where the context builds its pages, if asked.
    """
    import great_expectations as gx
    from great_expectations.core.result_format import ResultFormat
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)  # it warns of its own innards
    run_id = gx.RunIdentifier(run_name=run_name)
    told: list[ExpectationValidationResult] = []
    suites = tuple(suites_of(contract, measured))
    if not suites:
        return Judged({})
    # Counts alone: what the rows hold is nobody's business but the contract's own examples'.
    counted: dict[str, Any] = {
        "result_format": ResultFormat.SUMMARY.value,
        "partial_unexpected_count": 0,
        "return_unexpected_index_query": False,
    }
    context = gx.get_context(mode="ephemeral", project_config=docs_config(pages))
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    with engine.judged(context, warehouse) as batch_of:
        for suite in suites:
            data, parameters = batch_of(suite.name, suite.query, suite.looked_at)
            expected = gx.ExpectationSuite(suite.name, expectations=list(suite.expectations))
            definition = context.validation_definitions.add(
                gx.ValidationDefinition(
                    name=suite.name, data=data, suite=context.suites.add(expected)
                )
            )
            ran = definition.run(batch_parameters=parameters, result_format=counted, run_id=run_id)
            told += ran.results
    return Judged(_judgements(told, warehouse), context)


def _judgements(
    results: Sequence["ExpectationValidationResult"], warehouse: Warehouse
) -> Mapping[str, Judgement]:
    judgements = _by_check(results)
    not_run = {_check(r): m for r in results if (m := _exception_message(r.exception_info))}
    not_run.pop(SCHEMA, None)  # a column that cannot be looked at is not as contracted
    if not_run and not judgements.get(SCHEMA, Judgement()).unmet:
        check, message = next(iter(not_run.items()))
        raise WarehouseError(f"{warehouse.file}: {check} cannot be checked: {message}")
    return {name: said for name, said in judgements.items() if name not in not_run}


def _by_check(results: Sequence["ExpectationValidationResult"]) -> dict[str, Judgement]:
    judgements: dict[str, Judgement] = {}
    for result in results:
        before = judgements.get(_check(result), Judgement())
        judgements[_check(result)] = Judgement(
            verdict=_worse(before.verdict, _verdict(result)),
            unmet=before.unmet + (not result.success),
            failing_rows=result.result.get("unexpected_count"),
        )
    return judgements


def _check(result: "ExpectationValidationResult") -> str:
    assert result.expectation_config is not None
    return str(result.expectation_config.meta["check"])


def _verdict(result: "ExpectationValidationResult") -> Verdict:
    from great_expectations.expectations.metadata_types import FailureSeverity

    assert result.expectation_config is not None
    if result.success:
        return "passed"
    critical = result.expectation_config.severity == FailureSeverity.CRITICAL
    return "failed" if critical else "warned"


def _worse(one: Verdict, other: Verdict) -> Verdict:
    return max(one, other, key=get_args(Verdict).index)


def _exception_message(info: Mapping[str, Any]) -> str | None:
    """Why an expectation could not be run: told once, or once for each metric it asked for."""
    told = [info] if "raised_exception" in info else list(info.values())
    return next((str(one["exception_message"]) for one in told if one["raised_exception"]), None)
