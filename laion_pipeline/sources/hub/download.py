"""One file from the Hub: resumed where it stopped, hashed as it arrives, in place once verified."""

import hashlib
import logging
import os
from http import HTTPStatus
from pathlib import Path

from laion_pipeline.common.progress import Progress
from laion_pipeline.errors import HubUnavailableError, OffsetRefusedError, ShardError
from laion_pipeline.sources.hub.client import HubClient
from laion_pipeline.sources.hub.retrying import hub_retrying
from laion_pipeline.sources.shards import Shard

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
# How often a file whose bytes are not those of the listing is fetched again.
REFETCHES = 2


def download_shard(
    client: HubClient, commit: str, shard: Shard, part: Path, progress: Progress
) -> int:
    """Bring `part` to hold just the shard's bytes, starting from what it holds; return what came.

    Raises ShardError when other bytes keep arriving, HubError when the Hub refuses, and
    HubUnavailableError when it stops answering; `part` then stays, to be resumed.
    """
    fetched = 0
    for _ in range(1 + REFETCHES):
        transfer = _Transfer(client, commit, shard, part, progress)
        fetched += transfer.run()
        if transfer.sha256 == shard.sha256 and part.stat().st_size == shard.bytes:
            return fetched
        progress(-part.stat().st_size)
        part.unlink()
        logger.warning("%s: arrived with other bytes than the Hub lists", shard.path)
    raise ShardError(
        f"{shard.path}: arrived {1 + REFETCHES} times with other bytes than the Hub lists"
        f" (sha256 {transfer.sha256[:12]}... instead of {shard.sha256[:12]}...);"
        " something between here and the Hub changes it: run again, or on another network"
    )


class _Transfer:
    """One passage of a file through the network, over as many connections as it takes."""

    def __init__(
        self, client: HubClient, commit: str, shard: Shard, part: Path, progress: Progress
    ) -> None:
        self._client = client
        self._commit = commit
        self._shard = shard
        self._part = part
        self._progress = progress
        self._digest = hashlib.sha256()
        self._held = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def run(self) -> int:
        """Fetch until the file is as long as listed; return the bytes fetched."""
        self._take_up()
        held_before = self._held
        while self._held < self._shard.bytes:
            reached = self._held
            for attempt in hub_retrying(self._shard.name):
                with attempt:
                    self._fetch_rest()
                if self._held - reached >= CHUNK_BYTES:
                    break  # it moves: attempts are counted from one again
        return self._held - held_before

    def _take_up(self) -> None:
        """Hash what an earlier attempt left."""
        self._part.parent.mkdir(parents=True, exist_ok=True)
        self._part.touch()
        with self._part.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                self._digest.update(chunk)
                self._held += len(chunk)
        self._progress(self._held)

    def _fetch_rest(self) -> None:
        try:
            self._receive()
        except OffsetRefusedError:
            self._start_over()
            raise
        if self._held < self._shard.bytes:
            raise HubUnavailableError(f"only {self._held:,} of {self._shard.bytes:,} bytes arrived")

    def _receive(self) -> None:
        with self._client.open_file(self._shard.path, self._commit, self._held) as response:
            if self._held and response.status_code != HTTPStatus.PARTIAL_CONTENT:
                self._start_over()
            with self._part.open("ab") as stream:
                for chunk in self._client.chunks(response):  # what a cut leaves is kept
                    stream.write(chunk)
                    self._digest.update(chunk)
                    self._held += len(chunk)
                    self._progress(len(chunk))
                    if self._held > self._shard.bytes:
                        return  # the hash will tell

    def _start_over(self) -> None:
        os.truncate(self._part, 0)
        self._progress(-self._held)
        self._digest = hashlib.sha256()
        self._held = 0
