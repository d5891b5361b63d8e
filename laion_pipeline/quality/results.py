"""Results of data-quality checks: one closed record each, kept in the warehouse for the report."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args, get_type_hints

import duckdb

from laion_pipeline.contract.thresholds import Verdict
from laion_pipeline.errors import WarehouseError
from laion_pipeline.text import displayable
from laion_pipeline.warehouse.connections import transaction
from laion_pipeline.warehouse.provenance import Provenance

Status = Literal["passed", "warned", "failed", "not in this release", "nothing to compare with"]

# How many failing rows, and how many of the shards that have most of them, a result shows.
EXAMPLES = 20
SHARDS_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What one check found on one asset.

    `failing_rows` of `rows`, which are counted in `unit`, break what `description` demands;
    `value` is what the `threshold` is on, their share unless the check says otherwise. `shards`
    are those with most of them, each with its count, `examples` some of them by column name, `sql`
    finds them all, and `advice` says what to do. While one that is `blocking` fails, nothing is
    made from its asset.
    """

    asset: str
    name: str
    status: Status
    description: str
    threshold: str = ""
    unit: str = "rows"
    rows: int = 0
    failing_rows: int = 0
    value: float = 0.0
    value_of: str = ""
    shards: tuple[tuple[str, int], ...] = ()
    examples: tuple[Mapping[str, object], ...] = ()
    sql: str = ""
    advice: str = ""
    blocking: bool = False

    @property
    def share(self) -> float:
        """The share of failing rows, from 0 to 1."""
        return self.failing_rows / self.rows if self.rows else 0.0

    @property
    def is_bad(self) -> bool:
        """Whether it is a warning or an error."""
        return self.status in ("warned", "failed")

    @property
    def is_checked(self) -> bool:
        """Whether there was anything to check, and so a result at all."""
        return self.status in get_args(Verdict)

    @property
    def verdict(self) -> str:
        """The result as people count it: passed, warned, failed or not checked."""
        return self.status if self.is_checked else "not checked"

    @property
    def finding(self) -> str:
        """What was found, in one line."""
        if not self.is_checked:
            return f"not checked: {self.status}: {self.description}"
        if self.value_of:
            return f"{self.value_of} {self.value:.3g}: {self.description}"
        return f"{self.failing_rows:,} of {self.rows:,} {self.unit} fail: {self.description}"


def tally(results: Iterable[CheckResult]) -> str:
    """How results are counted wherever they are: each is in one of four numbers."""
    counts = Counter(result.verdict for result in results)
    return ", ".join(
        f"{counts[verdict]:,} {verdict}"
        for verdict in ("passed", "warned", "failed", "not checked")
    )


@dataclass(frozen=True, kw_only=True)
class RecordedCheck(CheckResult):
    """A result that the warehouse keeps, of `revision`, checked at a time in UTC.

    `data_version` is that of the rows that were loaded then.

    Where it is a warning or an error, `since` is when it was first seen to be one without having
    been good in between, and `since_revision` of which revision.
    """

    revision: str
    data_version: str
    since_revision: str | None
    since: datetime | None
    checked_at: datetime

    @property
    def told(self) -> str:
        """Which check and what it found; of an error also where, and what to do; one line."""
        told = f"{self.asset}.{self.name}: {self.finding}"
        if self.status != "failed":
            return told
        where = ", ".join(displayable(path) for path, _ in self.shards)
        return f"{told}{f', in {where}' if where else ''}. What to do: {self.advice}"


# What is no number, truth or time is kept as text.
_SQL_TYPES = {
    int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN", datetime: "TIMESTAMP",
    datetime | None: "TIMESTAMP",
}  # fmt: skip
_COLUMNS: Mapping[str, str] = {
    name: _SQL_TYPES.get(type_, "VARCHAR") for name, type_ in get_type_hints(RecordedCheck).items()
}


def record_checks(
    connection: duckdb.DuckDBPyConnection, results: Sequence[CheckResult]
) -> tuple[RecordedCheck, ...]:
    """Keep `results` in the warehouse, in place of earlier ones of the same checks."""
    provenance = Provenance.read(connection)
    now = datetime.now(UTC).replace(tzinfo=None)
    with transaction(connection):
        _create(connection)
        since = {
            (check.asset, check.name): (check.since_revision, check.since)
            for check in find_checks(connection)
            if check.is_bad
        }
        recorded = tuple(
            RecordedCheck(
                **vars(result),
                revision=provenance.revision,
                data_version=provenance.data_version,
                since_revision=first[0] if result.is_bad else None,
                since=first[1] if result.is_bad else None,
                checked_at=now,
            )
            for result in results
            for first in [since.get((result.asset, result.name), (provenance.revision, now))]
        )
        for result in recorded:
            connection.execute(
                "DELETE FROM check_results WHERE asset = ? AND name = ?",
                [result.asset, result.name],
            )
            values = {
                **asdict(result),
                "shards": json.dumps(result.shards),
                "examples": json.dumps(result.examples, default=str),
            }
            marks = ", ".join("?" * len(_COLUMNS))
            connection.execute(
                f"INSERT INTO check_results VALUES ({marks})", [values[name] for name in _COLUMNS]
            )
    return recorded


def _create(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table; one of an older version of this project is made again."""
    if _columns_there(connection) != list(_COLUMNS.items()):
        columns = ", ".join(f"{name} {type_}" for name, type_ in _COLUMNS.items())
        connection.execute("DROP TABLE IF EXISTS check_results")
        connection.execute(f"CREATE TABLE check_results ({columns})")


def read_checks(connection: duckdb.DuckDBPyConnection) -> tuple[RecordedCheck, ...]:
    """The results that the warehouse keeps, those of `pairs` first, in the order they were made.

    Raises WarehouseError when nothing has been checked yet.
    """
    if not (results := find_checks(connection)):
        raise WarehouseError("nothing has been checked yet", needs=["pairs"])
    return results


def find_checks(connection: duckdb.DuckDBPyConnection) -> tuple[RecordedCheck, ...]:
    """The same; none when nothing has been checked yet."""
    if not _columns_there(connection):
        return ()
    rows = connection.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM check_results ORDER BY asset <> 'pairs', asset, rowid"
    ).fetchall()
    return tuple(_read(dict(zip(_COLUMNS, row, strict=True))) for row in rows)


def _columns_there(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """The table's columns with their types; none when there is no such table."""
    try:
        table = connection.table("check_results")
    except duckdb.CatalogException:
        return []
    return list(zip(table.columns, map(str, table.types), strict=True))


def _read(values: dict[str, Any]) -> RecordedCheck:
    values["shards"] = tuple((path, count) for path, count in json.loads(values["shards"]))
    values["examples"] = tuple(json.loads(values["examples"]))
    return RecordedCheck(**values)
