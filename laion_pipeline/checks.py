"""Results of data-quality checks: one closed record each, kept in the warehouse for the report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import duckdb

from laion_pipeline.errors import WarehouseError
from laion_pipeline.warehouse import transaction

Status = Literal["passed", "warned", "failed", "not in this release"]
STATUSES: tuple[Status, ...] = get_args(Status)

# How many failing rows a result shows.
EXAMPLES = 10

_DDL = """
CREATE TABLE IF NOT EXISTS check_results (
    asset VARCHAR, name VARCHAR, status VARCHAR, description VARCHAR,
    rows BIGINT, failing_rows BIGINT, examples VARCHAR, checked_at TIMESTAMP
)
"""


@dataclass(frozen=True)
class CheckResult:
    """What one check found on one asset.

    `failing_rows` of `rows` break what `description` demands; `examples` are some of those rows,
    each by column name.
    """

    asset: str
    name: str
    status: Status
    description: str
    rows: int
    failing_rows: int
    examples: tuple[Mapping[str, object], ...] = ()

    @property
    def share(self) -> float:
        """The share of failing rows, from 0 to 1."""
        return self.failing_rows / self.rows if self.rows else 0.0


def record_checks(connection: duckdb.DuckDBPyConnection, results: Sequence[CheckResult]) -> None:
    """Keep `results` in the warehouse, in place of earlier ones of the same asset."""
    with transaction(connection):
        connection.execute(_DDL)
        for asset in {result.asset for result in results}:
            connection.execute("DELETE FROM check_results WHERE asset = ?", [asset])
        for result in results:
            connection.execute(
                "INSERT INTO check_results VALUES (?, ?, ?, ?, ?, ?, ?, now() AT TIME ZONE 'UTC')",
                [
                    result.asset,
                    result.name,
                    result.status,
                    result.description,
                    result.rows,
                    result.failing_rows,
                    json.dumps(result.examples, default=str),
                ],
            )


def read_checks(connection: duckdb.DuckDBPyConnection) -> tuple[CheckResult, ...]:
    """The results that the warehouse keeps, those of `pairs` first, in the order they were made.

    Raises WarehouseError when nothing has been checked yet.
    """
    if not connection.execute("FROM duckdb_tables() WHERE table_name = 'check_results'").fetchall():
        raise WarehouseError("nothing has been checked yet: materialize `pairs` with its checks")
    rows = connection.execute(
        "SELECT asset, name, status, description, rows, failing_rows, examples FROM check_results"
        " ORDER BY asset <> 'pairs', asset, rowid"
    ).fetchall()
    return tuple(
        CheckResult(asset, name, status, description, of, failing, tuple(json.loads(examples)))
        for asset, name, status, description, of, failing, examples in rows
    )
