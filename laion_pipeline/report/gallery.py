"""The gallery: the best and worst pairs by each score as cards, and what they have in common."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from laion_pipeline.images import Thumbnail, read_thumbnails
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.report.rows import Row, rows_of

# Of each end of a score; the images of these are fetched, if any are.
EXTREMES_SHOWN = 24
# From this probability on an image is blurred until it is asked for.
BLURRED_FROM = 0.1

_CARDS = f"""
SELECT * FROM score_extremes WHERE rank <= {EXTREMES_SHOWN} ORDER BY score, extreme DESC, rank
"""


@dataclass(frozen=True)
class Card:
    """A pair of the gallery, and what came of its image if that was fetched."""

    pair: Row
    thumbnail: Thumbnail | None

    @property
    def jpeg(self) -> str:
        """The small image in base64; '' where there is none."""
        held = self.thumbnail and self.thumbnail.jpeg
        return base64.b64encode(held).decode() if held else ""

    def has_punsafe_from(self, limit: float) -> bool:
        """Whether the pair is that likely to be unsafe, as far as is known."""
        punsafe = self.pair["punsafe"]
        return isinstance(punsafe, float) and punsafe >= limit


@dataclass(frozen=True)
class End:
    """One end of a score: its line of `extreme_summary`, and its first pairs."""

    summary: Row
    cards: Sequence[Card]

    @property
    def title(self) -> str:
        """What it is the end of."""
        highest = self.summary["extreme"] == "top"
        return f"{'Highest' if highest else 'Lowest'} {self.summary['score']}"


@dataclass(frozen=True)
class Gallery:
    """Both ends of each score that the release has, and how many of the links were dead.

    `tried` addresses were asked for their image, none where that was not wanted.
    """

    ends: Sequence[End]
    tried: int
    dead: int


def read_gallery(connection: duckdb.DuckDBPyConnection, thumbnails: Path) -> Gallery:
    """The gallery of an open warehouse, with the images that were fetched, if any were.

    Raises WarehouseError when its tables have not been made.
    """
    fetched = read_thumbnails(thumbnails)
    cards: dict[tuple[object, object], list[Card]] = {}
    for pair in rows_of(connection, _CARDS):
        card = Card(pair, fetched.get(str(pair["url"])))
        cards.setdefault((pair["score"], pair["extreme"]), []).append(card)
    ends = [
        End(summary, cards[summary["score"], summary["extreme"]])
        for summary in rows_of(connection, "FROM extreme_summary")
    ]
    places = list(SCORES)
    return Gallery(
        sorted(ends, key=lambda end: places.index(str(end.summary["score"]))),
        tried=sum(each.outcome != "refused" for each in fetched.values()),
        dead=sum(each.outcome == "dead" for each in fetched.values()),
    )
