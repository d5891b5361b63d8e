"""The Hub as a source of shards: what it lists is checked, what it sends is verified."""

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from laion_pipeline.common.files import cannot_write
from laion_pipeline.common.progress import Progress, transfer_bar
from laion_pipeline.errors import (
    DiskFullError,
    HubError,
    HubUnavailableError,
    LaionError,
    ShardError,
    WarehouseError,
)
from laion_pipeline.releases.release import Release
from laion_pipeline.sources.hub.client import HubClient
from laion_pipeline.sources.hub.download import download_shard
from laion_pipeline.sources.shards import (
    LISTING_NAME,
    Fetched,
    FileState,
    Listing,
    Shard,
    describe_file,
    read_footer,
)
from laion_pipeline.sources.source import is_hidden, tell_of_hidden
from laion_pipeline.text import displayable

logger = logging.getLogger(__name__)

_INCOMING = ".incoming"
# Of a file or a folder on the usual file systems, and of all of them in a path that has to lie
# somewhere below another.
LONGEST_NAME_BYTES = 255
LONGEST_PATH_BYTES = 2000


@dataclass(frozen=True)
class HubSource:
    """A release's dataset on the Hugging Face Hub, fetched into `folder`.

    A shard has its final name in `folder` only once its bytes have been verified; until then it
    lies in `folder/.incoming` under its sha256, from where a later run goes on.
    """

    release: Release
    revision: str
    folder: Path
    downloads: int

    def list_shards(self) -> Listing:
        """The shards at the commit that the revision stands for now.

        Raises HubError when the Hub refuses, lists no shard, or lists names that cannot be trusted.
        """
        client = HubClient(self.release)
        if client.offline:
            return self._listed_before(client)
        commit = client.commit(self.revision)
        called = [file for file in client.files(commit) if self.release.has_shard(file.path)]
        check_names([file.path for file in called], self.release.repo)
        tell_of_hidden([file.path for file in called if is_hidden(file.path)])
        files = [file for file in called if not is_hidden(file.path)]
        if not files:
            raise HubError(
                f"{self.release.repo} has no file {self.release.files} at revision {self.revision}"
            )
        shards = []
        for file in sorted(files, key=lambda file: file.path):
            if file.lfs is None:
                raise HubError(
                    f"{self.release.repo}: the Hub lists no sha256 for {file.path!r}, so that it"
                    " could not be verified"
                )
            shards.append(Shard(file.path, file.lfs.sha256, file.size))
        return Listing(
            release=self.release.name,
            revision=commit,
            origin=client.page,
            made_up=False,
            folder=self.folder,
            shards=tuple(shards),
            asked_revision=self.revision,
        )

    def _listed_before(self, client: HubClient) -> Listing:
        try:
            listing = Listing.read(self.folder / LISTING_NAME)
        except WarehouseError:
            listing = None
        if listing is None or listing.origin != client.page:
            raise HubError(
                f"{self.release.repo} has not been listed before, and HF_HUB_OFFLINE forbids to ask"
                " the Hub: unset it once"
            )
        if self.revision not in (listing.asked_revision, listing.revision):
            raise HubError(
                f"LAION_REVISION={self.revision}: offline there is only {listing.asked_revision},"
                f" listed as {listing.revision}; unset HF_HUB_OFFLINE once to list another"
            )
        logger.info("shards: offline, taking the listing of revision %s", listing.revision[:12])
        return listing

    def fetch(self, listing: Listing, shards: Sequence[Shard]) -> Fetched:
        """Fetch and verify what is not there yet, several shards at a time.

        One shard's failure does not keep the others back. Raises ShardError, or HubUnavailableError
        where trying again later may help, naming all that failed.
        """
        client = HubClient(self.release)
        outcomes: list[Fetched] = []
        failures: dict[str, LaionError] = {}
        total = sum(shard.bytes for shard in shards)
        with transfer_bar(total) as advance, ThreadPoolExecutor(self.downloads) as pool:
            futures = {
                pool.submit(self._fetch_one, client, listing, shard, advance): shard
                for shard in shards
            }
            try:
                for future in as_completed(futures):
                    try:
                        outcomes.append(future.result())
                    except LaionError as error:
                        failures[futures[future].path] = error
            except BaseException:  # an interrupt: the threads stop at their next bytes
                advance.stop()
                pool.shutdown(cancel_futures=True)
                raise
        if failures:
            raise _joined(failures, len(shards))
        return Fetched(
            sum(outcome.bytes_fetched for outcome in outcomes),
            sum(outcome.bytes_reused for outcome in outcomes),
            tuple(shard for outcome in outcomes for shard in outcome.shards),
        )

    def bytes_missing(self, listing: Listing, shards: Sequence[Shard]) -> int:
        """What is neither there nor in part; by size, since hashing is left to `fetch`."""
        return sum(
            0
            if _size(listing.file(shard)) == shard.bytes
            else max(0, shard.bytes - _size(self._part(shard)))
            for shard in shards
        )

    def discard(self, listing: Listing, shards: Sequence[Shard]) -> None:
        """Delete the shards' files."""
        for shard in shards:
            listing.file(shard).unlink(missing_ok=True)

    def discard_unlisted(self, listing: Listing) -> None:
        """Delete shards, and parts of shards, that are no longer among the release's."""
        listed = {listing.file(shard) for shard in listing.shards}
        begun = {self._part(shard) for shard in listing.shards}
        for file in self.folder.rglob("*"):
            is_part = file.parent.name == _INCOMING
            if is_part and file not in begun:
                file.unlink()
            if not is_part and file not in listed and self._is_shard(file):
                file.unlink()

    def _is_shard(self, file: Path) -> bool:
        return file.is_file() and self.release.has_shard(file.relative_to(self.folder).as_posix())

    def _part(self, shard: Shard) -> Path:
        # Two shards may have the same content, so that its hash alone is no name.
        name = hashlib.sha256(shard.path.encode()).hexdigest()[:8]
        return self.folder / _INCOMING / f"{shard.sha256}-{name}.part"

    def _fetch_one(
        self, client: HubClient, listing: Listing, shard: Shard, advance: Progress
    ) -> Fetched:
        file = listing.file(shard)
        if file.is_file() and (
            (there := describe_file(self.folder, shard.path)).sha256 == shard.sha256
        ):
            advance(shard.bytes)
            logger.info("shards: %s is there already, verified", shard.name)
            return Fetched(0, shard.bytes, (there,))
        if client.offline:
            raise HubError(
                f"{shard.path} is not in {self.folder}, and HF_HUB_OFFLINE forbids to fetch it"
            )
        started = time.monotonic()
        part = self._part(shard)
        try:
            fetched = download_shard(client, listing.revision, shard, part, advance)
            read_footer(part, shard.path)
            file.parent.mkdir(parents=True, exist_ok=True)
            part.replace(file)
            verified = replace(shard, state=FileState.of(file.stat()))
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        seconds = time.monotonic() - started
        logger.info(
            "shards: %s verified, %.1f MB in %.1f s", shard.name, shard.bytes / 1e6, seconds
        )
        return Fetched(fetched, max(0, shard.bytes - fetched), (verified,))


