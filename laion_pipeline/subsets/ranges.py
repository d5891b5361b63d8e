"""The fields of a filter that hold a range, and which measure of a pair each is of."""

from collections.abc import Mapping

RANGES: Mapping[str, str] = {
    "punsafe": "punsafe",
    "pwatermark": "pwatermark",
    "aesthetic": "aesthetic",
    "similarity": "similarity",
    "shortest_side": "each side",
    "pixels": "pixels",
    "aspect_ratio": "width / height",
    "longer_to_shorter": "aspect ratio",
    "characters": "characters",
    "words": "words",
}
