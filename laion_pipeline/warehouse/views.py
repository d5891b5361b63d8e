"""The views on `pairs`: its valid rows, those in quarantine, and what is said of them in short.

Others say what the release is made of, so that SQL need not name its columns, scores and rules.
"""

from collections import Counter
from collections.abc import Mapping

import duckdb

from laion_pipeline.contract import quarantine_rules, reasons_expression
from laion_pipeline.contract.captions import CAPTION_FACTS
from laion_pipeline.releases.columns import CORE_COLUMNS, SCORES, Score
from laion_pipeline.releases.recipes import FILTERS
from laion_pipeline.releases.release import Release
from laion_pipeline.warehouse.cleaned import prepare_cleaned
from laion_pipeline.warehouse.connections import literal
from laion_pipeline.warehouse.suffixes import hold_suffixes
from laion_pipeline.warehouse.terms import ASKED_TERMS, prepare_terms, words_of

# The view by which rows of two revisions are told apart, without their captions and URLs.
PAIR_KEYS_COLUMNS: Mapping[str, str] = {
    "shard_id": "INTEGER",
    "pair_key": "UBIGINT",
    "text_key": "UBIGINT",
    "scores_key": "UBIGINT",
}
_CORE = {**{column.name: column.sql_type for column in CORE_COLUMNS}, "shard_id": "INTEGER"}
# Each view but the shorthands, with the columns that it has whatever the release, and their types.
VIEWS: Mapping[str, Mapping[str, str]] = {
    "valid_pairs": _CORE,
    "quarantine": {**_CORE, "defects": "INTEGER", "reasons": "VARCHAR[]"},
    "pair_keys": PAIR_KEYS_COLUMNS,
    "values_present": {"column_name": "VARCHAR", "present": "BIGINT", "all_rows": "BIGINT"},
    "quarantine_rules": {"rule": "VARCHAR", "mask": "INTEGER"},
}


def create_views(connection: duckdb.DuckDBPyConnection, release: Release) -> None:
    """Make the views on `pairs`, and what they are read beside, as they are for a release."""
    hold_suffixes(connection)
    prepare_terms(connection)
    prepare_cleaned(connection)
    for name, query in view_queries(release).items():
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")


def view_queries(release: Release) -> Mapping[str, str]:
    """The query of each view, each after those that it reads."""
    return {
        "valid_pairs": valid_pairs_query(release),
        "quarantine": _quarantine(release),
        "pair_keys": _pair_keys(release),
        "values_present": _values_present(release),
        "quarantine_rules": _quarantine_rules(release),
        **shorthand_views(release),
    }


def shorthand_views(release: Release) -> Mapping[str, str]:
    """The views that save SQL from saying the same again and again, as queries.

    `scores` has a row for each score of a release, with what is known of it. `pair_scores` has a
    row for each score of a valid pair: the name of the score, its value, the bin that holds it,
    whether it is the lowest of that bin (only of scores that are better the lower), and all columns
    of the pair. `pair_bins` has the valid pairs with the bin of each score, and `pair_captions`
    with what their captions are like. `filters` has a row for each published filter, and
    `pair_filters` beside what `pair_captions` has a mask of those that keep the pair. `term_scores`
    has a row for each term asked about, each pair whose caption has it, and each score: its bin.
    """
    facts = [_facts(SCORES[score]) for score in release.scores]
    values = [
        f"SELECT '{score}' AS score, {score} AS value, {_on_edge(SCORES[score])} AS on_edge, *"
        f" FROM (SELECT {_bin(SCORES[score])} AS bin, valid_pairs.* FROM valid_pairs"
        f" WHERE {score} IS NOT NULL)"
        for score in release.scores
    ]
    bins = ", ".join(f"{_bin(score)} AS {score.name}_bin" for score in SCORES.values())
    none = f"FROM ({_facts(next(iter(SCORES.values())))}) WHERE false"
    captions = ", ".join(f"{sql} AS {name}" for name, sql in CAPTION_FACTS.items())
    nothing = (
        "SELECT '' AS score, 0e0 AS value, false AS on_edge, CAST(0 AS INTEGER) AS bin,"
        " valid_pairs.* FROM valid_pairs WHERE false"
    )
    return {
        "scores": " UNION ALL ".join(facts) or none,
        "pair_scores": " UNION ALL ".join(values) or nothing,
        "pair_bins": f"SELECT {bins}, valid_pairs.* FROM valid_pairs",
        "pair_captions": f"SELECT {captions}, valid_pairs.* FROM valid_pairs",
        "filters": _filters(release),
        "pair_filters": _pair_filters(captions),
        "term_scores": _term_scores(release, bins),
    }


