"""Where shards come from: the Hub, a local folder, or the generator of the sample.

A source lists what there is and fetches what is asked for; it knows nothing of the warehouse.
"""

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from laion_pipeline.errors import SettingsError, SourceError
from laion_pipeline.hub import HubSource
from laion_pipeline.releases import SAMPLE, Release
from laion_pipeline.sample import generate_sample
from laion_pipeline.settings import Settings
from laion_pipeline.shards import (
    Fetched,
    FileState,
    Listing,
    Shard,
    content_revision,
    describe_files,
)
from laion_pipeline.text import displayable

# How many entries that cannot be read an error names.
ENTRIES_NAMED = 20


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


class _InPlace:
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


@dataclass(frozen=True)
class FolderSource(_InPlace):
    """Every `*.parquet` of a local folder, read where it lies."""

    release: Release
    folder: Path

    def list_shards(self) -> Listing:
        """Hash the folder's files.

        Raises what `names` raises, and SourceError for a file that cannot be hashed.
        """
        shards = describe_files(self.folder, self.names())
        return Listing(
            release=self.release.name,
            revision=content_revision(shards),
            origin=f"local folder {self.folder}",
            made_up=False,
            folder=self.folder,
            shards=shards,
        )

    def state(self, name: str) -> FileState:
        """The state of one of the folder's files."""
        return FileState.of((self.folder / name).stat())

    def names(self) -> tuple[str, ...]:
        """The names of the folder's shards, in order.

        Raises SettingsError when it is not a folder, SourceError when it has no Parquet file, or
        an entry named like one that cannot be read.
        """
        try:
            names = tuple(
                sorted(
                    entry.name
                    for entry in self.folder.iterdir()
                    if entry.name.casefold().endswith(".parquet")
                )
            )
        except OSError as error:
            raise SettingsError(
                f"LAION_SOURCE={self.folder}: cannot be read: {error.strerror}"
            ) from error
        if not names:
            raise SourceError(f"LAION_SOURCE={self.folder}: no *.parquet file in this folder")
        self._refuse_unreadable(names)
        return names

    def _refuse_unreadable(self, names: Sequence[str]) -> None:
        """A shard that cannot be read is not one that has gone: its rows must not be removed."""
        wrong = [
            f"{displayable(name)} {why}"
            for name in names
            if (why := _why_no_file(self.folder / name))
        ]
        if wrong:
            more = f", and {len(wrong) - ENTRIES_NAMED} more" if len(wrong) > ENTRIES_NAMED else ""
            raise SourceError(
                f"LAION_SOURCE={self.folder}: {len(wrong)} of {len(names)} *.parquet entries cannot"
                f" be read as shards: {'; '.join(wrong[:ENTRIES_NAMED])}{more}; put the files back,"
                " or take the entries out of the folder"
            )


def _why_no_file(entry: Path) -> str:
    """Why an entry of a folder cannot be a shard; nothing where it is a file."""
    try:
        mode = entry.stat().st_mode
    except OSError as error:
        if entry.is_symlink():
            target = displayable(str(entry.readlink()))
            return f"is a link to {target} that leads nowhere ({error.strerror})"
        return f"cannot be read ({error.strerror})"
    if stat.S_ISREG(mode):
        return ""
    if stat.S_ISDIR(mode):
        return "is a folder (if its files are the shards, set LAION_SOURCE to it)"
    return "is no regular file"


@dataclass(frozen=True)
class SampleSource(_InPlace):
    """The sample release, generated into its folder of shards."""

    release: Release
    folder: Path

    def list_shards(self) -> Listing:
        """Generate what is not there yet, and hash it."""
        paths = generate_sample(self.folder)
        shards = describe_files(self.folder, [path.name for path in paths])
        return Listing(
            release=self.release.name,
            revision=content_revision(shards),
            origin="a generator: made-up data in the layout of a real release",
            made_up=True,
            folder=self.folder,
            shards=shards,
        )


def open_source(settings: Settings, release: Release) -> Source:
    """The source that the settings name for `release`.

    Raises SettingsError when they name none, or a folder that is not there.
    """
    if settings.source is not None:
        if not settings.source.is_dir():
            raise SettingsError(f"LAION_SOURCE={displayable(str(settings.source))}: no such folder")
        return FolderSource(release, settings.source)
    if release.name == SAMPLE:
        return SampleSource(release, settings.paths(release).shards)
    if not release.repo:
        raise SettingsError(
            f"LAION_RELEASE={settings.release}: names no repo on the Hub; set LAION_SOURCE to a"
            " folder of its shards, or add repo to its description"
        )
    return HubSource(release, settings.revision, settings.paths(release).shards, settings.downloads)
