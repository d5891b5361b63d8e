"""The tables on pairs that repeat computed another way."""

from collections import Counter
from collections.abc import Mapping, Sequence

from tests.oracles.rows import Line, Row


def _repeated(rows: Sequence[Row]) -> Mapping[str, Counter[str]]:
    return {
        "hash": Counter(str(row["hash"]) for row in rows if row["hash"] is not None),
        "url": Counter(row["url"] for row in rows),
    }


def duplicates(rows: Sequence[Row]) -> list[Line]:
    return [
        (key, value, pairs)
        for key, counts in _repeated(rows).items()
        for value, pairs in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if pairs > 1
    ]


def duplicate_groups(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for name in ("hash", "url"):
        own = [(value, pairs) for key, value, pairs in duplicates(rows) if key == name]
        lines.extend((name, rank, *each) for rank, each in enumerate(own[:1000], 1))
    return lines


COPIES = {
    "1": range(1, 2), "2": range(2, 3), "3": range(3, 4), "4": range(4, 5), "5 to 9": range(5, 10),
    "10 to 99": range(10, 100), "100 and more": range(100, 10**9),
}  # fmt: skip


def duplicate_summary(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for key, counts in _repeated(rows).items():
        for place, (copies, sizes_) in enumerate(COPIES.items(), 1):
            own = [pairs for pairs in counts.values() if pairs in sizes_]
            gone = sum(own) - len(own)
            share = gone / counts.total() if counts else None
            lines.append((key, place, copies, len(own), sum(own), gone, share))
    return lines
