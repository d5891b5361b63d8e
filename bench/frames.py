"""The tables that data frames can hold, with polars or pandas, all rows in memory.

    python -m bench.frames polars|pandas SHARDS

Reads numbers only: quantiles, histograms, resolutions and the extremes of each score. Prints the
seconds of each stage as JSON.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import polars as pl

_SCORES = {"similarity": 200, "punsafe": 100, "pwatermark": 100, "aesthetic": 20}
_SIZE = ["WIDTH", "HEIGHT"]
_QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
_EXTREMES = 100

Stages = Mapping[str, Callable[[], object]]


def _polars(shards: Path) -> Stages:
    frame = pl.DataFrame()

    def load() -> None:
        nonlocal frame
        frame = pl.read_parquet(shards / "*.parquet", columns=[*_SCORES, *_SIZE])

    return {
        "load": load,
        "score_summary": lambda: [
            frame[score].quantile(q, "linear") for score in _SCORES for q in _QUANTILES
        ],
        "score_histogram": lambda: [
            frame.group_by((pl.col(score) * bins).floor()).len() for score, bins in _SCORES.items()
        ],
        "resolution_counts": lambda: frame.group_by(_SIZE).len().sort("len", descending=True),
        "score_extremes": lambda: [
            (frame.top_k(_EXTREMES, by=score), frame.bottom_k(_EXTREMES, by=score))
            for score in _SCORES
        ],
    }


def _pandas(shards: Path) -> Stages:
    frame = pd.DataFrame()

    def load() -> None:
        nonlocal frame
        frame = pd.read_parquet(shards, columns=[*_SCORES, *_SIZE])

    return {
        "load": load,
        "score_summary": lambda: [frame[score].quantile(_QUANTILES) for score in _SCORES],
        "score_histogram": lambda: [
            (frame[score] * bins).floordiv(1).value_counts() for score, bins in _SCORES.items()
        ],
        "resolution_counts": lambda: frame.groupby(_SIZE).size().sort_values(ascending=False),
        "score_extremes": lambda: [
            (frame.nlargest(_EXTREMES, score), frame.nsmallest(_EXTREMES, score))
            for score in _SCORES
        ],
    }


def main() -> None:
    """Run the stages of one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", choices=["polars", "pandas"])
    parser.add_argument("shards", type=Path)
    options = parser.parse_args()
    seconds = {}
    for stage, run in {"polars": _polars, "pandas": _pandas}[options.library](
        options.shards
    ).items():
        started = time.perf_counter()
        run()
        seconds[stage] = time.perf_counter() - started
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
