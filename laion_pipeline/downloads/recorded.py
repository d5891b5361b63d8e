"""The table `downloads`: a row a result, kept from one download to the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from laion_pipeline.downloads.causes import PASSING
from laion_pipeline.downloads.results import SCHEMA, Results
from laion_pipeline.errors import WarehouseError
from laion_pipeline.warehouse.connections import transaction
from laion_pipeline.warehouse.provenance import Provenance
from laion_pipeline.warehouse.publishing import publish_parquet

DOWNLOADS = "downloads"
_COLUMNS = ", ".join(SCHEMA.names)
# What came last of each address, whether that was an image, and if not whether that may pass.
LATEST = (
    f"SELECT url, status = 'success' AS live, coalesce({PASSING}, false) AS passing"
    f" FROM {DOWNLOADS}"
    " QUALIFY row_number() OVER (PARTITION BY url ORDER BY date DESC, status DESC, sha256) = 1"
)
# The addresses that had no image, for a reason that lasts.
DEAD = f"SELECT url FROM ({LATEST}) WHERE NOT live AND NOT passing"


@dataclass(frozen=True)
class Outcome:
    """How many results there are of a kind, and whether it may pass."""

    words: str
    results: int
    passing: bool


@dataclass(frozen=True)
class Recorded:
    """What results say: by outcome, and beside the bytes that were seen first.

    Of the addresses that had an image before, `exact` gave the same bytes, `changed` others, `gone`
    no image, and `unknown` none for a reason that may pass.
    """

    outcomes: Sequence[Outcome]
    dates: tuple[datetime, datetime]
    of: Results
    exact: int
    changed: int
    gone: int
    unknown: int

    @property
    def results(self) -> int:
        """All of them."""
        return sum(outcome.results for outcome in self.outcomes)

    @property
    def passing(self) -> int:
        """How many failed for a reason that may pass."""
        return sum(outcome.results for outcome in self.outcomes if outcome.passing)


def record(connection: duckdb.DuckDBPyConnection, results: Results, copy: Path) -> Recorded:
    """Add results to `downloads`, those that it has already once only; say what is in them.

    The table is published to `copy` too, from which a warehouse that was made anew has it back.

    Raises WarehouseError when `pairs` is not completely loaded or `copy` is needed and damaged,
    OutputError when `copy` cannot be written.
    """
    provenance = Provenance.read(connection)
    connection.register("results", results.rows)
    with transaction(connection):
        if not has_downloads(connection):
            connection.register("kept", _kept(copy))
            connection.execute(f"CREATE TABLE {DOWNLOADS} AS SELECT {_COLUMNS} FROM kept")
        connection.execute(
            f"INSERT INTO {DOWNLOADS} SELECT {_COLUMNS} FROM results"
            f" EXCEPT SELECT {_COLUMNS} FROM {DOWNLOADS}"
        )
    publish_parquet(connection, f"SELECT * FROM {DOWNLOADS} ORDER BY {_COLUMNS}", copy, provenance)
    return _told(connection, results)


def has_downloads(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether any results were ever recorded."""
    found = connection.execute(f"SELECT 1 FROM duckdb_tables() WHERE table_name = '{DOWNLOADS}'")
    return bool(found.fetchall())


def _kept(copy: Path) -> pa.Table:
    if not copy.exists():
        return SCHEMA.empty_table()
    try:
        return pq.read_table(copy, columns=SCHEMA.names).cast(SCHEMA)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise WarehouseError(
            f"{copy}: damaged, and the only record of earlier downloads; put a whole one there, or"
            " move it away to begin anew"
        ) from error


def _told(connection: duckdb.DuckDBPyConnection, results: Results) -> Recorded:
    outcomes = connection.execute(
        "SELECT CASE WHEN status = 'success' THEN status WHEN http_code IS NOT NULL"
        " THEN 'HTTP ' || http_code ELSE cause END AS words,"
        f" count(*) AS found, coalesce({PASSING}, false) AS passing"
        " FROM results GROUP BY words, passing ORDER BY words <> 'success', found DESC, words"
    ).fetchall()
    ((first, last),) = connection.execute("SELECT min(date), max(date) FROM results").fetchall()
    ((exact, changed, gone, unknown),) = connection.execute(
        "WITH seen AS (SELECT url, arg_min(sha256, date) AS sha256, min(date) AS date"
        f" FROM {DOWNLOADS} WHERE sha256 IS NOT NULL GROUP BY url),"
        f" now AS (SELECT DISTINCT *, coalesce({PASSING}, false) AS passing FROM results)"
        " SELECT count(*) FILTER (now.sha256 = seen.sha256),"
        " count(*) FILTER (now.sha256 <> seen.sha256),"
        " count(*) FILTER (now.status <> 'success' AND NOT now.passing),"
        " count(*) FILTER (now.status <> 'success' AND now.passing)"
        " FROM now JOIN seen USING (url) WHERE seen.date < now.date"
    ).fetchall()
    return Recorded(
        [Outcome(words, found, passing) for words, found, passing in outcomes],
        (first, last), results, exact, changed, gone, unknown,
    )  # fmt: skip


def told_results(recorded: Recorded) -> str:
    """What was recorded, as text for a terminal."""
    first, last = (f"{date:%Y-%m-%d %H:%M}" for date in recorded.dates)
    when = first if first == last else f"{first} to {last}"
    lines = [f"{recorded.results:,} results, of {when} UTC, shards: {recorded.of.shards:,}", ""]
    lines += [
        f"  {outcome.results:>12,}  {100 * outcome.results / recorded.results:6.2f} %"
        f"  {outcome.words}{' (may pass)' if outcome.passing else ''}"
        for outcome in recorded.outcomes
    ]
    if recorded.exact or recorded.changed or recorded.gone or recorded.unknown:
        lines += [
            "",
            f"beside the bytes that were seen first: {recorded.exact:,} exact,"
            f" {recorded.changed:,} changed, {recorded.gone:,} gone, {recorded.unknown:,} not known"
            " this time",
        ]
    if recorded.of.unfinished:
        lines += [
            "",
            f"not finished, to be read again later: {recorded.of.unfinished:,} of the shards",
        ]
    if recorded.of.untold:
        lines += ["", f"without a result, in finished shards: {recorded.of.untold:,} of the pairs"]
    if recorded.passing:
        lines += ["", "laion-pipeline subset retry NAME exports what may pass once more"]
    return "\n".join(lines)
