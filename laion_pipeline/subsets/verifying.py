"""Whether an export is what it says: read again from its files, another way than it was made."""

import json
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.compute as pc
import pyarrow.parquet as pq

from laion_pipeline.common.files import sha256_of
from laion_pipeline.common.manifests import MANIFEST
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.subsets.export import PAIRS, Export
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.lists import read_hosts, read_urls
from laion_pipeline.text import listed

# What is looked at, by the name of the check.
CHECKED: Mapping[str, str] = {
    "files_as_in_manifest": "the files have the digests and the pairs that the manifest says",
    "nobody_who_opted_out": "no pair's address or host is in a list of those who opted out",
    "none_unsafe": "no pair's punsafe is beyond the filter's",
}


def verify(made: Export, chosen: SubsetFilter) -> Mapping[str, str]:
    """What is wrong with an export, by the name of the check; '' where nothing is."""
    looks: Mapping[str, Callable[[Path, SubsetFilter], str]] = {
        "files_as_in_manifest": _files,
        "nobody_who_opted_out": _opted_out,
        "none_unsafe": _unsafe,
    }
    return {name: look(made.folder, chosen) for name, look in looks.items()}


def _files(folder: Path, _: SubsetFilter) -> str:
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    changed = [
        name for name, digest in manifest["files"].items() if sha256_of(folder / name) != digest
    ]
    if changed:
        return f"{listed(changed)}: not as the manifest says"
    rows = pq.read_metadata(folder / PAIRS).num_rows
    return "" if rows == manifest["pairs"] else f"{rows:,} pairs, not {manifest['pairs']:,}"


def _opted_out(folder: Path, chosen: SubsetFilter) -> str:
    urls = {url for path in chosen.opt_out_urls for url in read_urls(path)}
    hosts = {host for path in chosen.opt_out_hosts for host in read_hosts(path)}
    if not urls and not hosts:
        return ""
    kept = pq.read_table(folder / PAIRS, columns=["url"])["url"].to_pylist()
    wrong = [url for url in kept if url in urls or _is_at(url, hosts)]
    return f"{len(wrong):,} pairs, such as {listed(wrong[:1])}" if wrong else ""


def _is_at(url: str, hosts: Set[str]) -> bool:
    labels = (urlsplit(url).hostname or "").rstrip(".").split(".")
    return any(".".join(labels[at:]) in hosts for at in range(len(labels)))


def _unsafe(folder: Path, chosen: SubsetFilter) -> str:
    if not isinstance(chosen.punsafe, Interval):
        return ""
    most = min(b for b in (chosen.punsafe.at_most, chosen.punsafe.below, 1.0) if b is not None)
    scores = pq.read_table(folder / PAIRS, columns=["punsafe"])["punsafe"]
    wrong = pc.sum(pc.greater(scores, most)).as_py() or 0
    unknown: Sequence[object] = scores.filter(pc.is_null(scores)).to_pylist()
    return f"{wrong + len(unknown):,} pairs" if wrong or unknown else ""
