"""What a source is: it lists the shards there are, and fetches those that are asked for.

It knows nothing of the warehouse.
"""

import logging
from collections.abc import Sequence
from typing import Protocol

from laion_pipeline.sources.shards import Fetched, Listing, Shard
from laion_pipeline.text import displayable

logger = logging.getLogger(__name__)


def is_hidden(path: str) -> bool:
    """Whether a part of a path begins with a dot: what tools put beside shards, and no shard."""
    parts = path.split("/")
    return any(part.startswith(".") and part not in (".", "..") for part in parts)


def tell_of_hidden(paths: Sequence[str]) -> None:
    """Say how many files with the names of shards are passed over."""
    if paths:
        logger.info("shards: %d hidden passed over, such as %s", len(paths), displayable(paths[0]))


class Source(Protocol):
    """A place that has a release's shards."""

    def list_shards(self) -> Listing:
        """All of the release's shards, in the order of their paths."""

    def bytes_missing(self, listing: Listing, shards: Sequence[Shard]) -> int:
        """How many bytes `fetch` would have to bring."""

    def fetch(self, listing: Listing, shards: Sequence[Shard]) -> Fetched:
        """See that `shards` are in the listing's folder, whole."""

    def discard(self, listing: Listing, shards: Sequence[Shard]) -> None:
        """Delete what `fetch` brought of `shards`; nothing that it did not bring."""

    def discard_unlisted(self, listing: Listing) -> None:
        """Delete what `fetch` once brought and the release no longer lists."""


class InPlace:
    """A source whose shards are on this machine already, and not ours to delete."""

    def bytes_missing(self, listing: Listing, shards: Sequence[Shard]) -> int:  # noqa: ARG002
        """Nothing is missing."""
        return 0

    def fetch(self, listing: Listing, shards: Sequence[Shard]) -> Fetched:  # noqa: ARG002
        """Nothing to do: the shards are read where they lie."""
        return Fetched(0, sum(shard.bytes for shard in shards), tuple(shards))

    def discard(self, listing: Listing, shards: Sequence[Shard]) -> None:
        """Nothing to do: nothing was brought."""

    def discard_unlisted(self, listing: Listing) -> None:
        """Nothing to do: nothing was brought."""
