"""What a filter says, one condition at a time, as SQL over `pair_captions` with bound values.

Conditions on numbers come before those on captions and addresses, which take longer.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import duckdb
import pyarrow as pa

from laion_pipeline.downloads.recorded import DEAD, has_downloads
from laion_pipeline.errors import SettingsError
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.releases.recipes import MEASURES, measured
from laion_pipeline.releases.release import Release
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.lists import read_hosts, read_urls
from laion_pipeline.subsets.ranges import RANGES
from laion_pipeline.subsets.terms import has_any_term
from laion_pipeline.text import listed
from laion_pipeline.warehouse.cleaned import has_cleaned, still_there

# The ranges that are of captions.
OF_CAPTIONS = ("characters", "words")
# The temporary table of the pairs that are chosen so far.
CHOSEN = "chosen_pairs"


@dataclass(frozen=True)
class Condition:
    """A condition in words and as SQL; `?` in it stand for `values`.

    One on `numbers` reads no caption and no address. One on `captions` takes what
    `pair_captions` says of them, the others only what `valid_pairs` has. One on `lists` looks names
    up in them, each a table of one column, and is for pairs that are in `CHOSEN`.
    """

    words: str
    sql: str
    values: Sequence[str] = ()
    on: Literal["numbers", "texts", "captions", "lists"] = "texts"
    lists: Mapping[str, pa.Table] = field(default_factory=dict)


def conditions_of(
    chosen: SubsetFilter, release: Release, connection: duckdb.DuckDBPyConnection
) -> Sequence[Condition]:
    """A filter's conditions on single pairs, the quick ones first.

    Raises SettingsError naming what the release has not, or a list that cannot be read.
    """
    ranges = list(_ranges(chosen, release))
    return [
        *(each for each in ranges if each.on == "numbers"),
        *_removed(chosen, connection),
        *_languages(chosen, release),
        *_captions(chosen, connection),
        *(each for each in ranges if each.on == "captions"),
        *_hosts(chosen),
        *_opt_outs(chosen),
        *_known_dead(chosen, connection),
    ]


def _ranges(chosen: SubsetFilter, release: Release) -> Iterator[Condition]:
    for name, measure in RANGES.items():
        kept = getattr(chosen, name)
        if not isinstance(kept, Interval):
            continue
        if lacking := release.lacks(*MEASURES[measure][1]):
            hint = '; say punsafe = "any" to take pairs of which nobody knows' * (name == "punsafe")
            raise SettingsError(f"{name}: not with {release.name}: {lacking}{hint}")
        valid = release.ranges.get(name)
        if valid is not None and not valid.meets(kept):
            raise SettingsError(
                f"{name}: {kept.words(name)} leaves no pair: in this release {valid.words(name)}"
            )
        on: Literal["numbers", "captions"] = "captions" if name in OF_CAPTIONS else "numbers"
        yield Condition(kept.words(name), measured(measure, kept), on=on)


def _removed(chosen: SubsetFilter, connection: duckdb.DuckDBPyConnection) -> Iterator[Condition]:
    if chosen.without_removed and has_cleaned(connection):
        yield Condition("the cleaned release still has it", still_there(connection), on="numbers")


def _languages(chosen: SubsetFilter, release: Release) -> Iterator[Condition]:
    if not chosen.languages:
        return
    if lacking := release.lacks("language"):
        raise SettingsError(f"languages: not with {release.name}: {lacking}")
    marks = ", ".join("?" for _ in chosen.languages)
    yield Condition(
        f"language is {listed(chosen.languages)}", f"language IN ({marks})", chosen.languages
    )


def _captions(chosen: SubsetFilter, connection: duckdb.DuckDBPyConnection) -> Iterator[Condition]:
    whole_words = chosen.whole_words
    whole = "the words" if whole_words else "the letters"
    for term in chosen.caption_all:
        found, values = has_any_term(connection, [term], whole_words=whole_words)
        yield Condition(f"caption has {whole} {listed([term])}", found, values)
    if terms := chosen.caption_any:
        found, values = has_any_term(connection, terms, whole_words=whole_words)
        yield Condition(f"caption has any of {listed(terms)}", found, values)
    if terms := chosen.caption_none:
        found, values = has_any_term(connection, terms, whole_words=whole_words)
        yield Condition(f"caption has none of {listed(terms)}", f"NOT ({found})", values)
    if pattern := chosen.caption_regex:
        try:
            connection.execute("SELECT regexp_matches('', ?)", [pattern])
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0].partition(": ")[2]
            raise SettingsError(f"caption_regex: {reason}") from error
        words = f"caption matches {listed([pattern])}"
        yield Condition(words, "regexp_matches(text, ?)", [pattern])


# The host of an address, and the names that end it.
HOST = (
    "regexp_replace(regexp_replace(lower(split_part(url, '/', 3)),"
    r" '[?#\\].*$|^.*@', '', 'g'), '[.]?(:[0-9]*)?$', '')"
)
_ENDINGS = tuple(
    " || '.' || ".join(f"split_part(host, '.', -{part})" for part in range(labels, 0, -1))
    for labels in range(1, 6)
)


def _hosts(chosen: SubsetFilter) -> Iterator[Condition]:
    for field_name, keeps in (("hosts_allowed", True), ("hosts_denied", False)):
        if names := getattr(chosen, field_name):
            words = f"host is {'' if keeps else 'not '}of {listed(names)}"
            found = "regexp_matches(url, ?)"
            yield Condition(words, found if keeps else f"NOT {found}", [_at_any(names)])


def _at_any(hosts: Sequence[str]) -> str:
    """The pattern of addresses at these hosts or below them."""
    names = "|".join(re.escape(host) for host in hosts)
    return rf"(?i)^[^:/]+://(?:[^/?#\\]*@)?(?:[^/?#\\@]*\.)?(?:{names})\.?(?::[0-9]*)?(?:$|[/?#\\])"


def _opt_outs(chosen: SubsetFilter) -> Iterator[Condition]:
    if chosen.opt_out_hosts:
        names = [name for path in chosen.opt_out_hosts for name in read_hosts(path)]
        listed_there = " OR ".join(
            f"{ending} IN (SELECT name FROM opt_out_hosts)" for ending in ("host", *_ENDINGS)
        )
        yield Condition(
            f"host has not opted out ({len(names):,} names)",
            f"{HOST} NOT IN (SELECT host FROM (SELECT DISTINCT {HOST} AS host FROM {CHOSEN})"
            f" WHERE {listed_there})",
            on="lists",
            lists={"opt_out_hosts": names_table(names)},
        )
    if chosen.opt_out_urls:
        urls = [url for path in chosen.opt_out_urls for url in read_urls(path)]
        yield Condition(
            f"address has not opted out ({len(urls):,} addresses)",
            "url NOT IN (SELECT name FROM opt_out_urls)",
            on="lists",
            lists={"opt_out_urls": names_table(urls)},
        )


def _known_dead(chosen: SubsetFilter, connection: duckdb.DuckDBPyConnection) -> Iterator[Condition]:
    if not chosen.without_dead_links:
        return
    if not has_downloads(connection):
        raise SettingsError(
            "without_dead_links: no results of a download are known yet; read them with"
            " laion-pipeline subset results"
        )
    ((dead,),) = connection.execute(f"SELECT count(*) FROM ({DEAD})").fetchall()
    yield Condition(
        f"address is not known to be dead ({dead:,} are)", f"url NOT IN ({DEAD})", on="lists"
    )


def names_table(names: Sequence[str]) -> pa.Table:
    """A list of names as a table that SQL can look them up in."""
    return pa.table({"name": pa.array(names, pa.string())})
