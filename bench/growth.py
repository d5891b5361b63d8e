"""What more rows cost: the results of each size side by side, as docs/scaling.md shows them.

    python -m bench.growth

Writes the tables of docs/scaling.md anew, from what `make bench` left in `bench/results`.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.engines import BY_DUCKDB, BY_SPARK, ENGINES
from bench.full import MEMORY, RESULTS
from bench.measuring import Usage
from bench.subjects import REFRESH, by_subject

DOCUMENT = RESULTS.parent.parent / "docs" / "scaling.md"
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)
# Rows of releases that are larger than what was run, up to LAION-2B-en.
_LARGER = (166_000_000, 1_300_000_000, 2_300_000_000)


@dataclass(frozen=True)
class Result:
    """What was found at a size: the medians of each contender."""

    rows: int
    memory_limit: str
    medians: Mapping[str, Usage]

    @classmethod
    def read(cls, file: Path) -> "Result":
        """What a file of results says."""
        found = json.loads(file.read_text("utf-8"))
        medians = {name: Usage(**usage) for name, usage in found["medians"].items()}
        return cls(found["rows"], found["memory_limit"], medians)

    @property
    def pipeline(self) -> Usage:
        """What the pipeline took."""
        return self.medians["pipeline"]


def read_results() -> Sequence[Result]:
    """All results, the smallest first, and of a size those within the usual memory."""
    found = map(Result.read, RESULTS.glob("*.json"))
    return sorted(found, key=lambda result: (result.rows, result.memory_limit != MEMORY))


def read_engines() -> Sequence[Result]:
    """The results of both engines side by side, the smallest first."""
    found = map(Result.read, ENGINES.glob("*.json"))
    return sorted(found, key=lambda result: result.rows)


def renewed(document: str, results: Sequence[Result], engines: Sequence[Result] = ()) -> str:
    """The document with its tables made of the results."""
    alike = [result for result in results if result.memory_limit == MEMORY]
    tables = {
        "growth": _growth(results),
        "stages": _stages(alike),
        "larger": _larger(alike),
        "engines": _engines(engines),
    }
    return _TABLE.sub(lambda place: place[1] + tables[place[2]], document)


def _growth(results: Iterable[Result]) -> str:
    def row(result: Result) -> Sequence[str]:
        took = result.pipeline
        by_hand, refresh = (result.medians.get(name) for name in ("by hand", REFRESH))
        return (
            f"{result.rows:,}",
            result.memory_limit,
            _time(took.wall_seconds),
            f"{took.wall_seconds / result.rows * 1e6:.1f} s",
            _time(took.cpu_seconds),
            _size(took.peak_memory_bytes),
            _size(took.peak_disk_bytes),
            _time(by_hand.wall_seconds) if by_hand else "",
            f"{took.wall_seconds / by_hand.wall_seconds:.2f}" if by_hand else "",
            f"{refresh.wall_seconds / took.wall_seconds:.2f}" if refresh else "",
        )

    titles = (
        "rows", "limit", "wall", "a million rows", "CPU", "peak memory", "peak disk", "by hand",
        "pipeline / by hand", "1 shard new / all",
    )  # fmt: skip
    return _markdown(titles, map(row, results))


def _stages(results: Sequence[Result]) -> str:
    subjects = [by_subject(result.pipeline) for result in results]
    most = sorted(subjects[-1], key=lambda name: -subjects[-1][name])
    titles = ("seconds of", *(f"{result.rows:,}" for result in results))
    return _markdown(
        titles, ((name, *(f"{each.get(name, 0):.1f}" for each in subjects)) for name in most)
    )


def _engines(results: Sequence[Result]) -> str:
    columns = {
        f"{result.rows:,}, {name}": result.medians[name]
        for result in results
        for name in (BY_DUCKDB, BY_SPARK)
    }
    subjects = [by_subject(usage) for usage in columns.values()]
    most = sorted(subjects[-1], key=lambda name: -subjects[-1][name]) if subjects else ()
    rows = [
        ("all", *(f"{usage.wall_seconds:.0f}" for usage in columns.values())),
        *((name, *(f"{each.get(name, 0):.1f}" for each in subjects)) for name in most),
    ]
    return _markdown(("seconds of", *columns), rows)


def _larger(results: Sequence[Result]) -> str:
    """What more rows would take if each took as much as those between the two largest sizes."""
    less, most = results[-2:]

    def at(rows: int, name: str) -> float:
        ends = [float(getattr(result.pipeline, name)) for result in (less, most)]
        each = (ends[1] - ends[0]) / (most.rows - less.rows)
        return ends[1] + each * (rows - most.rows)

    def row(rows: int) -> Sequence[str]:
        disk = at(rows, "peak_disk_bytes")
        return f"{rows:,}", _time(at(rows, "wall_seconds")), _size(disk)

    return _markdown(("rows, extrapolated", "wall", "peak disk"), map(row, _LARGER))


def _time(seconds: float) -> str:
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3 * 3600 else f"{seconds / 3600:.1f} h"


def _size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size < 1e12 else f"{size / 1e12:.1f} TB"


def _markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ("---", *["---:"] * (len(titles) - 1)), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Write the document anew."""
    DOCUMENT.write_text(
        renewed(DOCUMENT.read_text("utf-8"), read_results(), read_engines()), "utf-8"
    )


if __name__ == "__main__":
    main()
