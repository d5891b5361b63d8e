"""The Great Expectations suites that the contract generates.

There is one for the table's schema, one for its rows and one for what was measured. A check with
two bounds is two expectations, of severity warning and critical.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import floor
from typing import TYPE_CHECKING

from laion_pipeline.contract import Check, Contract, RowRule
from laion_pipeline.contract.tables import ACCOUNT, SCHEMA
from laion_pipeline.quality.measuring import Measurements
from laion_pipeline.warehouse.pairs import pairs_columns

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.expectations.metadata_types import FailureSeverity

# What Great Expectations calls a type, where that is not what DuckDB calls it.
_REPORTED_AS: Mapping[str, tuple[str, ...]] = {"VARCHAR": ("String",)}


@dataclass(frozen=True)
class Suite:
    """Expectations on what a query gives, or on the table of the suite's name without one."""

    name: str
    query: str | None
    expectations: tuple["Expectation", ...]


def suites_of(contract: Contract, measured: Measurements) -> Iterator[Suite]:
    """The suites for what was measured on a table, each with something to expect."""
    if measured.asset == "pairs":
        yield Suite("pairs", None, tuple(_schema_expectations(contract)))
        if measured.by_check:
            yield _rows_suite(contract, measured.rows)
    checks = [
        check
        for check in contract.on(measured.asset)
        if check.name in measured.by_check
        and not (isinstance(check, RowRule) and check.quarantines)
        and measured[check.name].value is not None
    ]
    if checks:
        # In the query itself, so that they are those of this validation and of no other.
        values = ", ".join(
            f"CAST('{measured[check.name].value!r}' AS DOUBLE) AS {check.name}" for check in checks
        )
        yield Suite(
            f"{measured.asset} measures",
            f"SELECT {values}",
            tuple(chain(*map(_value_expectations, checks))),
        )


def _rows_suite(contract: Contract, rows: int) -> Suite:
    """For each row, by columns of zeros and ones, which rules it breaks and whether it says so."""
    rules = [rule for rule in contract.row_rules if rule.quarantines]
    broken = "".join(f", CASE WHEN {r.predicate} THEN 0 ELSE 1 END AS {r.name}" for r in rules)
    marks = " + ".join(f"{rule.name} * {rule.mask}" for rule in rules)
    wrong = f"CASE WHEN defects = {marks} THEN 0 ELSE 1 END AS {ACCOUNT}"
    # The first column is the one that rows are counted by, so it should cost nothing.
    query = f"SELECT 0 AS row, *, {wrong} FROM (SELECT defects{broken} FROM pairs)"
    if not rows:  # of which there would be no sum
        query = f"SELECT 0 AS row, {', '.join(f'0 AS {r.name}' for r in rules)}, 0 AS {ACCOUNT}"
    checks = [*rules, contract[ACCOUNT]]
    return Suite(
        "pairs rows", query, tuple(chain(*(_row_expectations(check, rows) for check in checks)))
    )


def _schema_expectations(contract: Contract) -> Iterator["Expectation"]:
    import great_expectations.expectations as gxe

    columns = pairs_columns(contract.release)
    told = {"check": SCHEMA}  # and severity critical, which is the default
    yield gxe.ExpectTableColumnsToMatchSet(
        column_set=[column.name for column in columns], exact_match=True, meta=told
    )
    for column in columns:
        types = [column.sql_type, *_REPORTED_AS.get(column.sql_type, ())]
        yield gxe.ExpectColumnValuesToBeInTypeList(column=column.name, type_list=types, meta=told)
        if not column.nullable:
            yield gxe.ExpectColumnValuesToNotBeNull(column=column.name, meta=told)


def _row_expectations(check: Check, rows: int) -> Iterator["Expectation"]:
    import great_expectations.expectations as gxe

    for name, bound in _bounds(check):
        yield gxe.ExpectColumnSumToBeBetween(
            column=check.name,
            # As the decimal that was written down, not as the double nearest to it.
            max_value=floor(Fraction(str(bound)) * rows),
            description=_description(check, name, bound),
            meta=_meta(check),
            severity=_severity(name),
        )


def _value_expectations(check: Check) -> Iterator["Expectation"]:
    import great_expectations.expectations as gxe

    for name, bound in _bounds(check):
        yield gxe.ExpectColumnMaxToBeBetween(
            column=check.name,
            max_value=bound,
            description=_description(check, name, bound),
            meta=_meta(check),
            severity=_severity(name),
        )


def _meta(check: Check) -> dict[str, str]:
    """Which check an expectation belongs to, and what all of that check's demand together."""
    return {
        "check": check.name,
        "told": f"{check.name}: {check.demands} ({check.threshold_in_words})",
    }


def _bounds(check: Check) -> Iterator[tuple[str, float]]:
    yield from check.threshold.model_dump(exclude_none=True).items()


def _severity(bound: str) -> "FailureSeverity":
    from great_expectations.expectations.metadata_types import FailureSeverity

    return FailureSeverity.CRITICAL if bound == "error_above" else FailureSeverity.WARNING


def _description(check: Check, name: str, bound: float) -> str:
    only = check.threshold.model_copy(update={"warn_above": None, "error_above": None, name: bound})
    return f"{check.name}: {check.demands} ({check.words_of(only)})"
