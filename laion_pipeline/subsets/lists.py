"""Lists of those who have opted out: text with one a line, or Parquet with a column of them."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from laion_pipeline.errors import SettingsError


def read_urls(path: Path) -> Sequence[str]:
    """The addresses of a list.

    Raises SettingsError when it cannot be read or is empty.
    """
    return _read(path, "url")


def read_hosts(path: Path) -> Sequence[str]:
    """The hosts of a list, in small letters; of an address its host.

    Raises SettingsError when it cannot be read or is empty.
    """
    lines = (line.casefold() for line in _read(path, "host"))
    return [line.partition("://")[2].split("/")[0] if "://" in line else line for line in lines]


def _read(path: Path, column: str) -> Sequence[str]:
    try:
        if path.suffix.casefold() == ".parquet":
            names = pq.ParquetFile(path).schema_arrow.names
            found = next((name for name in names if name.casefold() == column), "")
            if not found:
                raise SettingsError(f"{path}: has no column {column}")
            lines = [str(v or "") for v in pq.read_table(path, columns=[found])[found].to_pylist()]
        else:
            lines = path.read_text("utf-8").splitlines()
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or "it is no Parquet file"
        raise SettingsError(f"{path}: cannot be read: {reason}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: cannot be read: not UTF-8 text") from error
    kept = [line.strip() for line in lines if line.strip() and not line.startswith("# ")]
    if not kept:
        raise SettingsError(f"{path}: names nobody; leave the list out if that is meant")
    return list(dict.fromkeys(kept))
