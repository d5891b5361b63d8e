"""What the contract should say of V1 rows, computed another way: in plain Python, row by row."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mmh3
import pyarrow.parquet as pq

from tests.row_rules import COUNTED, QUARANTINED, broken_rules

Row = Mapping[str, Any]

PUBLISHED_ROWS = 52_068_913
SIZE_IN_URL = re.compile(r"[-_](\d{2,5})x(\d{2,5})\.")
SIDES = ("width", "height")
NAMES = ("url", "text", *SIDES, "similarity", "hash", "punsafe", "pwatermark", "aesthetic")


def source_rows(folder: Path) -> list[dict[str, Any]]:
    """Every row of a folder of V1 shards, by canonical name, with the shard it is from."""
    return [
        {"shard": file.name} | {name.lower(): value for name, value in row.items()}
        for file in sorted(folder.glob("*.parquet"))
        for row in pq.read_table(file).to_pylist()
    ]


def number(row: Row, name: str) -> float:
    """A score or a size; NaN where there is none."""
    value = row[name]
    return float(value) if isinstance(value, int | float) else math.nan


def text_of(row: Row, name: str) -> str:
    value = row[name]
    return value if isinstance(value, str) else ""


def reasons(row: Row) -> list[str]:
    """The rules that a row breaks and is quarantined for, in the contract's order."""
    return [rule for rule in QUARANTINED if rule in broken_rules(row)]


def is_turned(row: Row) -> bool | None:
    """Whether a row's size is the other way round than its URL says; None if that is not said."""
    stated = SIZE_IN_URL.search(text_of(row, "url"))
    size = number(row, "width"), number(row, "height")
    if not stated or not min(size) > 0 or size[0] == size[1] or stated[1] == stated[2]:
        return None
    return (size[0] > size[1]) != (int(stated[1]) > int(stated[2]))


def repeats(rows: Sequence[Row], name: str) -> int:
    values = [row[name] for row in rows if row[name] is not None]
    return len(values) - len(set(values))


def failing(rows: Sequence[Row]) -> dict[str, int]:
    """What fails of each check on `pairs`."""
    counts = Counter(rule for row in rows for rule in broken_rules(row))
    hashes = [mmh3.hash64((text_of(r, "url") + text_of(r, "text")).encode())[0] for r in rows]
    return {
        **{rule: counts[rule] for rule in (*QUARANTINED, *COUNTED)},
        "schema_as_contracted": 0,
        "every_source_row_loaded": 0,
        "every_row_accounted_for": 0,
        "rows_present": 0,
        "rows_retained": 0,
        "shards_unique": 0,
        "published_rows": PUBLISHED_ROWS - len(rows),
        "size_orientation": sum(is_turned(row) or False for row in rows),
        "urls_unique": repeats(rows, "url"),
        "hashes_unique": repeats(rows, "hash"),
        "hash_matches": sum(r["hash"] != true for r, true in zip(rows, hashes, strict=True)),
    }


def by_shard(rows: Iterable[Row]) -> Counter[tuple[str, str]]:
    """Quarantined rows by rule and shard."""
    return Counter((rule, str(row["shard"])) for row in rows for rule in reasons(row))
