"""A look at a subset before it is written: what each condition leaves, and what is in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

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
# More pairs than these are looked at in part, so that a look takes seconds at any size.
_MOST_ROWS = 2_000_000
_MEASURES = {**{score: score for score in SCORES}, "width": "width", "height": "height",
             "pixels": "CAST(width AS DOUBLE) * height", "characters": "characters",
             "words": "words"}  # fmt: skip
_CAPTION_CHARACTERS = 70


@dataclass(frozen=True)
class Preview:
    """What a subset would have.

    `quantiles` are those of `QUANTILES` for each measure that any of its pairs has, `hosts` the
    commonest with their number of pairs, `examples` its first pairs in its order. Where `every` is
    not 1 they are those of one pair of so many.
    """

    name: str
    provenance: Provenance
    steps: Sequence[Step]
    every: int
    quantiles: Mapping[str, Sequence[float]]
    hosts: Sequence[tuple[str, int]]
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
    return preview_of(connection, selected, chosen, release, provenance)


def preview_of(
    connection: duckdb.DuckDBPyConnection,
    selected: Selected,
    chosen: SubsetFilter,
    release: Release,
    provenance: Provenance,
) -> Preview:
    """Look at what has been selected, and is in `CHOSEN`."""
    return Preview(
        chosen.name,
        provenance,
        selected.steps,
        selected.every,
        _quantiles(connection, selected, chosen.limit),
        connection.execute(
            f"SELECT {HOST} AS host, count(*) * {selected.every} AS pairs FROM {CHOSEN}"
            f" GROUP BY host ORDER BY pairs DESC, host LIMIT {HOSTS}"
        ).fetchall(),
        connection.execute(f"FROM {CHOSEN} ORDER BY place, rowid LIMIT {EXAMPLES}")
        .to_arrow_table()
        .to_pylist(),
        release.unsafe_from,
    )


def _quantiles(
    connection: duckdb.DuckDBPyConnection, selected: Selected, limit: int | None
) -> Mapping[str, Sequence[float]]:
    asked = ", ".join(
        f"quantile_cont(CAST({sql} AS DOUBLE), {list(QUANTILES)})" for sql in _MEASURES.values()
    )
    # Where it is a part that was kept, that is not cut to the limit yet.
    of = CHOSEN
    if limit is not None and selected.every > 1:
        of = f"(FROM {CHOSEN} ORDER BY place, rowid LIMIT {limit})"
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
        lines += ["", "  commonest hosts"]
        lines += [f"  {pairs:>12,}  {displayable(host)}" for host, pairs in shown.hosts]
        lines += ["", "  first pairs"]
        lines += [f"  {_example(row, shown.unsafe_from)}" for row in shown.examples]
    else:
        lines += ["", "no pair is left; loosen the condition after which there are none"]
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _example(row: Row, unsafe_from: float) -> str:
    punsafe = row["punsafe"]
    hidden = isinstance(punsafe, float) and punsafe >= unsafe_from
    caption = "(probably unsafe)" if hidden else displayable(str(row["text"]), _CAPTION_CHARACTERS)
    size = "size unknown" if row["width"] is None else f"{row['width']} x {row['height']}"
    return f"{size:>13}  {caption}"
