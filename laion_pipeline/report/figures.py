"""The numbers that people quote of a release, each read from a derived table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import duckdb

from laion_pipeline.charts.style import percent


@dataclass(frozen=True)
class Figure:
    """A number in words, what it is of, and the section that tells more of it."""

    label: str
    value: str
    section: str


def _score(value: float) -> str:
    return f"{value:.3g}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _above(score: str, threshold: float) -> str:
    """Of the pairs that have a score, the share above a threshold, which few or all may be."""
    return (
        f"SELECT 1 - coalesce(max(share) FILTER (threshold <= {threshold}), 0)"
        f" FROM score_thresholds WHERE score = '{score}' HAVING count(*) > 0"
    )


# What each is of, the section on it, how it is written, and where it is.
_FIGURES: Sequence[tuple[str, str, Callable[[float], str], str]] = (
    ("valid pairs", "quality", _count, "SELECT count(*) FROM valid_pairs"),
    (
        *("median aesthetic score", "scores", _score),
        "SELECT p50 FROM score_summary WHERE score = 'aesthetic'",
    ),
    (
        *("median similarity of caption and image", "scores", _score),
        "SELECT p50 FROM score_summary WHERE score = 'similarity'",
    ),
    ("with pwatermark above 0.5", "scores", percent, _above("pwatermark", 0.5)),
    ("with punsafe above 0.1", "scores", percent, _above("punsafe", 0.1)),
    (
        *("with at least 512 px on each side", "sizes", percent),
        "SELECT share FROM resolution_summary"
        " WHERE measure = 'shortest side' AND class = 'at least 512 px'",
    ),
    (
        *("of the picture cut away by a centre crop", "sizes", percent),
        "SELECT mean_cut FROM crop_loss"
        " WHERE side = 512 AND method = 'centre crop' AND selection = 'all'",
    ),
    (
        *("words in half of the captions, at most", "captions", _count),
        "SELECT p50 FROM caption_summary WHERE measure = 'words'",
    ),
    (
        *("from the host that has most", "hosts", percent),
        "SELECT max(pairs) / sum(pairs) FROM host_totals",
    ),
    (
        *("that only repeat a URL", "duplicates", percent),
        "SELECT sum(removed_share) FROM duplicate_summary WHERE key = 'url'",
    ),
)


def read_figures(connection: duckdb.DuckDBPyConnection) -> Sequence[Figure]:
    """The figures, without those that a release has nothing for."""
    figures = []
    for label, section, write, sql in _FIGURES:
        row = connection.execute(sql).fetchone()
        if row is not None and row[0] is not None:
            figures.append(Figure(label, write(row[0]), section))
    return figures
