"""The data sheet of a subset: a README in the form of Hugging Face's dataset cards."""

from collections import Counter
from collections.abc import Sequence

import duckdb
from publicsuffixlist import PublicSuffixList

from laion_pipeline import __version__
from laion_pipeline.common.markdown import card_template
from laion_pipeline.releases.columns import COLUMNS_BY_NAME
from laion_pipeline.releases.release import Release
from laion_pipeline.subsets.conditions import CHOSEN, HOST
from laion_pipeline.subsets.selecting import Selected
from laion_pipeline.subsets.trainers import TRAINERS
from laion_pipeline.warehouse.provenance import Provenance

# By the EU's template for summaries of training content, small providers name the largest 5 % of
# the domains or 1,000 of them, whichever is less.
_DOMAINS_SHARE, _MOST_DOMAINS = 0.05, 1000
_SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"),
)  # fmt: skip


def card(
    connection: duckdb.DuckDBPyConnection,
    release: Release,
    provenance: Provenance,
    selected: Selected,
    columns: Sequence[str],
) -> str:
    """The card of what is in `CHOSEN`, as Markdown with its fields in YAML."""
    domains = _domains(connection)
    named = domains[: max(1, min(_MOST_DOMAINS, round(_DOMAINS_SHARE * len(domains))))]
    return card_template("subsets").render(
        selected=selected,
        trainers={name: TRAINERS[name] for name in selected.formats if name in TRAINERS},
        release=release,
        provenance=provenance,
        size=next((name for most, name in _SIZES if selected.pairs < most), "100M<n<1B"),
        columns={name: _about(name) for name in columns},
        domains=named,
        all_domains=len(domains),
        version=__version__,
    )


def _about(column: str) -> str:
    return COLUMNS_BY_NAME["text" if column == "caption" else column].description


def _domains(connection: duckdb.DuckDBPyConnection) -> Sequence[tuple[str, int]]:
    """The registrable domains of the pairs, the one with most pairs first."""
    suffixes = PublicSuffixList(only_icann=True)
    counted: Counter[str] = Counter()
    for host, pairs in connection.execute(
        f"SELECT {HOST} AS host, count(*) FROM {CHOSEN} GROUP BY host"
    ).fetchall():
        is_digits = host.replace(".", "").isdecimal()
        counted[host if is_digits else suffixes.privatesuffix(host) or host] += pairs
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))
