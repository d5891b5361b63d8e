"""Which pairs a cleaned release still has, by their hashes: read from its files, and held.

What was removed is counted, never listed: held are the hashes that are still there. Nothing is held
unless most are, since both releases must hash alike, and all files of the cleaned one be there.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from laion_pipeline.errors import SourceError
from laion_pipeline.releases.columns import COLUMNS_BY_NAME
from laion_pipeline.text import displayable
from laion_pipeline.warehouse.connections import literal, transaction
from laion_pipeline.warehouse.provenance import Provenance, version_of

logger = logging.getLogger(__name__)

CLEANED_HASHES = "cleaned_hashes"
CLEANED_COLUMNS: Mapping[str, str] = {"hash": "BIGINT"}
# Of a release's hashes so many are in one that was cleaned, hashes alike and is all there: what
# cleaning removed so far was far less than one in a hundred.
LEAST_FOUND = 0.9
_COUNTED = f"""
SELECT count(hash), count(hash) FILTER (hash IN (FROM {CLEANED_HASHES})) FROM valid_pairs
"""


@dataclass(frozen=True)
class Cleaned:
    """How many of the valid pairs that have a hash a cleaned release has, which has so many files.

    With `files` of 0, none was asked about.
    """

    files: int
    pairs: int
    found: int

    @property
    def is_usable(self) -> bool:
        """Whether both releases hash alike, and all of its files are there, by what was found."""
        return self.files > 0 and self.found >= LEAST_FOUND * self.pairs > 0

    @property
    def told(self) -> str:
        """What that means, for people."""
        share = f"{self.found:,} of {self.pairs:,} hashes are in the cleaned release"
        if not self.files:
            return "no cleaned release was asked about: LAION_CLEANED names a folder of its files"
        if not self.is_usable:
            return (
                f"{share}: it hashes otherwise, is of other pairs, or not all of its files are"
                " there; it cannot be used"
            )
        return f"{share}, so that both hash alike; it removed {self.pairs - self.found:,} pairs"


def prepare_cleaned(connection: duckdb.DuckDBPyConnection) -> None:
    """Let an open warehouse have room for hashes in `CLEANED_HASHES`, if it has none yet."""
    connection.execute(f"CREATE TABLE IF NOT EXISTS {CLEANED_HASHES} (hash BIGINT)")


def has_cleaned(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether an open warehouse holds hashes of a cleaned release."""
    there = "SELECT 1 FROM duckdb_tables() WHERE table_name = ?"
    if not connection.execute(there, [CLEANED_HASHES]).fetchall():
        return False
    return bool(connection.execute(f"FROM {CLEANED_HASHES} LIMIT 1").fetchall())


def still_there(connection: duckdb.DuckDBPyConnection) -> str:
    """That a pair is still in the cleaned release, as SQL; true where none is held."""
    return f"hash IN (FROM {CLEANED_HASHES})" if has_cleaned(connection) else "true"


def cleaned_version(connection: duckdb.DuckDBPyConnection) -> str:
    """Changes when other hashes are held."""
    return _held(connection) if has_cleaned(connection) else ""


def hold_cleaned(connection: duckdb.DuckDBPyConnection, folder: Path | None) -> Cleaned:
    """Let an open warehouse hold the hashes of its pairs that a cleaned release's files have.

    Without a folder, or where they cannot be used, it holds none.

    Raises SourceError where the folder has no such files, or one that cannot be read.
    """
    files = [] if folder is None else _files(folder)
    provenance = Provenance.read(connection)
    states = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    version = version_of(provenance.data_version, str(folder), states)
    prepare_cleaned(connection)
    if (held := _held(connection)).startswith(f"{version} "):
        _, pairs, found = held.split()
        return Cleaned(len(files), int(pairs), int(found))
    with transaction(connection):
        connection.execute(f"DELETE FROM {CLEANED_HASHES}")
        if files:
            _fill(connection, files)
        ((pairs, found),) = connection.execute(_COUNTED).fetchall()
        cleaned = Cleaned(len(files), pairs, found)
        if not cleaned.is_usable:
            connection.execute(f"DELETE FROM {CLEANED_HASHES}")
        said = literal(f"{version} {pairs} {found}")
        connection.execute(f"COMMENT ON TABLE {CLEANED_HASHES} IS {said}")
    logger.info("%s: %s", CLEANED_HASHES, cleaned.told)
    return cleaned


def _fill(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    failures: list[SourceError] = []
    reader = pa.RecordBatchReader.from_batches(_SCHEMA, _read(files, failures))
    connection.register("given", reader)
    try:
        connection.execute(
            f"INSERT INTO {CLEANED_HASHES} SELECT DISTINCT hash FROM given"
            " WHERE hash IN (SELECT hash FROM valid_pairs WHERE hash IS NOT NULL)"
        )
    except duckdb.Error as error:
        if failures:  # of which DuckDB tells in words of its own
            raise failures[0] from error
        raise
    finally:
        connection.unregister("given")


_SCHEMA = pa.schema([pa.field("hash", pa.int64())])


def _held(connection: duckdb.DuckDBPyConnection) -> str:
    """Of which hashes those that are held are, and what was found of them."""
    said = "SELECT coalesce(comment, '') FROM duckdb_tables() WHERE table_name = ?"
    ((held,),) = connection.execute(said, [CLEANED_HASHES]).fetchall()
    return str(held)


def _files(folder: Path) -> Sequence[Path]:
    files = sorted(file for file in folder.rglob("*.parquet") if not file.name.startswith("."))
    if not files:
        what = "has no *.parquet files" if folder.is_dir() else "no such folder"
        raise SourceError(f"LAION_CLEANED={folder}: {what}")
    return files


def _read(files: Sequence[Path], failures: list[SourceError]) -> Iterator[pa.RecordBatch]:
    for file in files:
        try:
            with pq.ParquetFile(file) as parquet:
                name = _hash_column(file, parquet.schema_arrow)
                for batch in parquet.iter_batches(columns=[name]):
                    hashes = pc.cast(batch.column(0), pa.int64())
                    yield pa.RecordBatch.from_arrays([hashes], schema=_SCHEMA)
        except (OSError, pa.ArrowException) as error:
            reason = displayable(str(error).partition("\n")[0], 300)
            failures.append(SourceError(f"LAION_CLEANED: {file}: cannot be read: {reason}"))
            raise failures[0] from error
        except SourceError as error:
            failures.append(error)
            raise


def _hash_column(file: Path, schema: pa.Schema) -> str:
    spellings = COLUMNS_BY_NAME["hash"].spellings
    for field in schema:
        if field.name.casefold() in spellings and pa.types.is_integer(field.type):
            return str(field.name)
    raise SourceError(
        f"LAION_CLEANED: {file}: has no column hash of whole numbers; has"
        f" {displayable(', '.join(schema.names), 300)}"
    )
