"""The Great Expectations suites that the contract generates.

One expects of a table the columns and the number of rows that it should have, one of each row what
the rules demand. What makes a row valid Great Expectations finds by SQL of its own, not by the
predicates that marked the rows. A check with two bounds is two expectations, of severity warning
and critical.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any

from laion_pipeline.contract import Check, Contract, QuarantineRule, RowRule
from laion_pipeline.contract.check import RowCount, SchemaCheck
from laion_pipeline.quality.measuring import Measurements
from laion_pipeline.releases.release import Release
from laion_pipeline.warehouse.pairs import pairs_columns

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.expectations.metadata_types import FailureSeverity

# What Great Expectations calls a type where that is not DuckDB's name: in the warehouse, and
# in Spark.
_REPORTED_AS: Mapping[str, tuple[str, ...]] = {
    "VARCHAR": ("String", "StringType"),
    "BIGINT": ("LongType",),
    "INTEGER": ("IntegerType",),
    "DOUBLE": ("DoubleType",),
    "FLOAT": ("FloatType",),
}


@dataclass(frozen=True)
class Suite:
    """Expectations on what a query gives, or on the table of the suite's name without one."""

    name: str
    query: str | None
    expectations: tuple["Expectation", ...]

    @property
    def looked_at(self) -> frozenset[str]:
        """The columns of whose values something is expected, and not only of their type."""
        from great_expectations.expectations import ExpectColumnValuesToBeInTypeList
        from great_expectations.expectations.expectation import ColumnMapExpectation

        return frozenset(
            each.column
            for each in self.expectations
            if isinstance(each, ColumnMapExpectation)
            and not isinstance(each, ExpectColumnValuesToBeInTypeList)
        )


def suites_of(contract: Contract, measured: Measurements) -> Iterator[Suite]:
    """The suites for a table that was measured, each with something to expect.

    Of a table that has not its columns nothing else is expected, since nothing else can be told.
    """
    asset = measured.asset
    checks = [
        check
        for check in contract.on(asset)
        if not check.skip_reason and (measured.by_check or isinstance(check, SchemaCheck))
    ]
    of_table = tuple(
        chain(*(_table_expectations(check, contract.release, measured) for check in checks))
    )
    if of_table:
        yield Suite(asset, None, of_table)
    rules = [check for check in checks if isinstance(check, RowRule)]
    if rules:
        values = ", ".join(f"{rule.expected.value} AS {_column(rule)}" for rule in rules)
        of_rows = tuple(chain(*map(_row_expectations, rules)))
        yield Suite(f"{asset} rows", f"SELECT {values} FROM {asset}", of_rows)


def _column(rule: RowRule) -> str:
    """What a suite calls the value of a row: by its own name where that is what makes it valid."""
    return rule.column if isinstance(rule, QuarantineRule) else rule.name


def _table_expectations(
    check: Check, release: Release, measured: Measurements
) -> Iterator["Expectation"]:
    import great_expectations.expectations as gxe

    if isinstance(check, SchemaCheck):
        yield from _schema_expectations(check, release)
    elif isinstance(check, RowCount) and measured[check.name].value is not None:
        for name, bound in _bounds(check):
            fewest, most = check.limits(bound)
            yield gxe.ExpectTableRowCountToBeBetween(
                min_value=fewest, max_value=most, **_told(check, name, bound)
            )


def _schema_expectations(check: SchemaCheck, release: Release) -> Iterator["Expectation"]:
    import great_expectations.expectations as gxe

    columns = pairs_columns(release)
    told = {"check": check.name}  # and severity critical, which is the default
    yield gxe.ExpectTableColumnsToMatchSet(
        column_set=[column.name for column in columns], exact_match=True, meta=told
    )
    for column in columns:
        types = [column.sql_type, *_REPORTED_AS.get(column.sql_type, ())]
        yield gxe.ExpectColumnValuesToBeInTypeList(column=column.name, type_list=types, meta=told)
        if not column.nullable:
            yield gxe.ExpectColumnValuesToNotBeNull(column=column.name, meta=told)


def _row_expectations(rule: RowRule) -> Iterator["Expectation"]:
    import great_expectations.expectations as gxe

    for which, bound in _bounds(rule):
        # The double nearest to the decimal that the bound is written as.
        mostly = float(1 - Fraction(str(bound)))
        told = {"column": _column(rule), "mostly": mostly, **_told(rule, which, bound)}
        if (within := rule.expected.within) is None:
            yield gxe.ExpectColumnValuesToNotBeNull(**told)
        else:
            yield gxe.ExpectColumnValuesToBeBetween(
                min_value=within.above if within.at_least is None else within.at_least,
                strict_min=within.above is not None,
                max_value=within.below if within.at_most is None else within.at_most,
                strict_max=within.below is not None,
                **told,
            )


def _told(check: Check, name: str, bound: float) -> dict[str, Any]:
    """What an expectation says of itself, and what all of its check's demand together."""
    only = check.threshold.model_copy(update={"warn_above": None, "error_above": None, name: bound})
    return {
        "description": f"{check.name}: {check.demands} ({check.words_of(only)})",
        "meta": {
            "check": check.name,
            "told": f"{check.name}: {check.demands} ({check.threshold_in_words})",
        },
        "severity": _severity(name),
    }


def _bounds(check: Check) -> Iterator[tuple[str, float]]:
    yield from check.threshold.model_dump(exclude_none=True).items()


def _severity(bound: str) -> "FailureSeverity":
    from great_expectations.expectations.metadata_types import FailureSeverity

    return FailureSeverity.CRITICAL if bound == "error_above" else FailureSeverity.WARNING
