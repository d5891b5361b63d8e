"""Checks on `pairs` as a whole: what no single row can tell."""

from collections.abc import Iterator

from laion_pipeline.contract.check import Check, MarksCheck, Measure, RowCount, SchemaCheck
from laion_pipeline.contract.rows import defects_expression
from laion_pipeline.contract.thresholds import EXACT, Threshold
from laion_pipeline.releases.release import Release

SCHEMA = "schema_as_contracted"
ACCOUNT = "every_row_accounted_for"

# A deterministic sample of rows, drawn for each validation; small releases are in it whole.
ROW_SAMPLE = "row_sample"
ROW_SAMPLE_ROWS = 200_000
# Its rows whose hash is not that of their URL and text; kept in the warehouse to be looked at.
HASH_MISMATCHES = "hash_mismatches"

RETAINED = "rows_retained"
# The share of the rows that may leave at once without being asked for.
MOST_LOST = 0.05
NO_PREVIOUS = "no other revision was loaded completely before, or only a part of this one is now"
# The shards of the previous revision that have fewer rows now, or none.
LOST_ROWS = (
    "FROM previous_shards AS before LEFT JOIN shards AS now ON now.shard_id = before.shard_id"
    " AND (now.path = before.path OR now.sha256 = before.sha256)"
    " WHERE before.rows > coalesce(now.rows, 0)"
)

_REBUILD = (
    "Something changed the warehouse after it was loaded. Delete warehouse.duckdb and load `pairs`"
    " again: it is rebuilt from the shards."
)
_SIZE_IN_URL = r"[-_]([0-9]{2,5})x([0-9]{2,5})\."


def structural_checks(release: Release) -> Iterator[Check]:
    """The checks on whether the table is what loading should have made of the shards."""
    yield SchemaCheck(
        name=SCHEMA,
        demands="pairs has just the columns of the contract, with its types and nullability",
        advice=_REBUILD,
        threshold=EXACT,
        blocking=True,
        adjustable=False,
        unit="columns",
    )
    yield Measure(
        name="every_source_row_loaded",
        demands="pairs has as many rows of each shard as its Parquet footer says",
        advice=_REBUILD,
        threshold=EXACT,
        blocking=True,
        adjustable=False,
        unit="shards",
        denominator=(
            "SELECT count(*) FROM (SELECT shard_id FROM shards UNION SELECT shard_id FROM pairs)"
        ),
        evidence=(
            "SELECT coalesce(ledger.shard_id, found.shard_id) AS shard_id, 1 AS failing,"
            " ledger.rows AS source_rows, coalesce(found.loaded, 0) AS rows_in_pairs"
            " FROM shards AS ledger"
            " FULL JOIN (SELECT shard_id, count(*) AS loaded FROM pairs GROUP BY shard_id) AS found"
            " ON found.shard_id = ledger.shard_id"
            " WHERE ledger.rows IS DISTINCT FROM coalesce(found.loaded, 0)"
        ),
        look_up=(
            "SELECT shard_id, path, rows, rows_in_pairs\nFROM shards\n"
            "FULL JOIN (SELECT shard_id, count(*) AS rows_in_pairs FROM pairs GROUP BY shard_id)"
            " USING (shard_id)\nWHERE rows IS DISTINCT FROM rows_in_pairs"
            " AND (rows <> 0 OR rows_in_pairs IS NOT NULL)"
        ),
        empty_reason="there is no shard",
    )
    demands = (
        "source rows = valid + quarantined, and a row is marked with just the rules that"
        " Great Expectations finds it to break"
    )
    yield MarksCheck(
        name=ACCOUNT,
        demands=demands,
        advice=_REBUILD,
        threshold=EXACT,
        blocking=True,
        adjustable=False,
        marks=defects_expression(release),
    )


def table_measures(release: Release, accepted_removal: str) -> Iterator[Measure]:
    """The checks on what the rows are together."""
    yield _size_orientation(release)
    yield _rows_retained(accepted_removal)
    yield _shards_unique()
    yield RowCount(
        name="rows_present",
        demands="there are rows at all",
        advice="Look at the source: its shards hold no rows.",
        threshold=EXACT,
        adjustable=False,
        unit="tables",
        denominator="SELECT 1",
        evidence="SELECT NULL AS shard_id, 1 AS failing WHERE NOT EXISTS (FROM pairs)",
        look_up="SELECT path, rows FROM shards",
        empty_reason="",
    )
    yield _published_rows(release)
    yield _unique(release, "urls_unique", "url")
    yield _unique(release, "hashes_unique", "hash")
    yield _hash_matches(release)


