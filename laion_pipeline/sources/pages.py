"""The checksums of a Parquet file's pages, which DuckDB passes over: verified if there are any."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from laion_pipeline.errors import ShardError

# A page header begins with its type, its two sizes and, if there is one, its checksum: each a byte
# for a 32-bit field that follows the one before, then a number of up to five bytes.
_NEXT_I32 = 0x15
_FIELDS_BEFORE_CHECKSUM = 3
_LONGEST_START = 1 + (1 + 5) * _FIELDS_BEFORE_CHECKSUM
_MORE = 0x80


def verify_pages(file: Path, shard: str) -> None:
    """Read a whole file's pages against their checksums.

    Raises ShardError naming `shard` for a page that holds other bytes.
    """
    try:
        parquet = pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=False)
        with parquet:
            for _ in parquet.iter_batches():
                pass
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ShardError(f"{shard}: its pages are damaged ({reason}): replace it") from error


def has_checksums(file: Path, metadata: pq.FileMetaData) -> bool:
    """Whether the first page of a file has a checksum, as then all do."""
    if not metadata.num_row_groups or not metadata.num_columns:
        return False
    column = metadata.row_group(0).column(0)
    with file.open("rb") as stream:
        stream.seek(column.dictionary_page_offset or column.data_page_offset)
        start = stream.read(_LONGEST_START)
    place = 0
    for _ in range(_FIELDS_BEFORE_CHECKSUM):
        if start[place : place + 1] != bytes([_NEXT_I32]):
            return False
        place += 1
        while place < len(start) and start[place] & _MORE:
            place += 1
        place += 1
    return start[place : place + 1] == bytes([_NEXT_I32])
