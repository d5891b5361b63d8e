"""How shards come to be loaded: those that are kept lie there, others come and go in batches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from laion_pipeline.errors import LaionError, ShardError
from laion_pipeline.releases.release import Release
from laion_pipeline.sources.shards import Listing
from laion_pipeline.sources.source import Source
from laion_pipeline.warehouse.ledger import Entry
from laion_pipeline.warehouse.shard_rows import ShardFile, inspect_shard

# A file has one row group, which is one thread's work: several files a statement keep all busy.
BATCH_SHARDS = 16


class Supply(Protocol):
    """Brings shards to where they are loaded from."""

    def batches(self, listing: Listing, entries: Sequence[Entry]) -> Iterable[Sequence[ShardFile]]:
        """The entries' shards, inspected, each batch to be loaded before the next is asked for."""


@dataclass(frozen=True)
class Kept:
    """Shards that are in the listing's folder, and stay there."""

    release: Release
    size: int = BATCH_SHARDS

    def batches(self, listing: Listing, entries: Sequence[Entry]) -> Iterable[Sequence[ShardFile]]:
        """All of them are inspected before the first is loaded.

        Raises ShardError or LayoutError for one that cannot be loaded.
        """
        files = [inspect_shard(self.release, listing, entry) for entry in entries]
        return (files[start : start + self.size] for start in range(0, len(files), self.size))


@dataclass(frozen=True)
class Streamed:
    """Shards that are fetched when their turn comes, and deleted once they are loaded."""

    release: Release
    source: Source
    size: int

    def batches(self, listing: Listing, entries: Sequence[Entry]) -> Iterator[Sequence[ShardFile]]:
        """What cannot be fetched or loaded keeps nothing else back.

        Raises the one error there was, or ShardError with all of them, after the last batch.
        """
        failures: list[LaionError] = []
        for start in range(0, len(entries), self.size):
            batch = self._fetched(listing, entries[start : start + self.size], failures)
            if batch:
                yield batch
            self.source.discard(listing, [file.entry.shard for file in batch])
        if len(failures) == 1:
            raise failures[0]
        if failures:
            needs = [name for failure in failures for name in failure.needs]
            raise ShardError("; ".join(map(str, failures)), needs=needs)
        self.source.discard(listing, listing.shards)  # what a load that was killed has left

    def _fetched(
        self, listing: Listing, entries: Sequence[Entry], failures: list[LaionError]
    ) -> Sequence[ShardFile]:
        """Fetch a batch; of its shards those that can be loaded, what is wrong with others told."""
        try:
            fetched = self.source.fetch(listing, [entry.shard for entry in entries]).shards
        except LaionError as error:
            failures.append(error)
            fetched = ()
        verified = {shard.path: shard for shard in fetched}
        ready = []
        for entry in entries:
            if not verified and not listing.file(entry.shard).is_file():
                continue  # that it is not there has been told
            try:
                shard = verified.get(entry.shard.path, entry.shard)
                if not verified:  # what is there may be of before: this verifies it
                    (shard,) = self.source.fetch(listing, [entry.shard]).shards
                ready.append(inspect_shard(self.release, listing, replace(entry, shard=shard)))
            except LaionError as error:
                failures.append(error)
        return ready