def _size_orientation(release: Release) -> Measure:
    """Width and height swapped is what the raw releases are known for."""
    demands = (
        "where a URL states its image's size, as -360x240. does, width and height are the same way"
        " round, for most images"
    )
    wide = f"TRY_CAST(regexp_extract(url, '{_SIZE_IN_URL}', 1) AS INTEGER)"
    high = f"TRY_CAST(regexp_extract(url, '{_SIZE_IN_URL}', 2) AS INTEGER)"
    in_sample, in_pairs = (
        f"SELECT shard_id, url, width, height, {wide} AS url_width, {high} AS url_height"
        f" FROM {rows} WHERE width > 0 AND height > 0 AND width <> height"
        f" AND regexp_matches(url, '{_SIZE_IN_URL}')"
        for rows in (ROW_SAMPLE, "pairs")
    )
    disagree = "(width > height) <> (url_width > url_height) AND url_width <> url_height"
    return Measure(
        name="size_orientation",
        demands=demands,
        advice="Most say that width and height are swapped: describe the release with the other"
        " value of `sizes_swapped`, in a TOML file named by LAION_RELEASE, and report it if it is"
        " one of the catalogue.",
        threshold=Threshold(error_above=0.5),
        skip_reason=release.lacks("width", "height"),
        blocking=True,
        sampled=True,
        unit=f"sizes stated in URLs, in a sample of {ROW_SAMPLE_ROWS:,} rows",
        denominator=f"SELECT count(*) FROM ({in_sample}) WHERE url_width <> url_height",
        evidence=f"SELECT *, 1 AS failing FROM ({in_sample}) WHERE {disagree}",
        look_up=f"FROM (\n  {in_pairs}\n)\nWHERE {disagree}",
        empty_reason="no URL states a size",
    )


def _rows_retained(accepted_removal: str) -> Measure:
    """Rows that left with their shards: seldom what was meant where they are many."""
    demands = "the rows of the previous revision's shards are still there"
    not_accepted = "(SELECT complete FROM provenance)"
    if accepted_removal:
        demands += f", or their removal at revision {accepted_removal} is accepted"
        not_accepted += (
            f" AND NOT (SELECT starts_with(revision, '{accepted_removal}') FROM provenance)"
        )
    return Measure(
        name=RETAINED,
        summary="the rows of the previous revision's shards are still there",
        demands=demands,
        advice="If shards were lost at the source, put them back and run again. If they were meant"
        " to go, say so: set LAION_ACCEPT_REMOVAL to the revision that is loaded now.",
        threshold=Threshold(error_above=MOST_LOST),
        blocking=True,
        unit="previous rows",
        denominator="SELECT sum(rows) FROM previous_shards WHERE (SELECT complete FROM provenance)",
        evidence=(
            "SELECT now.shard_id, before.rows - coalesce(now.rows, 0) AS failing,"
            " before.path AS previous_shard, before.rows AS previous_rows, now.rows,"
            f" (SELECT revision FROM provenance) AS revision {LOST_ROWS} AND {not_accepted}"
        ),
        look_up=f"SELECT before.path, before.rows AS previous_rows, now.rows\n{LOST_ROWS}",
        empty_reason=NO_PREVIOUS,
    )


def _shards_unique() -> Measure:
    """A shard under two names: its rows would be counted twice, and look like few repeats."""
    demands = "no two shards are the same file"
    same = (
        "FROM shards JOIN (SELECT sha256, count(*) AS files,"
        " string_agg(path, ', ' ORDER BY path) AS paths FROM shards WHERE rows > 0"
        " GROUP BY sha256 HAVING count(*) > 1) AS repeated USING (sha256)"
    )
    return Measure(
        name="shards_unique",
        demands=demands,
        advice="The rows are loaded once for each name, and so counted several times. Take all but"
        " one of the files out of the source, or tell the release's makers.",
        threshold=EXACT,
        unit="shards",
        denominator="SELECT count(*) FROM shards",
        evidence=f"SELECT shard_id, 1 AS failing, paths AS same_files, rows {same}",
        look_up=f"SELECT path, sha256, rows\n{same}\nORDER BY sha256, path",
        empty_reason="there is no shard",
    )


