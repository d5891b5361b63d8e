"""A local folder as a source of shards."""

import re
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from laion_pipeline.errors import SettingsError, SourceError
from laion_pipeline.releases.release import Release
from laion_pipeline.sources.shards import (
    FileState,
    Listing,
    Shard,
    content_revision,
    describe_files,
)
from laion_pipeline.sources.source import InPlace, is_hidden, tell_of_hidden
from laion_pipeline.text import displayable

# How many entries that cannot be read an error names.
ENTRIES_NAMED = 20


# The first bytes, and the most there are, of what git-lfs leaves in a file's place.
_POINTER = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES = 1024
# How many files below a folder are looked at for shards, to say where they are.
_FILES_SEARCHED = 10_000


def require_folder(folder: Path) -> None:
    """See that there is a folder to read.

    Raises SettingsError saying what is there instead.
    """
    try:
        mode = folder.stat().st_mode
    except OSError as error:
        advice = "no such folder"
        if re.search(r"[*?\[]", folder.name) and folder.parent.is_dir():
            advice = f"no such folder; name {folder.parent}: every *.parquet in it is a shard"
        elif not isinstance(error, FileNotFoundError | NotADirectoryError):
            advice = f"cannot be read: {error.strerror}"
        raise SettingsError(f"LAION_SOURCE={folder}: {advice}") from error
    if not stat.S_ISDIR(mode):
        raise SettingsError(
            f"LAION_SOURCE={folder}: is a file; name the folder that it is in, {folder.parent}:"
            " every *.parquet in it is a shard"
        )


@dataclass(frozen=True)
class FolderSource(InPlace):
    """Every `*.parquet` of a local folder that is not hidden, read where it lies."""

    release: Release
    folder: Path
    hashed: Mapping[str, Shard] = field(default_factory=dict)

    def list_shards(self) -> Listing:
        """Hash the folder's files, but for those of `hashed` that were not touched since.

        Raises what `names` raises, and SourceError for files that are no more than git-lfs's
        pointers, or that cannot be hashed.
        """
        entries = self._entries()
        names = self._shards_of(entries)
        tell_of_hidden([name for name in entries if is_hidden(name)])
        if pointers := [name for name in names if _is_pointer(self.folder / name)]:
            raise SourceError(
                f"LAION_SOURCE={self.folder}: {len(pointers)} of {len(names)} files are git-lfs"
                f" pointers, such as {pointers[0]}: run git lfs pull in it"
            )
        shards = describe_files(self.folder, names, self.hashed)
        return Listing(
            release=self.release.name,
            revision=content_revision(shards),
            origin=f"local folder {displayable(str(self.folder))}",
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
        return self._shards_of(self._entries())

    def _shards_of(self, entries: Sequence[str]) -> tuple[str, ...]:
        names = tuple(name for name in entries if not is_hidden(name))
        if not names:
            raise SourceError(
                f"LAION_SOURCE={self.folder}: no *.parquet file in this folder{self._elsewhere()}"
            )
        self._refuse_unreadable(names)
        return names

    def _entries(self) -> Sequence[str]:
        """What is called as a shard is, hidden or not."""
        try:
            entries = [entry.name for entry in self.folder.iterdir()]
        except OSError as error:
            raise SettingsError(
                f"LAION_SOURCE={self.folder}: cannot be read: {error.strerror}"
            ) from error
        return sorted(name for name in entries if name.casefold().endswith(".parquet"))

    def _elsewhere(self) -> str:
        """Where below the folder there are shards, in words; '' where there are none."""
        found: Counter[Path] = Counter()
        for file in islice(self.folder.rglob("*"), _FILES_SEARCHED):
            path = file.relative_to(self.folder).as_posix()
            if path.casefold().endswith(".parquet") and not is_hidden(path) and file.is_file():
                found[file.parent] += 1
        if not found:
            return ""
        folder, files = found.most_common(1)[0]
        return f", but {files} in {folder}: set LAION_SOURCE to that"

    def _refuse_unreadable(self, names: Sequence[str]) -> None:
        """A shard that cannot be read is not one that has gone: its rows must not be removed."""
        wrong = [f"{name} {why}" for name in names if (why := _why_no_file(self.folder / name))]
        if wrong:
            more = f", and {len(wrong) - ENTRIES_NAMED} more" if len(wrong) > ENTRIES_NAMED else ""
            raise SourceError(
                f"LAION_SOURCE={self.folder}: {len(wrong)} of {len(names)} *.parquet entries cannot"
                f" be read as shards: {'; '.join(wrong[:ENTRIES_NAMED])}{more}; put the files back,"
                " or take the entries out of the folder"
            )


def _is_pointer(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            start = stream.read(_POINTER_BYTES + 1)
    except OSError:
        return False  # which hashing will tell
    return start.startswith(_POINTER) and len(start) <= _POINTER_BYTES


def _why_no_file(entry: Path) -> str:
    """Why an entry of a folder cannot be a shard; nothing where it is a file."""
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        return "has a name whose bytes are not UTF-8 (rename it)"
    if "\\" in entry.name and re.search(r"[*?\[]", str(entry)):
        return "has both a backslash and one of * ? [ in its path (rename it)"
    try:
        mode = entry.stat().st_mode
    except OSError as error:
        if entry.is_symlink():
            return f"is a link to {entry.readlink()} that leads nowhere ({error.strerror})"
        return f"cannot be read ({error.strerror})"
    if stat.S_ISREG(mode):
        return ""
    if stat.S_ISDIR(mode):
        return "is a folder (if its files are the shards, set LAION_SOURCE to it)"
    return "is no regular file"
