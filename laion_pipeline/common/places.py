"""Folders and files on a disk or in an object store: both have pathlib's interface.

That of object stores is universal_pathlib's, over what fsspec has for each of them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fsspec import AbstractFileSystem
from upath import UPath

from laion_pipeline.common.files import published, remove
from laion_pipeline.errors import OutputError
from laion_pipeline.text import displayable

Place = Path | UPath

# What fsspec needs for each kind of store.
STORES: Mapping[str, str] = {"s3": "s3fs", "gs": "gcsfs"}
_REASON_CHARACTERS = 300


def place_at(address: str) -> Place:
    """The place at a path, or at an address such as `s3://bucket/folder`."""
    if "://" not in address:
        return Path(address)
    return UPath(address, use_listings_cache=False)  # others write there too


def store_of(place: Place | None) -> AbstractFileSystem | None:
    """The object store that a place is in; None where it is on a disk."""
    return None if place is None or isinstance(place, Path) else place.fs


@contextmanager
def written(place: Place) -> Iterator[Path]:
    """Where to write what a file is to hold; it is there when the block ends well, whole.

    Raises DiskFullError or OutputError when it cannot be written.
    """
    if isinstance(place, Path):
        with published(place) as beside:
            yield beside
        return
    with TemporaryDirectory(prefix="laion-") as folder:
        local = Path(folder, place.name)
        with published(local) as beside:
            yield beside
        with _named(place, "written"):
            place.fs.put_file(str(local), place.path)


def sizes_in(folder: Place) -> Mapping[str, int]:
    """The bytes of each file in a folder, by name; nothing where there is no folder.

    Raises OutputError where an object store cannot be read.
    """
    if isinstance(folder, Path):
        there = folder.iterdir() if folder.is_dir() else ()
        return {file.name: file.stat().st_size for file in there if file.is_file()}
    with _named(folder, "listed"):
        try:
            found = folder.fs.ls(folder.path, detail=True)
        except FileNotFoundError:
            return {}
    return {each["name"].rpartition("/")[2]: each["size"] for each in found}


def remove_at(place: Place) -> None:
    """Remove what is at a place, if there is anything.

    Raises OutputError where it cannot be removed from an object store.
    """
    if isinstance(place, Path):
        remove(place)
    else:
        with _named(place, "removed"):
            place.unlink(missing_ok=True)


@contextmanager
def _named(place: Place, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each store's library has errors of its own
        reason = displayable(str(error).strip().partition("\n")[0], _REASON_CHARACTERS)
        raise OutputError(
            f"{place}: cannot be {what}: {reason or type(error).__name__}; see that the bucket is"
            " there, and that this machine has the right to read and write it"
        ) from error
