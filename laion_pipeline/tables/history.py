"""The history of a release: a profile of each revision that was loaded, to compare others with.

A profile is a list of single numbers, each with what it measures and of what, so that a plot or a
comparison of revisions is a filter and nothing more.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from laion_pipeline.contract import quarantine_rules
from laion_pipeline.contract.tables import ROW_SAMPLE_ROWS
from laion_pipeline.quality.soundness import record_made
from laion_pipeline.releases.release import Release
from laion_pipeline.warehouse.connections import Warehouse, literal, transaction
from laion_pipeline.warehouse.pairs import pairs_columns
from laion_pipeline.warehouse.provenance import Provenance
from laion_pipeline.warehouse.publishing import publish_parquet

logger = logging.getLogger(__name__)

HISTORY = "release_history"
# Each column with its type and what it means.
HISTORY_COLUMNS: Mapping[str, tuple[str, str]] = {
    "revision": ("VARCHAR", "Revision that the profile is of"),
    "complete": ("BOOLEAN", "Whether all of its shards were loaded, not only the first few"),
    "loaded_at": ("TIMESTAMP", "When it was loaded, in UTC"),
    "profiled_at": ("TIMESTAMP", "When the profile was made, in UTC"),
    "measure": (
        "VARCHAR",
        "rows, shards, null_share, defects, quantile, histogram, tenth or previous_tenth",
    ),
    "subject": ("VARCHAR", "What was measured: which rows, column, rule or score"),
    "point": (
        "DOUBLE",
        "Which quantile, the lower end of a bin of the histogram, or the upper end, inclusive, of a"
        " tenth of the pairs (previous_tenth: of those of the previous revision)",
    ),
    "value": ("DOUBLE", "The rows, their share, the score, or the valid pairs up to the point"),
}
_QUANTILES = {
    "p01": 0.01,
    "p05": 0.05,
    "p25": 0.25,
    "p50": 0.5,
    "p75": 0.75,
    "p95": 0.95,
    "p99": 0.99,
}


def record_profile(warehouse: Warehouse, release: Release, folder: Path) -> int:
    """Add a profile of what is loaded to the history; return how many revisions that holds.

    A revision has one profile of all its shards, and at most one more of its first few. The history
    is published as Parquet in `folder` as well.

    Raises WarehouseError when `pairs` or the tables of scores are not there.
    """
    with warehouse.connect() as connection:
        provenance = Provenance.read(connection)
        columns = ", ".join(f"{name} {type_}" for name, (type_, _) in HISTORY_COLUMNS.items())
        with transaction(connection):
            connection.execute(f"CREATE TABLE IF NOT EXISTS {HISTORY} ({columns})")
            for name, (_, description) in HISTORY_COLUMNS.items():
                connection.execute(f"COMMENT ON COLUMN {HISTORY}.{name} IS {literal(description)}")
            _append(connection, release, provenance)
            record_made(connection, HISTORY, provenance.data_version)
        revisions = connection.execute(
            f"SELECT count(*) FROM (SELECT DISTINCT revision, complete FROM {HISTORY})"
        ).fetchall()[0][0]
        query = f"FROM {HISTORY} ORDER BY loaded_at, complete, measure, subject, point"
        publish_parquet(connection, query, folder / f"{HISTORY}.parquet", provenance)
    logger.info("%s: %s revisions", HISTORY, revisions)
    return int(revisions)


def _append(
    connection: duckdb.DuckDBPyConnection, release: Release, provenance: Provenance
) -> None:
    connection.execute(
        f"DELETE FROM {HISTORY} WHERE revision = ? AND complete = ?",
        [provenance.revision, provenance.complete],
    )
    now = datetime.now(UTC).replace(tzinfo=None)
    for query in _profile(release):
        connection.execute(
            f"INSERT INTO {HISTORY} SELECT ?, ?, ?, ?, measure, subject, point, value"
            f" FROM ({query}) AS profile (measure, subject, point, value)",
            [provenance.revision, provenance.complete, provenance.loaded_at, now],
        )
    _append_tenths(connection, release, provenance, now)


def _append_tenths(
    connection: duckdb.DuckDBPyConnection, release: Release, provenance: Provenance, now: datetime
) -> None:
    """How many pairs there are up to each edge between tenths, of these pairs and of the previous.

    The histogram would not do: most scores of a skewed distribution lie in one bin of it.
    """
    for score in release.scores:
        _append_up_to(connection, provenance, now, "tenth", score, _tenths(connection, score))
    previous = connection.execute(
        f"SELECT DISTINCT subject, point FROM {HISTORY} WHERE complete AND measure = 'tenth'"
        " AND revision IN (SELECT revision FROM previous_shards) ORDER BY ALL"
    ).fetchall()
    for score in release.scores:
        edges = [point for subject, point in previous if subject == score]
        _append_up_to(connection, provenance, now, "previous_tenth", score, edges)


def _append_up_to(
    connection: duckdb.DuckDBPyConnection,
    provenance: Provenance,
    now: datetime,
    measure: str,
    score: str,
    edges: Sequence[float],
) -> None:
    """Append how many valid pairs have a score up to each edge."""
    if edges:
        # A sum takes less than half the time of a filtered count; of no rows it is null.
        up_to = f"coalesce(sum(CASE WHEN {score} <= ? THEN 1 ELSE 0 END), 0)"
        counts = ", ".join(up_to for _ in edges)
        values = connection.execute(f"SELECT {counts} FROM valid_pairs", edges).fetchall()[0]
        about = (provenance.revision, provenance.complete, provenance.loaded_at, now)
        connection.executemany(
            f"INSERT INTO {HISTORY} VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(*about, measure, score, *both) for both in zip(edges, values, strict=True)],
        )


def _tenths(connection: duckdb.DuckDBPyConnection, score: str) -> list[float]:
    """Where the valid pairs are cut into tenths by a score, from below all of them to infinity.

    The edges are those of a sample, the same for the same pairs; where a value is common, tenths
    fall together.
    """
    rows, lowest, highest = connection.execute(
        f"SELECT count({score}), min({score}), max({score}) FROM valid_pairs"
    ).fetchall()[0]
    if not rows:
        return []
    every = max(1, rows // ROW_SAMPLE_ROWS)
    cuts = connection.execute(
        f"SELECT quantile_disc({score}, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])"
        f" FROM valid_pairs WHERE hash({score}, shard_id) % {every} = 0"
    ).fetchall()[0][0]
    return sorted({math.nextafter(lowest, -math.inf), *(cuts or []), highest, math.inf})


def _profile(release: Release) -> Iterator[str]:
    """Queries for measure, subject, point and value."""
    yield (
        "SELECT 'rows', 'source', NULL, count(*) FROM pairs"
        " UNION ALL SELECT 'rows', 'valid', NULL, count(*) FROM valid_pairs"
        " UNION ALL SELECT 'rows', 'quarantined', NULL, count(*) FROM quarantine"
        " UNION ALL SELECT 'shards', 'loaded', NULL, count(*) FROM shards"
    )
    for column in pairs_columns(release):
        if column.nullable:
            yield (
                f"SELECT 'null_share', '{column.name}', NULL,"
                f" coalesce(1 - count({column.name}) / nullif(count(*), 0), 0) FROM pairs"
            )
    for rule in quarantine_rules(release):
        yield (
            f"SELECT 'defects', '{rule.name}', NULL, count(*) FROM pairs"
            f" WHERE defects & {rule.mask} <> 0"
        )
    for name, quantile in _QUANTILES.items():
        yield f"SELECT 'quantile', score, {quantile}, {name} FROM score_summary"
    yield "SELECT 'histogram', score, bin_lower, pairs FROM score_histogram"
