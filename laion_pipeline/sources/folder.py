"""A local folder as a source of shards."""

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from laion_pipeline.common.text import displayable
from laion_pipeline.errors import SettingsError, SourceError
from laion_pipeline.releases.release import Release
from laion_pipeline.sources.shards import FileState, Listing, content_revision, describe_files
from laion_pipeline.sources.source import InPlace

# How many entries that cannot be read an error names.
ENTRIES_NAMED = 20


@dataclass(frozen=True)
class FolderSource(InPlace):
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