def check_names(paths: Sequence[str], repo: str) -> None:
    """See that a listing's names are safe to make files of.

    Raises HubError for one that leads out of the folder, cannot be shown, or clashes with another
    where the file system ignores case.
    """
    seen: dict[str, str] = {}
    for path in paths:
        parts = path.split("/")
        if "\\" in path or any(part in ("", ".", "..") for part in parts):
            raise HubError(f"{repo}: refused, since it lists a shard named {path!r}")
        if parts[0].casefold() == LISTING_NAME:  # where the listing itself is to lie
            raise HubError(f"{repo}: refused, since it lists a shard named {path!r}")
        sizes = [len(part.encode(errors="replace")) for part in parts]
        if max(sizes) > LONGEST_NAME_BYTES or sum(sizes) > LONGEST_PATH_BYTES:
            raise HubError(
                f"{repo}: refused, since it lists a shard with a name that is too long for a disk:"
                f" {path[:60]!r}..."
            )
        if displayable(path) != path:
            raise HubError(
                f"{repo}: refused, since a shard's name has control characters: {path!r}"
            )
        other = seen.setdefault(path.casefold(), path)
        if other is not path:
            raise HubError(f"{repo}: refused, since {other!r} and {path!r} differ at most in case")


def _joined(failures: Mapping[str, LaionError], attempted: int) -> LaionError:
    """One error for all the shards that failed, which tells each reason once."""
    paths_by_reason: dict[str, list[str]] = {}
    for path in sorted(failures):
        reason = str(failures[path]).removeprefix(f"{path}: ")
        paths_by_reason.setdefault(reason, []).append(path)
    told = "; ".join(f"{', '.join(paths)}: {reason}" for reason, paths in paths_by_reason.items())
    message = (
        f"{len(failures)} of {attempted} shards could not be fetched, the others are kept and a"
        f" rerun fetches only what is missing: {told}"
    )
    for kind in (HubUnavailableError, DiskFullError):
        if all(isinstance(failure, kind) for failure in failures.values()):
            return kind(message)
    return ShardError(message)


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
