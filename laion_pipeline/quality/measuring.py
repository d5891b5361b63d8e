"""Measuring what takes more than a row to see, and showing the rows behind any result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from laion_pipeline.common.text import displayable
from laion_pipeline.contract import Contract, Measure, RowRule
from laion_pipeline.contract.check import MarksCheck
from laion_pipeline.quality.results import EXAMPLES, SHARDS_SHOWN
from laion_pipeline.warehouse.connections import quoted

TEXT_SHOWN = 80


@dataclass(frozen=True)
class Evidence:
    """Where something fails, the most failing shards first, and some of what fails."""

    shards: tuple[tuple[str, int], ...] = ()
    examples: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True)
class Measured:
    """What a measure came to; no `value` where there was nothing to compare with."""

    failing_rows: int
    denominator: int
    value: float | None
    evidence: Evidence


@dataclass(frozen=True)
class Measurements:
    """What was measured on a table of `rows` rows, by the name of the check."""

    asset: str
    rows: int
    by_check: Mapping[str, Measured]

    def __getitem__(self, check: str) -> Measured:
        """What was measured for a check."""
        return self.by_check[check]


def measure_all(
    connection: duckdb.DuckDBPyConnection, contract: Contract, asset: str
) -> Measurements:
    """Measure what the contract demands of a table.

    Of rules by which rows are quarantined it is told how many rows bear their marks, and Great
    Expectations counts again.
    """
    rules = contract.row_rules if asset == "pairs" else ()
    measured = {m.name: _take(connection, m) for m in contract.measures(asset)}
    measured |= _count_broken(connection, rules)
    rows = connection.execute(f"SELECT count(*) FROM {asset}").fetchall()[0][0]
    return Measurements(asset, rows, measured)


def measure_nothing(connection: duckdb.DuckDBPyConnection, asset: str) -> Measurements:
    """What there is to say of a table that has not the columns to be measured."""
    rows = connection.execute(f"SELECT count(*) FROM {asset}").fetchall()[0][0]
    return Measurements(asset, rows, {})


def _take(connection: duckdb.DuckDBPyConnection, measure: Measure) -> Measured:
    denominator = int(_scalar(connection, measure.denominator) or 0)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE evidence AS {measure.evidence}")
    failing = int(_scalar(connection, "SELECT sum(failing) FROM evidence") or 0)
    evidence = _of_measure(connection) if failing or measure.value else Evidence()
    connection.execute("DROP TABLE evidence")
    value: float | None = failing / denominator if denominator else None
    if failing and not denominator:
        value = 1.0
    if measure.value:
        value = _scalar(connection, measure.value) if denominator else None
    return Measured(failing, denominator, value, evidence)


def _of_measure(connection: duckdb.DuckDBPyConnection) -> Evidence:
    shards = connection.execute(
        "SELECT path, CAST(sum(failing) AS BIGINT) AS n FROM evidence JOIN shards USING (shard_id)"
        f" GROUP BY path ORDER BY n DESC, path LIMIT {SHARDS_SHOWN}"
    ).fetchall()
    rows = connection.execute(
        "SELECT path AS shard, evidence.* EXCLUDE (shard_id, failing)"
        f" FROM evidence LEFT JOIN shards USING (shard_id) ORDER BY path, evidence LIMIT {EXAMPLES}"
    ).to_arrow_table()
    return Evidence(tuple(shards), _shown(rows.to_pylist()))


def _count_broken(
    connection: duckdb.DuckDBPyConnection, rules: Sequence[RowRule]
) -> Mapping[str, Measured]:
    """For each rule the rows that break it, in one scan, and some of them.

    Which ones does not depend on the order of loading.
    """
    counts = "".join(
        f", sum(CASE WHEN {_marked(rule)} THEN 1 ELSE 0 END) AS {rule.name}" for rule in rules
    )
    by_shard = connection.execute(
        "SELECT path, counted.*"
        f" FROM (SELECT shard_id, count(*){counts} FROM pairs GROUP BY shard_id) AS counted"
        " LEFT JOIN shards USING (shard_id) ORDER BY path"
    ).fetchall()
    rows = sum(shard[2] for shard in by_shard)
    found = {}
    for place, rule in enumerate(rules, 3):
        broken = [(str(shard[0]), shard[1], shard[place]) for shard in by_shard if shard[place]]
        failing = sum(count for *_, count in broken)
        most = sorted(broken, key=lambda shard: (-shard[2], shard[0]))[:SHARDS_SHOWN]
        evidence = Evidence(
            tuple((path, count) for path, _, count in most),
            _examples(connection, rule, broken) if broken else (),
        )
        found[rule.name] = Measured(failing, rows, failing / rows if rows else 0.0, evidence)
    return found


def find_wrong_marks(connection: duckdb.DuckDBPyConnection, check: MarksCheck) -> Evidence:
    """Where rows are marked otherwise than they should be, and some of them."""
    shards = connection.execute(
        f"SELECT shard, count(*) AS n FROM ({check.finds}) GROUP BY shard"
        f" ORDER BY n DESC, shard LIMIT {SHARDS_SHOWN}"
    ).fetchall()
    rows = connection.execute(
        f"SELECT shard, defects, should_be, url, text FROM ({check.finds})"
        f" ORDER BY ALL LIMIT {EXAMPLES}"
    ).to_arrow_table()
    return Evidence(tuple((str(path), n) for path, n in shards), _shown(rows.to_pylist()))


def _marked(rule: RowRule) -> str:
    """SQL for the rows that break a rule, by their mark where they have one, which is quicker."""
    return rule.broken if not rule.quarantines else f"defects & {rule.mask} <> 0"


def _examples(
    connection: duckdb.DuckDBPyConnection,
    rule: RowRule,
    broken: Sequence[tuple[str, int | None, int]],
) -> tuple[Mapping[str, object], ...]:
    """The first rows that break a rule, read from no more shards than it takes to have enough."""
    ids: list[str] = []
    rows = 0
    for _, shard_id, count in broken:
        if rows < EXAMPLES:
            ids.append(str(shard_id) if shard_id is not None else "NULL")
            rows += count
    shown = ", ".join(map(quoted, dict.fromkeys([rule.column, "url", "text"])))
    found = connection.execute(
        f"SELECT path AS shard, {shown} FROM pairs LEFT JOIN shards USING (shard_id)"
        # Numbers in the text, which unlike parameters keep other shards from being read.
        f" WHERE shard_id IN ({', '.join(ids)}) AND {_marked(rule)}"
        f" ORDER BY path, url, text, {rule.column} LIMIT {EXAMPLES}"
    ).to_arrow_table()
    return _shown(found.to_pylist())


def _shown(rows: Iterable[Mapping[str, object]]) -> tuple[Mapping[str, object], ...]:
    return tuple(
        {name: _as_seen(value) if isinstance(value, str) else value for name, value in row.items()}
        for row in rows
    )


def _as_seen(text: str) -> str:
    """A text as people can see it; one that is nothing but blanks is quoted and told by escapes."""
    if text.strip():
        return displayable(text, TEXT_SHOWN)
    return displayable('"' + text.encode("unicode_escape").decode() + '"', TEXT_SHOWN)


def _scalar(connection: duckdb.DuckDBPyConnection, query: str) -> float | None:
    row = connection.execute(query).fetchone()
    return row[0] if row else None
