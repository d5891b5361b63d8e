"""A look at a subset before it is written: what each condition leaves, and what is in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from laion_pipeline.contract.captions import CAPTION_FACTS
from laion_pipeline.downloads.recorded import LATEST, has_downloads
from laion_pipeline.releases.columns import CORE_COLUMNS, SCORES
from laion_pipeline.releases.release import Release
from laion_pipeline.subsets.conditions import CHOSEN, HOST, OF_CAPTIONS
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.keeping import Step
from laion_pipeline.subsets.selecting import Selected, select
from laion_pipeline.warehouse.provenance import Provenance
from laion_pipeline.warehouse.stores import numbered_valid_pairs

Row = Mapping[str, object]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
EXAMPLES = 10
HOSTS = 10
# How many more addresses of a host are taken to be like those of all hosts.
_LIKE_ALL = 5
# More pairs than these are looked at in part, so that a look takes seconds at any size.
_MOST_ROWS = 2_000_000
# From so many pairs on, by the conditions on numbers, texts are read of a few only.
_BARE_FROM = 500_000
_FEW = 1_000
_LOOKED_AT = "looked_at_pairs"
_MEASURES = {**{score: score for score in SCORES}, "width": "width", "height": "height",
             "pixels": "CAST(width AS DOUBLE) * height"}  # fmt: skip
_OF_CAPTIONS = {name: name for name in OF_CAPTIONS}


@dataclass(frozen=True)
class HostPairs:
    """A host's pairs, and the share of them that can be expected to lead to an image."""

    host: str
    pairs: int
    live: float | None


@dataclass(frozen=True)
class Preview:
    """What a subset would have.

    `quantiles` are those of `QUANTILES` for each measure that any of its pairs has, `hosts` the
    commonest, `examples` its first pairs in its order. Where `every` is not 1 they are those of one
    pair of so many; those of `hosts`, `characters` and `words` of `looked_at` pairs, where that is
    not None. `live` is the share of its links that can be expected to lead to an image, by the
    results of downloads; None where there are none. With `hosts_unasked`, an export asks hosts for
    their consent first, and may have fewer pairs.
    """

    name: str
    provenance: Provenance
    steps: Sequence[Step]
    every: int
    looked_at: int | None
    quantiles: Mapping[str, Sequence[float]]
    hosts: Sequence[HostPairs]
    live: float | None
    examples: Sequence[Row]
    unsafe_from: float
    hosts_unasked: bool = False

    @property
    def pairs(self) -> int:
        """How many pairs it would have."""
        return self.steps[-1].pairs


def preview(
    connection: duckdb.DuckDBPyConnection, chosen: SubsetFilter, release: Release
) -> Preview:
    """Look at the subset that a filter makes of an open warehouse.

    Raises SettingsError where the filter is not for this release, WarehouseError when `pairs` is
    not completely loaded.
    """
    provenance = Provenance.read(connection)
    selected = select(connection, chosen, release, _MOST_ROWS, _BARE_FROM)
    shown = preview_of(connection, selected, release, provenance)
    return replace(shown, hosts_unasked=chosen.host_consent)


def preview_of(
    connection: duckdb.DuckDBPyConnection,
    selected: Selected,
    release: Release,
    provenance: Provenance,
) -> Preview:
    """Look at what has been selected, and is in `CHOSEN`."""
    looked_at = _look_at(connection, release) if selected.bare else None
    texts = CHOSEN if looked_at is None else _LOOKED_AT
    # Hosts are counted before the subset is cut to its limit, too.
    scale = selected.every if looked_at is None else selected.pairs / max(1, looked_at)
    hosts, live = _hosts(connection, texts, scale)
    return Preview(
        selected.name,
        provenance,
        selected.steps,
        selected.every,
        looked_at,
        _quantiles(connection, selected, texts),
        hosts,
        live,
        _examples(connection, selected, release),
        release.unsafe_from,
    )


