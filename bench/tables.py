"""Derived tables, timed against a plain query by hand for the same question, side by side.

    python -m bench.tables WAREHOUSE [TABLE ...] [--rounds 3] [--memory 4GB]

WAREHOUSE is the `warehouse.duckdb` of a run in which all tables were made. Both read it, in turn,
each into a temporary table and with the threads of a run. Writes a line a table: the medians in
seconds, and their ratio. Below 1 means that ours is faster. Tables that sum the same table by shard
are timed together with it.

The plain queries are what one would write to see the answer: no ties broken, no bits kept the same
from run to run, no nulls and no odd values thought of.
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from laion_pipeline.tables.by_shard import is_by_shard
from laion_pipeline.tables.table import read_tables
from laion_pipeline.warehouse.connections import Warehouse

TABLES = Path(__file__).resolve().parent.parent / "assets" / "tables"

_SCORES = ("similarity", "punsafe", "pwatermark", "aesthetic")
_QUANTILES = "[0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]"
_MEASURES = (*_SCORES, "length(text)", "log2(width * height)", "width / height")
_CORRELATIONS = ", ".join(
    f"corr({a}, {b})" for n, a in enumerate(_MEASURES) for b in _MEASURES[n + 1 :]
)
_RANKS = ", ".join(
    f"rank() OVER (ORDER BY {measure}) AS r{n}" for n, measure in enumerate(_MEASURES)
)
_RANK_CORRELATIONS = ", ".join(
    f"corr(r{a}, r{b})" for a in range(len(_MEASURES)) for b in range(a + 1, len(_MEASURES))
)
_WORDS = r"len(string_split_regex(trim(text), '\s+'))"
_TENTHS = "SELECT *, ntile(10) OVER (ORDER BY similarity) AS tenth FROM valid_pairs"

PLAIN: Mapping[str, str] = {
    "score_summary": " UNION ALL ".join(
        f"SELECT '{score}', count({score}), min({score}), max({score}), avg({score}),"
        f" stddev({score}), quantile_cont({score}, {_QUANTILES}) FROM valid_pairs"
        for score in _SCORES
    ),
    "score_histogram": " UNION ALL ".join(
        f"SELECT '{score}', floor({score} * {bins}), count(*) FROM valid_pairs GROUP BY 2"
        for score, bins in zip(_SCORES, (200, 100, 100, 20), strict=True)
    ),
    "score_thresholds": " UNION ALL ".join(
        f"SELECT '{score}', step, sum(pairs) OVER (ORDER BY step) FROM (SELECT"
        f" ceil({score} * {steps}) AS step, count(*) AS pairs FROM valid_pairs GROUP BY 1)"
        for score, steps in zip(_SCORES, (50, 20, 20, 4), strict=True)
    ),
    "score_correlations": f"SELECT {_CORRELATIONS} FROM valid_pairs UNION ALL SELECT"
    f" {_RANK_CORRELATIONS} FROM (SELECT {_RANKS} FROM (FROM valid_pairs USING SAMPLE 250000))",
    "score_joint_histogram": " UNION ALL ".join(
        f"SELECT '{x} {y}', floor({x} * {n}), floor({y} * {m}), count(*) FROM valid_pairs"
        " GROUP BY 2, 3"
        for x, n, y, m in (
            ("similarity", 200, "log2(width * height)", 4), ("aesthetic", 20, "pwatermark", 100),
            ("aesthetic", 20, "punsafe", 100), ("aesthetic", 20, "similarity", 200),
        )
    ),
    "score_extremes": " UNION ALL ".join(
        f"(SELECT url, text, width, height, {', '.join(_SCORES)} FROM valid_pairs"
        f" ORDER BY {score} {order} LIMIT 100)"
        for score in _SCORES
        for order in ("DESC", "ASC")
    ),
    "resolution_counts": "SELECT width, height, count(*) AS n FROM valid_pairs"
    " WHERE width IS NOT NULL AND height IS NOT NULL GROUP BY 1, 2 ORDER BY n DESC",
    "resolution_summary": "SELECT sign(width - height), round(width / height, 1),"
    " floor(log2(width * height)), floor(log2(least(width, height))), count(*)"
    " FROM valid_pairs GROUP BY ALL",
    "crop_loss": "SELECT least(width, height) >= 512, least(width, height) >= 768,"
    " least(width, height) >= 1024, count(*), avg(1 - least(width, height)"
    " / greatest(width, height)), quantile_cont(1 - least(width, height)"
    " / greatest(width, height), [0.25, 0.5, 0.75, 0.95]) FROM valid_pairs GROUP BY ALL",
    "similarity_by_size": "SELECT tenth, min(similarity), max(similarity), count(*),"
    " avg(width * height), median(width * height),"
    " avg(CAST(least(width, height) < 256 AS INTEGER)), avg(log2(width * height)),"
    f" stddev(log2(width * height)) FROM ({_TENTHS}) WHERE width IS NOT NULL GROUP BY tenth",
    "similarity_by_caption": "SELECT tenth, min(similarity), max(similarity), count(*),"
    f" avg(length(text)), median(length(text)), avg(CAST({_WORDS} < 3 AS INTEGER)),"
    rf" avg(CAST(regexp_full_match(text, '\s*[0-9]+\s*') AS INTEGER)) FROM ({_TENTHS})"
    " GROUP BY tenth",
    "caption_summary": f"SELECT quantile_disc(length(text), {_QUANTILES}), avg(length(text)),"
    f" quantile_disc({_WORDS}, {_QUANTILES}), avg({_WORDS}), count_if({_WORDS} < 3),"
    r" count_if(regexp_full_match(text, '\s*[0-9]+\s*')), count_if(upper(text) = text),"
    " count_if(regexp_matches(text, '&[a-zA-Z0-9#]+;')), count_if(contains(text, chr(65533))),"
    r" count_if(regexp_matches(text, '[^\P{L}\p{Latin}]')) FROM valid_pairs",
    "caption_words": "SELECT word, count(*) AS n, avg(aesthetic) FROM (SELECT"
    r" unnest(string_split_regex(lower(text), '[^\p{L}\p{N}]+')) AS word, aesthetic"
    " FROM valid_pairs) GROUP BY word ORDER BY n DESC LIMIT 200",
    "host_totals": "SELECT lower(regexp_extract(url, '^[^:]+://(?:[^/?#]*@)?([^/:?#]+)', 1)) AS h,"
    " count(*) AS n, avg(aesthetic), avg(punsafe), avg(pwatermark),"
    " avg(CAST(pwatermark >= 0.5 AS INTEGER)) FROM valid_pairs GROUP BY h ORDER BY n DESC",
    "duplicates": "SELECT url, count(*) AS n FROM valid_pairs GROUP BY url HAVING n > 1"
    " UNION ALL SELECT CAST(hash AS VARCHAR), count(*) AS n FROM valid_pairs GROUP BY hash"
    " HAVING n > 1",
    "training_filters": "SELECT count_if(least(width, height) >= 512), count_if(aesthetic > 5),"
    " count_if(pwatermark < 0.5), count_if(punsafe <= 0.1), count_if(aesthetic >= 4.5),"
    f" count_if(punsafe <= 0.98), count_if({_WORDS} > 2), count_if(length(text) > 5),"
    " count_if(greatest(width, height) < 3 * least(width, height)),"
    " count_if(least(width, height) > 200), count_if(least(width, height) >= 512 AND aesthetic > 5"
    " AND pwatermark < 0.5), count_if(punsafe <= 0.1 AND aesthetic >= 4.5 AND"
    " least(width, height) >= 512) FROM valid_pairs",
}  # fmt: skip


def main() -> None:
    """Run the rounds and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="by default all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", default="4GB")
    options = parser.parse_args()
    tables = {table.name: table for table in read_tables(TABLES)}
    together: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in options.tables or PLAIN:
        by_shard = tuple(filter(is_by_shard, sorted(tables[name].sources)))
        together[by_shard or (name,)].append(name)
    with Warehouse(options.warehouse, options.memory, threads=None).connect(
        read_only=True
    ) as connection:
        for by_shard, names in together.items():
            ours = [tables[name].sql for name in dict.fromkeys((*by_shard, *names))]
            by_hand = [PLAIN[name] for name in names]
            # The first round of each reads what the others find in memory.
            rounds = [
                [_seconds(connection, queries) for queries in (ours, by_hand)]
                for _ in range(options.rounds + 1)
            ][1:]
            mine, plain = (statistics.median(each) for each in zip(*rounds, strict=True))
            print(f"{' + '.join(names):40} {mine:7.2f} s  {plain:7.2f} s  {mine / plain:5.2f}")


def _seconds(connection: duckdb.DuckDBPyConnection, queries: Sequence[str]) -> float:
    started = time.perf_counter()
    for query in queries:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE timed AS {query}")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
