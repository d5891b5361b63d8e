"""Shards: what a source says there is, and what a Parquet file says of itself."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from laion_pipeline.common.files import publish_text
from laion_pipeline.errors import ShardError, SourceError, WarehouseError
from laion_pipeline.sources.pages import has_checksums
from laion_pipeline.text import displayable

LISTING_NAME = "listing.json"
# File systems tell times apart that are 2 s apart, the coarsest of them.
_UNSETTLED_NS = 2_000_000_000


class FileState(NamedTuple):
    """What tells whether a file was changed or replaced, without reading it; times in ns."""

    bytes: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Self:
        """The state that `os.stat` saw."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


@dataclass(frozen=True)
class Shard:
    """One Parquet file of a release: its path there, the sha256 of its bytes, and their number.

    `state` is that of the local file when its bytes were hashed, if they were.
    """

    path: str
    sha256: str
    bytes: int
    state: FileState | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The file's name without its folders, fit to be shown."""
        return displayable(PurePosixPath(self.path).name)


@dataclass(frozen=True)
class Listing:
    """The shards of a release at one revision, and the local folder that they are read from.

    `revision` is a commit of the Hub; for local files it is made from the files' contents, so that
    the same files have the same revision; `asked_revision` is the name that was asked for. `origin`
    says where they come from, for people. It is not `complete` when it leaves shards out.
    """

    release: str
    revision: str
    origin: str
    made_up: bool
    folder: Path
    shards: tuple[Shard, ...]
    asked_revision: str = ""
    complete: bool = True

    def file(self, shard: Shard) -> Path:
        """Where the shard lies on this machine, once fetched."""
        return self.folder / shard.path

    def with_states(self, shards: Iterable[Shard]) -> Self:
        """The listing, knowing the states of those of its shards that were hashed just now."""
        hashed = {shard.path: shard for shard in shards}
        return replace(self, shards=tuple(hashed.get(s.path, s) for s in self.shards))

    def write(self, path: Path) -> None:
        """Publish the listing as JSON at `path`."""
        publish_text(path, json.dumps({**asdict(self), "folder": str(self.folder)}, indent=1))

    @classmethod
    def read_hashed(cls, path: Path, folder: Path) -> Mapping[str, Shard]:
        """The shards of `folder` by path, as a listing that was published has them; none else.

        Left out are files that were written just before they were hashed: a clock that is not fine
        enough would not tell that they were written again just after.
        """
        try:
            listing = cls.read(path)
            settled = path.stat().st_mtime_ns - _UNSETTLED_NS
        except (OSError, WarehouseError):
            return {}
        if listing.folder != folder:
            return {}
        return {
            shard.path: shard
            for shard in listing.shards
            if shard.state is not None and shard.state.changed < settled
        }

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` published.

        Raises WarehouseError when there is none yet.
        """
        try:
            fields = json.loads(path.read_text("utf-8"))
            shards = tuple(_read_shard(shard) for shard in fields.pop("shards"))
            return cls(folder=Path(fields.pop("folder")), shards=shards, **fields)
        except FileNotFoundError as error:
            raise WarehouseError("no shards yet", needs=["shards"]) from error
        except (ValueError, TypeError, KeyError) as error:
            raise WarehouseError(f"{path}: damaged", needs=["shards"]) from error


def _read_shard(fields: dict[str, Any]) -> Shard:
    state = fields.pop("state", None)
    return Shard(**fields, state=FileState(*state) if state else None)


@dataclass(frozen=True)
class Fetched:
    """What it took to have shards on this machine: bytes that came, and bytes that were there.

    `shards` are those that were asked for, each with the state of its verified file.
    """

    bytes_fetched: int
    bytes_reused: int
    shards: tuple[Shard, ...] = ()


@dataclass(frozen=True)
class Footer:
    """What a Parquet file says of itself; its pages unpack to `unpacked_bytes`."""

    rows: int
    unpacked_bytes: int
    has_checksums: bool
    schema: pa.Schema


def read_footer(file: Path, shard: str) -> Footer:
    """Read a Parquet file's footer, without its rows.

    Raises ShardError naming `shard` when the file has gone or is not whole and Parquet.
    """
    try:
        metadata = pq.read_metadata(file)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        unpacked = sum(group.total_byte_size for group in groups)
        checksums = has_checksums(file, metadata)
        return Footer(metadata.num_rows, unpacked, checksums, metadata.schema.to_arrow_schema())
    except FileNotFoundError as error:
        raise _gone(file.parent, shard) from error
    except OSError as error:
        raise ShardError(f"{shard}: cannot be read: {error.strerror or error}") from error
    except pa.ArrowException as error:
        raise ShardError(
            f"{shard}: not a whole Parquet file ({_first_line(error)}); replace it, or take it out"
            f" of {file.parent}"
        ) from error


def describe_files(
    folder: Path, paths: Iterable[str], known: Mapping[str, Shard] = MappingProxyType({})
) -> tuple[Shard, ...]:
    """Hash local files, a few at a time, into shards in the order of `paths`.

    Those that are `known` by their paths, and have not been touched since, are not hashed again.

    Raises SourceError naming a file that cannot be read.
    """

    def describe(path: str) -> Shard:
        with suppress(OSError):  # which hashing will tell
            before = known.get(path)
            if before is not None and before.state == FileState.of((folder / path).stat()):
                return before
        return describe_file(folder, path)

    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(describe, paths))


def describe_file(folder: Path, path: str) -> Shard:
    """Hash one local file.

    Raises SourceError when it cannot be read, or is being written.
    """
    try:
        with (folder / path).open("rb") as stream:
            before = FileState.of(os.fstat(stream.fileno()))
            digest = hashlib.file_digest(stream, "sha256")
            after = FileState.of(os.fstat(stream.fileno()))
    except OSError as error:
        raise SourceError(f"{folder / path}: cannot be read: {error.strerror}") from error
    if before != after:
        raise SourceError(f"{folder / path}: is being written; run again when that has ended")
    return Shard(path, digest.hexdigest(), after.bytes, after)


def verified_state(folder: Path, shard: Shard) -> FileState:
    """The state of a shard's file, which holds the listed bytes; hashed again if it was touched.

    Raises ShardError when it holds other bytes or cannot be read.
    """
    state = file_state(folder, shard)
    if state == shard.state:
        return state
    try:
        found = describe_file(folder, shard.path)
    except SourceError as error:
        raise ShardError(str(error)) from error
    if found.sha256 != shard.sha256 or found.state is None:
        raise ShardError(
            f"{shard.path}: its content has changed since it was listed", needs=["shards"]
        )
    return found.state


def file_state(folder: Path, shard: Shard) -> FileState:
    """The state of a shard's file as it is now.

    Raises ShardError when it has gone or cannot be read.
    """
    try:
        return FileState.of((folder / shard.path).stat())
    except FileNotFoundError as error:
        raise _gone(folder, shard.path) from error
    except OSError as error:
        raise ShardError(f"{shard.path}: cannot be read: {error.strerror or error}") from error


def _gone(folder: Path, shard: str) -> ShardError:
    return ShardError(f"{shard}: gone from {folder}", needs=["shards"])


def content_revision(shards: Iterable[Shard]) -> str:
    """A revision for files that have no commit: 40 hex digits from their names and contents."""
    named = "".join(f"{shard.sha256}  {shard.path}\n" for shard in shards)
    return hashlib.sha256(named.encode()).hexdigest()[:40]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
