"""The tables on the sizes of images, and what goes with them, computed another way."""

import math
import statistics
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import accumulate

from tests.oracles.rows import Line, Row, by_tenth, effect_size


def resolution_counts(rows: Sequence[Row]) -> list[Line]:
    counts = Counter(
        (row["width"], row["height"])
        for row in rows
        if row["width"] is not None and row["height"] is not None
    )
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        (rank, width, height, count, count / counts.total())
        for rank, ((width, height), count) in enumerate(ranked, 1)
    ]


def sizes(rows: Sequence[Row]) -> list[tuple[int, int]]:
    return [
        (row["width"], row["height"])
        for row in rows
        if row["width"] is not None and row["height"] is not None
    ]


def _classes_of(width: int, height: int) -> list[tuple[str, str]]:
    shape = "square" if width == height else "portrait" if width < height else "landscape"
    near = [
        name
        for name in ("9:16", "2:3", "3:4", "1:1", "4:3", "3:2", "16:9")
        for across, down in [map(int, name.split(":"))]
        if abs(math.log(width * down) - math.log(height * across)) < 0.02
    ]
    millionths = width * height
    bounds = (100_000, 250_000, 500_000, 1_000_000, 2_000_000, 4_000_000)
    area = MEGAPIXELS[sum(millionths >= bound for bound in bounds)]
    sides = [f"at least {side} px" for side in SIDES if min(width, height) >= side]
    return [
        ("orientation", shape),
        ("aspect ratio", near[0] if near else "other"),
        ("megapixels", area),
        *(("shortest side", side) for side in sides),
    ]


MEGAPIXELS = (
    "below 0.1", "0.1 to 0.25", "0.25 to 0.5", "0.5 to 1", "1 to 2", "2 to 4", "4 and more",
)  # fmt: skip
SIDES = (256, 512, 768, 1024)
CLASSES: Mapping[str, Sequence[str]] = {
    "aspect ratio": ("9:16", "2:3", "3:4", "1:1", "4:3", "3:2", "16:9", "other"),
    "megapixels": MEGAPIXELS,
    "orientation": ("portrait", "square", "landscape"),
    "shortest side": [f"at least {side} px" for side in SIDES],
}


def resolution_summary(rows: Sequence[Row]) -> list[Line]:
    known = sizes(rows)
    counts = Counter(named for size in known for named in _classes_of(*size))
    return [
        (measure, place, name, counts[measure, name],
         counts[measure, name] / len(known) if known else None)
        for measure, names in CLASSES.items()
        for place, name in enumerate(names, 1)
    ]  # fmt: skip


# SDXL's buckets, width by height, in units of 64 px: those that are no wider than high, and the
# others, which are not all of them the same turned round.
BUCKETS = [
    (8, 32), (8, 31), (8, 30), (8, 29), (9, 28), (9, 27), (9, 26), (10, 25), (10, 24), (11, 23),
    (11, 22), (11, 21), (12, 21), (12, 20), (13, 19), (13, 18), (14, 18), (14, 17), (15, 17),
    (15, 16), (16, 16), (16, 15), (17, 15), (17, 14), (18, 14), (18, 13), (19, 13), (20, 12),
    (21, 12), (22, 11), (23, 11), (24, 10), (25, 10), (26, 9), (27, 9), (28, 9), (29, 8), (30, 8),
    (31, 8), (32, 8),
]  # fmt: skip
BUCKETS = [(down, across) for across, down in reversed(BUCKETS)]


def _cut(width: int, height: int, across: int, down: int) -> Fraction:
    """The share of the pixels outside the largest part of an image of that aspect ratio."""
    scale = min(Fraction(width, across), Fraction(height, down))
    return 1 - across * down * scale * scale / (width * height)


def crop_loss(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    counts = Counter(sizes(rows))
    for side in (512, 768, 1024) if counts else ():
        for method, targets in (("bucketing", BUCKETS), ("centre crop", [(16, 16)])):
            cuts: dict[str, Counter[Fraction]] = {"all": Counter(), "large enough": Counter()}
            for size, pairs in counts.items():
                # Of two buckets that are as good the wider is taken.
                bucket = min(targets, key=lambda b: (_cut(*size, *b), -b[0] / b[1]))
                cuts["all"][_cut(*size, *bucket)] += pairs
                if all(16 * s >= b * side for s, b in zip(size, bucket, strict=True)):
                    cuts["large enough"][_cut(*size, *bucket)] += pairs
            small = cuts["all"].total() - cuts["large enough"].total()
            for selection, lost in cuts.items():
                ordered, n = sorted(lost.items()), lost.total()
                reached = list(accumulate(pairs for _, pairs in ordered))
                at = [
                    ordered[bisect_left(reached, -(-n * k // 100))][0] if n else None
                    for k in (25, 50, 75, 95)
                ]
                mean = sum(cut * pairs for cut, pairs in ordered) / n if n else None
                values = [value if value is None else float(value) for value in (mean, *at)]
                share, upscaled = n / counts.total(), small if selection == "all" else 0
                lines.append((side, method, selection, n, share, upscaled, *values))
    return lines


def similarity_by_size(rows: Sequence[Row]) -> list[Line]:
    known = [
        (row["similarity"], size)
        for row in rows
        for size in sizes([row])
        if row["similarity"] is not None
    ]
    logs = {size: round(math.log2(float(size[0]) * size[1]) * 2**24) for _, size in known}
    lines: list[Line] = []
    for tenth, low, high, held in by_tenth(known):
        pixels = [width * height for width, height in held]
        small = sum(min(size) < 256 for size in held) / len(held)
        effect = effect_size([logs[size] for size in held], [logs[size] for _, size in known])
        mean, middle = sum(pixels) / len(held), statistics.median(pixels)
        lines.append((tenth, low, high, len(held), mean, middle, small, effect))
    return lines