def _published_rows(release: Release) -> Measure:
    published = release.published_rows
    demands = f"as many rows as were published once, {published:,}" if published else ""
    return RowCount(
        name="published_rows",
        summary="as many rows as were published once",
        demands=demands,
        advice="How many rows there are is a property of a revision, and so no defect by itself."
        " Before comparing with published figures, see what the release's page says of this one.",
        threshold=Threshold(warn_above=0.02),
        skip_reason="" if published else "no number of rows is published",
        published=published,
        unit="published rows",
        # Nothing is said of part of a release.
        denominator=f"SELECT {published or 0} FROM provenance WHERE complete",
        evidence=(
            f"SELECT NULL AS shard_id, abs(count(*) - {published or 0}) AS failing,"
            f" count(*) AS rows, {published or 0} AS published FROM pairs"
            f" HAVING failing > 0 AND (SELECT complete FROM provenance)"
        ),
        look_up="SELECT count(*) FROM pairs",
        empty_reason="only some of the shards are loaded",
    )


def _unique(release: Release, name: str, column: str) -> Measure:
    """Rows that repeat an earlier row's value; the first shard that has it is not at fault."""
    # Only values whose 64-bit hash repeats are compared themselves, which is a few of all.
    repeated = (
        f"SELECT hash({column}) AS key FROM pairs WHERE {column} IS NOT NULL"
        " GROUP BY key HAVING count(*) > 1"
    )
    return Measure(
        name=name,
        demands=f"no two rows have the same {column}",
        advice="The rows are valid and counted; train on one of each. Subsets can leave the others"
        " out.",
        threshold=Threshold(warn_above=0.01),
        skip_reason=release.lacks(column),
        denominator=f"SELECT count({column}) FROM pairs",
        evidence=(
            f"WITH repeated AS ({repeated}),"
            f" counted AS (SELECT {column}, shard_id, count(*) AS here FROM pairs"
            f" WHERE hash({column}) IN (SELECT key FROM repeated) GROUP BY {column}, shard_id),"
            f" placed AS (SELECT {column}, shard_id, here,"
            f" CAST(sum(here) OVER (PARTITION BY {column}) AS BIGINT) AS times,"
            f" shard_id IS NOT DISTINCT FROM min(shard_id) OVER (PARTITION BY {column}) AS is_first"
            " FROM counted)"
            f" SELECT shard_id, {column}, times,"
            " CASE WHEN is_first THEN here - 1 ELSE here END AS failing"
            " FROM placed WHERE times > 1 AND NOT (is_first AND here = 1)"
        ),
        look_up=(
            f"SELECT path AS shard, pairs.*\nFROM pairs JOIN shards USING (shard_id)\n"
            f"WHERE {column} IN (SELECT {column} FROM pairs GROUP BY {column}"
            f" HAVING count(*) > 1)\nORDER BY {column}"
        ),
        empty_reason=f"no row has a {column}",
    )


def _hash_matches(release: Release) -> Measure:
    return Measure(
        name="hash_matches",
        demands="hash is the first 64 bits of MurmurHash3 x64 128 of url + text",
        advice="url, text and hash of a row do not belong together: columns may be shifted, or text"
        " changed after hashing. Rows cannot be matched between revisions or releases by hash.",
        threshold=Threshold(error_above=0.001),
        skip_reason=release.lacks("hash"),
        sampled=True,
        unit=f"rows of a sample of {ROW_SAMPLE_ROWS:,}",
        denominator=f"SELECT count(*) FROM {ROW_SAMPLE}",
        evidence=f"SELECT *, 1 AS failing FROM {HASH_MISMATCHES}",
        look_up=f"SELECT path AS shard, {HASH_MISMATCHES}.*\n"
        f"FROM {HASH_MISMATCHES} JOIN shards USING (shard_id)",
        empty_reason="there are no rows",
    )
