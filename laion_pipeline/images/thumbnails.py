"""Small copies of the images of the extremes: fetched, kept as one Parquet file, and read again."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from laion_pipeline.images.at_once import each_at_once
from laion_pipeline.images.failures import Failure, NoImageError
from laion_pipeline.images.raster import small_image
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.provenance import Provenance
from laion_pipeline.warehouse.publishing import publish_parquet

if TYPE_CHECKING:
    from laion_pipeline.images.requests import Network

logger = logging.getLogger(__name__)

OUTCOMES = ("image", *get_args(Failure))
_URLS = "SELECT DISTINCT url FROM score_extremes WHERE rank <= ? ORDER BY url"
_SCHEMA = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("jpeg", pa.binary()),
        pa.field("fetched_at", pa.timestamp("us", "UTC")),
    ]
)


@dataclass(frozen=True)
class Thumbnail:
    """What came of an address: one of `OUTCOMES`, and a small JPEG or the reason for none.

    `width` and `height` are those of the image itself, in px.
    """

    url: str
    outcome: str
    reason: str | None
    width: int | None
    height: int | None
    jpeg: bytes | None
    fetched_at: datetime


@dataclass(frozen=True)
class ThumbnailCounts:
    """How many addresses there are of each outcome."""

    by_outcome: Mapping[str, int]

    @property
    def total(self) -> int:
        """All addresses."""
        return sum(self.by_outcome.values())

    @property
    def dead_share(self) -> float | None:
        """The share of links that lead nowhere, of those that were asked for."""
        asked = self.total - self.by_outcome["refused"]
        return self.by_outcome["dead"] / asked if asked else None


def fetch_thumbnails(
    warehouse: Warehouse, path: Path, most_rank: int, network: "Network | None" = None
) -> ThumbnailCounts:
    """Publish small copies of the images of `score_extremes`, to `most_rank` at each end.

    Those that `path` has already are kept and not fetched again; everything else is tried again.

    Raises WarehouseError when the table has not been made, OutputError when `path` cannot be
    written.
    """
    from laion_pipeline.images.requests import Network

    with warehouse.connect(read_only=True) as connection:
        urls = [url for (url,) in connection.execute(_URLS, [most_rank]).fetchall()]
        kept = {url: old for url, old in read_thumbnails(path).items() if old.jpeg is not None}
        fresh = fetch_all([url for url in urls if url not in kept], network or Network())
        found = [kept.get(url) or fresh[url] for url in urls]
        connection.register(
            "fetched", pa.Table.from_pylist([vars(each) for each in found], _SCHEMA)
        )
        publish_parquet(
            connection, "SELECT * FROM fetched ORDER BY url", path, Provenance.read(connection)
        )
    counted = Counter(each.outcome for each in found)
    counts = ThumbnailCounts({outcome: counted[outcome] for outcome in OUTCOMES})
    told = ", ".join(f"{n:,} {outcome}" for outcome, n in counts.by_outcome.items() if n)
    logger.info("extreme_thumbnails: %s addresses: %s", f"{counts.total:,}", told or "none")
    return counts


def read_thumbnails(path: Path) -> Mapping[str, Thumbnail]:
    """What was published at `path`, by address; nothing where there is no such file."""
    try:
        rows = pq.read_table(path, columns=_SCHEMA.names).to_pylist()
    except (OSError, pa.ArrowException):  # the file is ours; whatever else it is, it has none
        return {}
    return {row["url"]: Thumbnail(**row) for row in rows}


def fetch_all(urls: Sequence[str], network: "Network") -> Mapping[str, Thumbnail]:
    """What comes of asking for the images at these addresses, by address."""
    # In an order in which hosts take turns.
    return each_at_once(
        sorted(urls, key=lambda url: url[::-1]), lambda url: _fetch_one(url, network)
    )


def _fetch_one(url: str, network: "Network") -> Thumbnail:
    from laion_pipeline.images.requests import fetch

    now = datetime.now(UTC)
    try:
        image = small_image(fetch(url, network))
    except NoImageError as error:
        return Thumbnail(url, error.failure, error.reason, None, None, None, now)
    return Thumbnail(url, "image", None, image.width, image.height, image.jpeg, now)
