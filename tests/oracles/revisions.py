"""What changed from one revision to the next, computed another way."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.builders import SCORES
from tests.oracles.rows import Row

# What is held of a shard's rows from one revision to the next: by its path, its rows in either,
# and how many were added, removed, or have another text or other scores. Where rows that repeat
# leave open which of them it is, each number is the least and the most that it may be.
Range = tuple[int, int]
Shards = Mapping[str, Sequence[Row]]
DIFF_COLUMNS = ("previous_rows", "rows", "added", "removed", "changed_text", "changed_scores")


def _same(value: object) -> object:
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def _keyed(shards: Shards) -> dict[object, list[tuple[str, object, object]]]:
    """By what makes a row the same row: each one's path, text and scores."""
    keyed: dict[object, list[tuple[str, object, object]]] = {}
    for path, rows in shards.items():
        for row in rows:
            code = row.get("hash")
            key = ("url", row["url"]) if code is None else ("hash", code)
            scores = tuple(_same(row.get(score)) for score in SCORES)
            keyed.setdefault(key, []).append((path, row["text"], scores))
    return keyed


def revision_diff(before: Shards, after: Shards) -> dict[str, dict[str, Range]]:
    """A line for each shard of either revision: rows are bags, the same wherever they lie."""
    low: dict[str, Counter[str]] = {path: Counter() for path in {*before, *after}}
    high: dict[str, Counter[str]] = {path: Counter() for path in {*before, *after}}
    for name, shards in (("previous_rows", before), ("rows", after)):
        for path, rows in shards.items():
            low[path][name] = high[path][name] = len(rows)
    old_rows, new_rows = _keyed(before), _keyed(after)
    for key in old_rows.keys() | new_rows.keys():
        _compare(old_rows.get(key, []), new_rows.get(key, []), low, high)
    return {
        path: {name: (low[path][name], high[path][name]) for name in DIFF_COLUMNS} for path in low
    }


Keyed = Sequence[tuple[str, object, object]]


def _compare(
    old: Keyed, new: Keyed, low: Mapping[str, Counter[str]], high: Mapping[str, Counter[str]]
) -> None:
    """Count what changed among the rows of one key."""
    olds, news = Counter(row[1:] for row in old), Counter(row[1:] for row in new)
    gone, come = olds - news, news - olds
    clear = _lie_clear(old, gone) and _lie_clear(new, come)
    if clear and (not gone or not come):
        for name, rows, more in (("removed", old, gone), ("added", new, come)):
            for value, count in more.items():
                for path in _paths(rows, value)[:count]:
                    low[path][name] += 1
                    high[path][name] += 1
    elif clear and gone.total() == come.total() == 1:
        ((was_text, was_scores),), ((text, scores),) = gone, come
        path = _paths(new, (text, scores))[0]
        for bounds in (low, high):
            bounds[path]["changed_text"] += text != was_text
            bounds[path]["changed_scores"] += scores != was_scores
    else:
        _leave_open(new, come, high, ("added", "changed_text", "changed_scores"))
        _leave_open(old, gone, high, ("removed",))


def _leave_open(
    rows: Keyed,
    more: Counter[tuple[object, object]],
    high: Mapping[str, Counter[str]],
    names: Sequence[str],
) -> None:
    """Each of the rows that there are more of may be one that is counted."""
    for path in (row[0] for row in rows if row[1:] in more):
        high[path].update(names)


def _paths(rows: Keyed, value: tuple[Any, ...]) -> list[str]:
    return [row[0] for row in rows if row[1:] == value]


def _lie_clear(rows: Keyed, more: Counter[tuple[object, object]]) -> bool:
    """Whether it is certain in which shards those lie that there are more of."""
    return all(
        len(paths) == count or len(set(paths)) == 1
        for value, count in more.items()
        for paths in [_paths(rows, value)]
    )


def added_and_removed(before: Shards, after: Shards) -> tuple[int, int]:
    """How many rows a revision has that the one before had not, and the other way round."""
    olds = Counter({key: len(rows) for key, rows in _keyed(before).items()})
    news = Counter({key: len(rows) for key, rows in _keyed(after).items()})
    return (news - olds).total(), (olds - news).total()


def tenths(spread: Mapping[float, int]) -> list[float]:
    """The edges of the tenths of so many pairs of each value: below all, the deciles, the top."""
    values = sorted(value for value, count in spread.items() if count)
    if not values:
        return []
    below = np.cumsum([spread[value] for value in values])
    deciles = {values[int(np.searchsorted(below, below[-1] * k / 10))] for k in range(1, 10)}
    return sorted({math.nextafter(values[0], -math.inf), *deciles, values[-1], math.inf})


def up_to(spread: Mapping[float, int], edge: float) -> int:
    return sum(count for value, count in spread.items() if value <= edge)


def stability_index(old: Mapping[float, int], new: Mapping[float, int]) -> tuple[float, float]:
    """The population stability index of two revisions, and what it may come to by chance.

    Over the tenths of the old pairs, what is below and above them too where there is any; each has
    half a pair more than were counted. Of equal populations the index is about a chi-squared
    variable, scaled: chance is its mean and three standard deviations.
    """
    edges = tenths(old)
    before, now = (
        np.diff([up_to(spread, edge) for edge in edges], prepend=0).astype(float)
        for spread in (old, new)
    )
    used = before + now > 0
    p, q = ((counts[used] + 0.5) / (counts.sum() + 0.5 * used.sum()) for counts in (before, now))
    freedom = int(used.sum()) - 1
    scale = 1 / before.sum() + 1 / now.sum()
    index = float(((q - p) * np.log(q / p)).sum())
    return index, float((freedom + 3 * np.sqrt(2 * freedom)) * scale)
