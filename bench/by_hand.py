"""The same work by hand: one plain DuckDB script that loads, checks and makes every table.

    python -m bench.by_hand SHARDS FOLDER [--threads N] [--memory 4GB]

It is what one would write to get there: nothing verified, nothing kept for another run, no history,
no chart and no report. Prints the seconds of each stage as JSON.
"""

import argparse
import json
import time
from pathlib import Path

import duckdb
import psutil

from bench.tables import PLAIN

_CHECKS = (
    "regexp_matches(url, '^https?://[^/]+')", "trim(text) <> ''", "width > 0", "height > 0",
    "similarity BETWEEN -1 AND 1", "punsafe BETWEEN 0 AND 1", "pwatermark BETWEEN 0 AND 1",
    "aesthetic BETWEEN 0 AND 10", "punsafe < 0.5", "pwatermark < 0.8", "aesthetic > 7",
    "similarity >= 0.28", "NOT regexp_full_match(text, '[0-9]+')", "NOT contains(text, chr(65533))",
    r"NOT regexp_matches(text, '[\x00-\x1f]')", "NOT regexp_matches(text, '&[a-zA-Z0-9#]+;')",
)  # fmt: skip


def main() -> None:
    """Do all the work, one stage after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=psutil.cpu_count())
    parser.add_argument("--memory", default="4GB")
    options = parser.parse_args()
    config = {
        "threads": options.threads, "memory_limit": options.memory,
        "preserve_insertion_order": False,
    }  # fmt: skip
    options.folder.mkdir(parents=True)
    seconds = {}
    with duckdb.connect(options.folder / "by_hand.duckdb", config=config) as connection:
        for stage, statement in _statements(options.shards):
            started = time.perf_counter()
            connection.execute(statement)
            seconds[stage] = time.perf_counter() - started
    print(json.dumps(seconds))


def _statements(shards: Path) -> list[tuple[str, str]]:
    files = str(shards / "*.parquet").replace("'", "''")
    counts = ", ".join(f"count_if(NOT ({check}))" for check in _CHECKS)
    return [
        ("load", f"CREATE TABLE pairs AS SELECT * FROM read_parquet('{files}')"),
        (
            "checks",
            f"CREATE TABLE checks AS SELECT count(*), {counts}, count(DISTINCT url),"
            " count(DISTINCT hash) FROM pairs",
        ),
        ("valid_pairs", "CREATE VIEW valid_pairs AS FROM pairs WHERE url IS NOT NULL"),
        *((name, f"CREATE TABLE {name} AS {query}") for name, query in PLAIN.items()),
    ]


if __name__ == "__main__":
    main()