# The mask of each condition that some published filter has.
_FILTER_MASKS = {
    condition: 1 << place
    for place, condition in enumerate(dict.fromkeys(kept.predicate for kept in FILTERS))
}


def _filters(release: Release) -> str:
    steps: Counter[str] = Counter()
    rows = []
    for kept in FILTERS:
        steps[kept.recipe] += 1
        known = str(kept.is_known(release)).lower()
        rows.append(
            f"SELECT {literal(kept.recipe)} AS recipe, {steps[kept.recipe]} AS step,"
            f" {literal(kept.words)} AS condition, {literal(kept.source)} AS source,"
            f" {_FILTER_MASKS[kept.predicate]} AS mask, {known} AS known"
        )
    return " UNION ALL ".join(rows)


def _pair_filters(captions: str) -> str:
    masks = " + ".join(
        f"CASE WHEN {condition} THEN {mask} ELSE 0 END" for condition, mask in _FILTER_MASKS.items()
    )
    return f"SELECT {masks} AS mask, * FROM (SELECT {captions}, valid_pairs.* FROM valid_pairs)"


def _term_scores(release: Release, bins: str) -> str:
    binned = " ".join(f"WHEN '{score}' THEN {score}_bin" for score in release.scores)
    facts = " UNION ALL ".join(_facts(SCORES[score]) for score in release.scores)
    if not facts:
        return (
            f"SELECT term_group, term, '' AS score, CAST(0 AS INTEGER) AS bin FROM {ASKED_TERMS}"
            " CROSS JOIN valid_pairs WHERE false"
        )
    return (
        f"SELECT term_group, term, score, CASE score {binned} END AS bin"
        f" FROM (SELECT {bins}, {words_of('text')} AS words FROM valid_pairs)"
        f" JOIN {ASKED_TERMS} ON contains(words, phrase) CROSS JOIN ({facts})"
    )


def _facts(score: Score) -> str:
    return (
        f"SELECT '{score.name}' AS score, {score.bins_per_unit} AS bins_per_unit,"
        f" {score.steps_per_unit} AS steps_per_unit,"
        f" {str(score.higher_is_better).lower()} AS higher_is_better"
    )


def _bin(score: Score) -> str:
    """The bin that a score is in, counted from 0: how many edges there are up to it, less below 0.

    Multiplying rounds, so that next to an edge it may tell the wrong side. The edge that may have
    been reached is taken, and the double nearest to it, which dividing a whole number gives,
    decides whether it was.
    """
    edge = f"floor({score.name} * {score.bins_per_unit} + 1e-9)"
    is_below = f"{score.name} < {edge} / {score.bins_per_unit}"
    return f"CAST(CASE WHEN {is_below} THEN {edge} - 1 ELSE {edge} END AS INTEGER)"


def _on_edge(score: Score) -> str:
    """Whether it is the lowest score of its bin, which a filter up to there keeps."""
    return "false" if score.higher_is_better else f"{score.name} = bin / {score.bins_per_unit}"


def valid_pairs_query(release: Release, *more: str, source: str = "pairs") -> str:
    """The query of the view `valid_pairs`, with `more` columns of `source`, which has all pairs."""
    core = {column.name for column in CORE_COLUMNS}
    columns = [
        column.name
        if column.name in release.columns
        else f"CAST(NULL AS {column.sql_type}) AS {column.name}"
        for column in CORE_COLUMNS
    ] + [name for name in release.columns if name not in core]
    return f"SELECT {', '.join([*columns, 'shard_id', *more])} FROM {source} WHERE defects = 0"


def _quarantine(release: Release) -> str:
    reasons = reasons_expression(quarantine_rules(release))
    return f"SELECT *, {reasons} AS reasons FROM pairs WHERE defects <> 0"


def _values_present(release: Release) -> str:
    return " UNION ALL ".join(
        f"SELECT '{name}' AS column_name, count({name}) AS present, count(*) AS all_rows FROM pairs"
        for name in release.columns
    )


def _quarantine_rules(release: Release) -> str:
    return " UNION ALL ".join(
        f"SELECT '{rule.name}' AS rule, {rule.mask} AS mask" for rule in quarantine_rules(release)
    )


def _pair_keys(release: Release) -> str:
    # Without a hash, pairs of the same URL are taken for the same.
    key = "hash(coalesce(CAST(hash AS VARCHAR), url))" if "hash" in release.columns else "hash(url)"
    scores = ", ".join(release.scores) or "NULL"
    return (
        f"SELECT shard_id, {key} AS pair_key, hash(text) AS text_key, hash({scores}) AS scores_key"
        " FROM pairs"
    )
