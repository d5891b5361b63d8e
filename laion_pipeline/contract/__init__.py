"""What a release's rows must be: every check there is, with its threshold, written once.

The `defects` mask, the Great Expectations suites, Dagster's checks and table schema, and the page
`docs/contract.md` are all derived from here. `rows` holds the rules that a valid row keeps,
`counted` those that only count, `tables` the checks on `pairs` as a whole, `drift` those against
the revision before, `thresholds` what decides between passing, a warning and an error.
"""

from laion_pipeline.contract.check import Check, Measure, QuarantineRule, RowRule
from laion_pipeline.contract.contract import CHECKS, Contract, read_overrides
from laion_pipeline.contract.rows import defects_expression, quarantine_rules, reasons_expression
from laion_pipeline.contract.thresholds import Threshold

__all__ = [
    "CHECKS",
    "Check",
    "Contract",
    "Measure",
    "QuarantineRule",
    "RowRule",
    "Threshold",
    "defects_expression",
    "quarantine_rules",
    "read_overrides",
    "reasons_expression",
]
