"""Public suffixes: below which names anybody may register one of their own, such as `co.uk`.

They are what tells a site from the provider that it has its name from. The list is the one that
`publicsuffixlist` brings along, its ICANN part only, so that `example.blogspot.com` counts as
`blogspot.com`, whose computers answer for it. Nothing is fetched.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files

import duckdb
import pyarrow as pa

# What public suffixes are held as. A name that ends in `ending` is registered with `labels` labels;
# of several the one with most counts, but for an exception, which counts before all others.
SUFFIX_COLUMNS: Mapping[str, str] = {
    "ending": "VARCHAR",
    "labels": "INTEGER",
    "exception": "BOOLEAN",
}
_ICANN_ENDS = "===END ICANN DOMAINS==="


def suffixes_version() -> str:
    """Changes when the list does."""
    return version("publicsuffixlist")


def hold_suffixes(connection: duckdb.DuckDBPyConnection) -> None:
    """Let an open warehouse hold the list as `public_suffixes`."""
    connection.register("listed_suffixes", _suffixes())
    connection.execute("CREATE OR REPLACE TABLE public_suffixes AS FROM listed_suffixes")
    connection.unregister("listed_suffixes")


@cache
def _suffixes() -> pa.Table:
    types = (pa.string(), pa.int32(), pa.bool_())
    schema = pa.schema(zip(SUFFIX_COLUMNS, types, strict=True))
    rows = [dict(zip(SUFFIX_COLUMNS, row, strict=True)) for row in sorted(set(_rules()))]
    return pa.Table.from_pylist(rows, schema)


def _rules() -> Iterator[tuple[str, int, bool]]:
    """Each rule of the list, in Unicode and as a name has it in an address."""
    text = (files("publicsuffixlist") / "public_suffix_list.dat").read_text("utf-8")
    for line in text.partition(_ICANN_ENDS)[0].splitlines():
        rule = line.strip()
        if not rule or rule.startswith("//"):
            continue
        exception = rule.startswith("!")
        ending = rule.removeprefix("!").removeprefix("*.")
        labels = rule.count(".") + (1 if exception else 2)
        yield ending, labels, exception
        if not ending.isascii():
            yield ending.encode("idna").decode("ascii"), labels, exception
