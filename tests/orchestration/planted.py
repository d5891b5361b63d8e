"""What the contract should say of V1 rows, computed another way: in plain Python, row by row."""

import html
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mmh3
import pyarrow.parquet as pq

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
    address = urlsplit(text_of(row, "url"))
    kept = {
        "url_http": address.scheme in ("http", "https") and bool(address.netloc.strip()),
        "text_present": bool(text_of(row, "text").strip()),
        **{f"{side}_positive": row[side] is None or number(row, side) > 0 for side in SIDES},
        "similarity_range": -1 <= number(row, "similarity") <= 1,
        "punsafe_range": 0 <= number(row, "punsafe") <= 1,
        "pwatermark_range": 0 <= number(row, "pwatermark") <= 1,
        "aesthetic_range": 7 < number(row, "aesthetic") <= 10,
    }
    return [rule for rule, keeps in kept.items() if not keeps]


def noted(row: Row) -> list[str]:
    """The rules that a row breaks and is only counted for."""
    caption = text_of(row, "text").strip()
    broken = {
        "punsafe_filter": 0.5 <= number(row, "punsafe") <= 1,
        "pwatermark_filter": 0.8 <= number(row, "pwatermark") <= 1,
        "aesthetic_filter": False,
        "similarity_cutoff": -1 <= number(row, "similarity") < 0.28,
        "sizes_known": row["width"] is None or row["height"] is None,
        "text_not_only_digits": caption.isascii() and caption.isdigit(),
        "text_without_replacement_characters": "\N{REPLACEMENT CHARACTER}" in caption,
        "text_without_control_characters": bool(caption)
        and any(unicodedata.category(c) == "Cc" for c in text_of(row, "text")),
        "text_without_html_entities": any(
            html.unescape(entity) != entity for entity in re.findall("&#?[0-9A-Za-z]+;", caption)
        ),
    }
    return [rule for rule, is_broken in broken.items() if is_broken]


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
    counts = Counter(rule for row in rows for rule in (*reasons(row), *noted(row)))
    hashes = [mmh3.hash64((text_of(r, "url") + text_of(r, "text")).encode())[0] for r in rows]
    rules = [*RULES, *NOTED_RULES]
    return {
        **{rule: counts[rule] for rule in rules},
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


RULES = ("url_http", "text_present", "width_positive", "height_positive", "similarity_range",
         "punsafe_range", "pwatermark_range", "aesthetic_range")  # fmt: skip
NOTED_RULES = ("punsafe_filter", "pwatermark_filter", "aesthetic_filter", "similarity_cutoff",
               "sizes_known", "text_not_only_digits", "text_without_replacement_characters",
               "text_without_control_characters", "text_without_html_entities")  # fmt: skip


def by_shard(rows: Iterable[Row]) -> Counter[tuple[str, str]]:
    """Quarantined rows by rule and shard."""
    return Counter((rule, str(row["shard"])) for row in rows for rule in reasons(row))
