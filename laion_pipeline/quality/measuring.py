"""Measuring what takes more than a row to see, and showing the rows behind any result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from laion_pipeline.contract import Contract, Measure
from laion_pipeline.contract.check import RowCheck, SchemaCheck
from laion_pipeline.engine.engine import DUCKDB, Engine
from laion_pipeline.quality.results import EXAMPLES, SHARDS_SHOWN
from laion_pipeline.quality.row_sample import draw_row_sample
from laion_pipeline.text import displayable
from laion_pipeline.warehouse.pairs import has_columns

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
    connection: duckdb.DuckDBPyConnection, contract: Contract, asset: str, engine: Engine = DUCKDB
) -> Measurements:
    """Measure what the contract demands of a table; nothing where it has not the columns for it.

    Of rules by which rows are quarantined it is told how many rows bear their marks, and Great
    Expectations counts again.
    """
    rows = connection.execute(f"SELECT count(*) FROM {asset}").fetchall()[0][0]
    has_schema = any(isinstance(check, SchemaCheck) for check in contract.on(asset))
    if has_schema and not has_columns(connection, contract.release):
        return Measurements(asset, rows, {})
    measures = contract.measures(asset)
    if any(measure.sampled for measure in measures):
        draw_row_sample(connection, contract.release)
    measured = {measure.name: _take(connection, measure, engine) for measure in measures}
    of_rows = [check for check in contract.on(asset) if isinstance(check, RowCheck)]
    if held := [check for check in of_rows if not check.skip_reason]:
        measured |= _count_failing(connection, held, engine)
    return Measurements(asset, rows, measured)


def _take(connection: duckdb.DuckDBPyConnection, measure: Measure, engine: Engine) -> Measured:
    with engine.found(connection, measure.denominator) as found:
        denominator = int(_scalar(connection, found) or 0)
    with engine.found(connection, measure.evidence) as found:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE evidence AS {found}")
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


def _count_failing(
    connection: duckdb.DuckDBPyConnection, checks: Sequence[RowCheck], engine: Engine
) -> Mapping[str, Measured]:
    """For each check the rows that fail it, in one scan, and some of them.

    Which ones does not depend on the order of loading.
    """
    counts = "".join(
        f", sum(CASE WHEN {check.failing} THEN 1 ELSE 0 END) AS {check.name}" for check in checks
    )
    query = (
        "SELECT path, counted.*"
        f" FROM (SELECT shard_id, count(*) AS rows{counts} FROM pairs GROUP BY shard_id) AS counted"
        " LEFT JOIN shards USING (shard_id) ORDER BY path"
    )
    with engine.found(connection, query) as by_engine:
        by_shard = connection.execute(by_engine).to_arrow_table().to_pylist()
    rows = sum(shard["rows"] for shard in by_shard)
    found = {}
    for check in checks:
        bad = [
            (str(s["path"]), s["shard_id"], int(s[check.name])) for s in by_shard if s[check.name]
        ]
        failing = sum(count for *_, count in bad)
        most = sorted(bad, key=lambda shard: (-shard[2], shard[0]))[:SHARDS_SHOWN]
        evidence = Evidence(
            tuple((path, count) for path, _, count in most),
            _examples(connection, check, bad) if bad else (),
        )
        found[check.name] = Measured(failing, rows, failing / rows if rows else 0.0, evidence)
    return found


def _examples(
    connection: duckdb.DuckDBPyConnection,
    check: RowCheck,
    bad: Sequence[tuple[str, int | None, int]],
) -> tuple[Mapping[str, object], ...]:
    """The first rows that fail a check, read from no more shards than it takes to have enough."""
    ids: list[int | None] = []
    rows = 0
    for _, shard_id, count in bad:
        if rows < EXAMPLES:
            ids.append(shard_id)
            rows += count
    # Numbers in the text, which unlike parameters keep other shards from being read.
    read = ", ".join(str(shard_id) for shard_id in ids if shard_id is not None) or "NULL"
    of_shards = f"shard_id IN ({read}){' OR shard_id IS NULL' if None in ids else ''}"
    found = connection.execute(
        f"SELECT path AS shard, {', '.join(check.shown)}"
        f" FROM pairs LEFT JOIN shards USING (shard_id) WHERE ({of_shards}) AND {check.failing}"
        f" ORDER BY path, url, text, {check.shown[0]} LIMIT {EXAMPLES}"
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
