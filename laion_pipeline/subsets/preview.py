"""A look at a subset before it is written: what each condition leaves, and what is in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from laion_pipeline.downloads.recorded import LATEST, has_downloads
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.releases.release import Release
from laion_pipeline.subsets.conditions import CHOSEN, HOST
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.selecting import Selected, Step, select
from laion_pipeline.text import displayable
from laion_pipeline.warehouse.provenance import Provenance

Row = Mapping[str, object]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
EXAMPLES = 10
HOSTS = 10
# How many more addresses of a host are taken to be like those of all hosts.
_LIKE_ALL = 5
# More pairs than these are looked at in part, so that a look takes seconds at any size.
_MOST_ROWS = 2_000_000
_MEASURES = {**{score: score for score in SCORES}, "width": "width", "height": "height",
             "pixels": "CAST(width AS DOUBLE) * height", "characters": "characters",
             "words": "words"}  # fmt: skip
_CAPTION_CHARACTERS = 70


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
    pair of so many. `live` is the share of its links that can be expected to lead to an image, by
    the results of downloads; None where there are none.
    """

    name: str
    provenance: Provenance
    steps: Sequence[Step]
    every: int
    quantiles: Mapping[str, Sequence[float]]
    hosts: Sequence[HostPairs]
    live: float | None
    examples: Sequence[Row]
    unsafe_from: float

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
    selected = select(connection, chosen, release, _MOST_ROWS)
    return preview_of(connection, selected, release, provenance)


def preview_of(
    connection: duckdb.DuckDBPyConnection,
    selected: Selected,
    release: Release,
    provenance: Provenance,
) -> Preview:
    """Look at what has been selected, and is in `CHOSEN`."""
    hosts, live = _hosts(connection, selected.every)
    return Preview(
        selected.name,
        provenance,
        selected.steps,
        selected.every,
        _quantiles(connection, selected),
        hosts,
        live,
        connection.execute(f"FROM {CHOSEN} ORDER BY place, rowid LIMIT {EXAMPLES}")
        .to_arrow_table()
        .to_pylist(),
        release.unsafe_from,
    )


def _hosts(
    connection: duckdb.DuckDBPyConnection, every: int
) -> tuple[Sequence[HostPairs], float | None]:
    """The commonest hosts, and the share of all links that can be expected to be live.

    An address whose last result is known and lasts counts as that. Any other counts as its host's
    share of live ones; where few of a host's are known, as if some more were like all hosts'.
    """
    if not has_downloads(connection):
        found = connection.execute(
            f"SELECT {HOST} AS host, count(*) * {every} AS pairs FROM {CHOSEN}"
            f" GROUP BY host ORDER BY pairs DESC, host LIMIT {HOSTS}"
        ).fetchall()
        return [HostPairs(host, pairs, None) for host, pairs in found], None
    found = connection.execute(
        f"WITH latest AS ({LATEST}),"
        f" asked AS (SELECT {HOST} AS host, count(*) AS asked, count(*) FILTER (live) AS live"
        " FROM latest GROUP BY host),"
        " overall AS (SELECT sum(live) / sum(asked) AS share FROM asked),"
        f" counted AS (SELECT {HOST} AS host, count(*) AS pairs,"
        " count(*) FILTER (latest.live) AS known_live,"
        " count(*) FILTER (latest.live IS NULL OR latest.passing) AS open"
        f" FROM {CHOSEN} LEFT JOIN latest USING (url) GROUP BY host)"
        " SELECT host, pairs, known_live"
        f" + open * (coalesce(asked.live, 0) + {_LIKE_ALL} * share)"
        f" / (coalesce(asked, 0) + {_LIKE_ALL}) AS live"
        " FROM counted LEFT JOIN asked USING (host), overall ORDER BY pairs DESC, host"
    ).fetchall()
    live = sum(live for _, _, live in found) / max(1, sum(pairs for _, pairs, _ in found))
    shown = [HostPairs(host, pairs * every, live / pairs) for host, pairs, live in found[:HOSTS]]
    return shown, live


def _quantiles(
    connection: duckdb.DuckDBPyConnection, selected: Selected
) -> Mapping[str, Sequence[float]]:
    asked = ", ".join(
        f"quantile_cont(CAST({sql} AS DOUBLE), {list(QUANTILES)})" for sql in _MEASURES.values()
    )
    of = CHOSEN
    if selected.limit is not None:
        of = f"(FROM {CHOSEN} ORDER BY place, rowid LIMIT {selected.limit})"
    ((*found,),) = connection.execute(f"SELECT {asked} FROM {of}").fetchall()
    return {name: values for name, values in zip(_MEASURES, found, strict=True) if values}


def told(shown: Preview) -> str:
    """A preview as text for a terminal."""
    provenance = shown.provenance
    made_up = ", made-up data" if provenance.made_up else ""
    lines = [f"{shown.name}, of {provenance.release} at {provenance.revision[:12]}{made_up}", ""]
    wide = max(len(step.words) for step in shown.steps)
    of = max(1, shown.steps[0].pairs)
    lines += [
        f"  {displayable(step.words):{wide}}  {'about ' if step.about else '':6}"
        f"{step.pairs:>13,}  {100 * step.pairs / of:8.3f} %"
        for step in shown.steps
    ]
    if shown.every > 1:
        part = f"what follows is of one pair in {shown.every:,}, by a hash of its address"
        lines += ["", part]
    if shown.quantiles:
        heads = "".join(f"{f'{100 * share:g} %':>12}" for share in QUANTILES)
        lines += ["", f"  {'':12}{heads}"]
        lines += [
            f"  {name:12}" + "".join(f"{_number(value):>12}" for value in values)
            for name, values in shown.quantiles.items()
        ]
    if shown.hosts:
        lines += ["", *_told_hosts(shown)]
        lines += ["", "  first pairs"]
        lines += [f"  {_example(row, shown.unsafe_from)}" for row in shown.examples]
    else:
        lines += ["", "no pair is left; loosen the condition after which there are none"]
    return "\n".join(lines)


def _told_hosts(shown: Preview) -> Sequence[str]:
    if shown.live is None:
        return [
            "  commonest hosts",
            *(f"  {each.pairs:>12,}  {displayable(each.host)}" for each in shown.hosts),
        ]
    return [
        f"  about {shown.live * shown.pairs:,.0f} links are expected to lead to an image, by what"
        " downloads found",
        "",
        f"  {'':12}  live  commonest hosts",
        *(
            f"  {each.pairs:>12,} {100 * (each.live or 0):>4.0f} %  {displayable(each.host)}"
            for each in shown.hosts
        ),
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _example(row: Row, unsafe_from: float) -> str:
    punsafe = row["punsafe"]
    hidden = isinstance(punsafe, float) and punsafe >= unsafe_from
    caption = "(probably unsafe)" if hidden else displayable(str(row["text"]), _CAPTION_CHARACTERS)
    size = "size unknown" if row["width"] is None else f"{row['width']} x {row['height']}"
    return f"{size:>13}  {caption}"
