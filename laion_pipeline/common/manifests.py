"""A folder to be handed on: whole once its manifest is there, and replaced without what is others'.

A manifest is JSON; its `files` has the SHA-256 of each of the other files, by its path there.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from laion_pipeline.common.files import cannot_write, sha256_of

MANIFEST = "manifest.json"


def digests(folder: Path) -> Mapping[str, str]:
    """The SHA-256 of each file below a folder, by its path there."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): sha256_of(file) for file in files}


def put_in_place(made: Path, folder: Path, manifest: Mapping[str, Any]) -> None:
    """Move all that was made into `folder`, the manifest last of all.

    What a manifest that is there lists goes before; other files stay.

    Raises DiskFullError or OutputError when it cannot be written.
    """
    try:
        for name in _listed(folder):
            (folder / name).unlink(missing_ok=True)
        for name in manifest["files"]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).replace(folder / name)
        told = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        (made / MANIFEST).write_text(told, "utf-8")
        folder.mkdir(parents=True, exist_ok=True)
        (made / MANIFEST).replace(folder / MANIFEST)
    except OSError as error:
        raise cannot_write(folder, error) from error


def _listed(folder: Path) -> Sequence[str]:
    """The files of before, the manifest first; none that would be elsewhere."""
    try:
        told = json.loads((folder / MANIFEST).read_text("utf-8"))
        return [MANIFEST, *(name for name in told["files"] if _is_below(name))]
    except (OSError, ValueError, KeyError, TypeError):
        return [MANIFEST]


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