def _look_at(connection: duckdb.DuckDBPyConnection, release: Release) -> int:
    """Read the texts of a few pairs, those that come first in the warehouse; of how many."""
    facts = ", ".join(f"{CAPTION_FACTS[name]} AS {name}" for name in OF_CAPTIONS)
    ((last,),) = connection.execute(
        f"SELECT max(row) FROM (SELECT row FROM {CHOSEN} ORDER BY row LIMIT {_FEW})"
    ).fetchall()
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_LOOKED_AT} AS SELECT url, {facts}"
        f" FROM ({numbered_valid_pairs(connection, release)})"
        f" WHERE row <= {-1 if last is None else last} AND row IN (SELECT row FROM {CHOSEN})"
    )
    ((pairs,),) = connection.execute(f"SELECT count(*) FROM {_LOOKED_AT}").fetchall()
    return int(pairs)


def _examples(
    connection: duckdb.DuckDBPyConnection, selected: Selected, release: Release
) -> Sequence[Row]:
    core = (column.name for column in CORE_COLUMNS)
    columns = ", ".join(dict.fromkeys([*core, *release.columns]))
    most = min(EXAMPLES, selected.limit or EXAMPLES)
    first = f"FROM {CHOSEN} ORDER BY place, rowid LIMIT {most}"
    if not selected.bare:
        return _rows(connection, f"SELECT {columns} {first}")
    source = f"({numbered_valid_pairs(connection, release)})"
    places = connection.execute(f"SELECT row {first}").fetchall()
    return [
        row
        for (place,) in places
        for row in _rows(connection, f"SELECT {columns} FROM {source} WHERE row = {place}")
    ]


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> Sequence[Row]:
    rows: Sequence[Row] = connection.execute(query).to_arrow_table().to_pylist()
    return rows


def _hosts(
    connection: duckdb.DuckDBPyConnection, pairs: str, scale: float
) -> tuple[Sequence[HostPairs], float | None]:
    """The commonest hosts in the table `pairs`, and the share of links expected to be live.

    Each of its pairs stands for `scale` pairs.

    An address whose last result is known and lasts counts as that. Any other counts as its host's
    share of live ones; where few of a host's are known, as if some more were like all hosts'.
    """
    if not has_downloads(connection):
        found = connection.execute(
            f"SELECT {HOST} AS host, count(*) AS pairs FROM {pairs}"
            f" GROUP BY host ORDER BY pairs DESC, host LIMIT {HOSTS}"
        ).fetchall()
        return [HostPairs(host, round(held * scale), None) for host, held in found], None
    found = connection.execute(
        f"WITH latest AS ({LATEST}),"
        f" asked AS (SELECT {HOST} AS host, count(*) AS asked, count(*) FILTER (live) AS live"
        " FROM latest GROUP BY host),"
        " overall AS (SELECT sum(live) / sum(asked) AS share FROM asked),"
        f" counted AS (SELECT {HOST} AS host, count(*) AS pairs,"
        " count(*) FILTER (latest.live) AS known_live,"
        " count(*) FILTER (latest.live IS NULL OR latest.passing) AS open"
        f" FROM {pairs} LEFT JOIN latest USING (url) GROUP BY host)"
        " SELECT host, pairs, known_live"
        f" + open * (coalesce(asked.live, 0) + {_LIKE_ALL} * share)"
        f" / (coalesce(asked, 0) + {_LIKE_ALL}) AS live"
        " FROM counted LEFT JOIN asked USING (host), overall ORDER BY pairs DESC, host"
    ).fetchall()
    share = sum(live for _, _, live in found) / max(1, sum(held for _, held, _ in found))
    return [
        HostPairs(h, round(held * scale), live / held) for h, held, live in found[:HOSTS]
    ], share


def _quantiles(
    connection: duckdb.DuckDBPyConnection, selected: Selected, texts: str
) -> Mapping[str, Sequence[float]]:
    """The quantiles of the pairs, and those of captions in the table `texts`."""
    of = CHOSEN
    if selected.limit is not None:
        of = f"(FROM {CHOSEN} ORDER BY place, rowid LIMIT {selected.limit})"
    found: dict[str, Sequence[float]] = {}
    for table, measures in ((of, _MEASURES), (of if texts == CHOSEN else texts, _OF_CAPTIONS)):
        asked = ", ".join(
            f"quantile_cont(CAST({sql} AS DOUBLE), {list(QUANTILES)})" for sql in measures.values()
        )
        ((*values,),) = connection.execute(f"SELECT {asked} FROM {table}").fetchall()
        found |= zip(measures, values, strict=True)
    return {name: values for name, values in found.items() if values}
