"""Aspect-ratio buckets: the sizes, all of about one area, that images are cut to for training.

They are those that sd-scripts makes (kohya-ss/sd-scripts, `make_bucket_resolutions` and
`BucketManager.select_bucket`) with `min_bucket_reso` half the training size, `max_bucket_reso`
twice it and `bucket_reso_steps` 64, without `bucket_no_upscale`.
"""

from collections.abc import Sequence
from functools import cache

STEP = 64

Size = tuple[int, int]


@cache
def buckets_of(side: int) -> Sequence[Size]:
    """The widths and heights in px, in ascending order, for training at `side` px squared."""
    shortest, longest = limits_of(side)
    found = {(side // STEP * STEP,) * 2}
    for one in range(shortest, longest + 1, STEP):
        other = min(longest, side * side // one // STEP * STEP)
        if other >= shortest:
            found |= {(one, other), (other, one)}
    return sorted(found)


def limits_of(side: int) -> Size:
    """The shortest and the longest side that a bucket may have."""
    return side // 2, 2 * side


@cache
def bucket_of(width: int, height: int, side: int) -> Size:
    """The bucket for an image: one of just its size, else that of the nearest aspect ratio."""
    buckets = buckets_of(side)
    if (width, height) in buckets:
        return width, height
    return min(buckets, key=lambda bucket: abs(bucket[0] / bucket[1] - width / height))
