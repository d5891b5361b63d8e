"""Fetching shards, timed against the Hub client's own `snapshot_download`, side by side.

    python -m bench.download [--shards 8] [--megabytes 64] [--rounds 5] [--downloads 8]

Both fetch the same made-up files from the same loopback Hub, in turn, each in a process of its own;
ours also verifies each file's sha256 and reads its Parquet footer. Writes a line a round and the
median of the ratios. Above 1 means that ours is faster.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

REPO = "laion/laion2B-en-aesthetic"

_OURS = """
import sys, time
from pathlib import Path
from laion_pipeline.sources.hub.source import HubSource
from laion_pipeline.releases.release import find_release
release = find_release("laion2B-en-aesthetic")
source = HubSource(release, "main", Path(sys.argv[1]), int(sys.argv[2]))
started = time.perf_counter()
listing = source.list_shards()
source.fetch(listing, listing.shards)
print(time.perf_counter() - started)
"""
_THEIRS = """
import sys, time
from huggingface_hub import snapshot_download
started = time.perf_counter()
snapshot_download("laion/laion2B-en-aesthetic", repo_type="dataset", local_dir=sys.argv[1],
                  max_workers=int(sys.argv[2]))
print(time.perf_counter() - started)
"""


def main() -> None:
    """Run the rounds and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--megabytes", type=int, default=64, help="size of a shard")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--downloads", type=int, default=8, help="connections at a time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shards = Path(folder) / "shards"
        _make_shards(shards, options.shards, options.megabytes)
        hub = subprocess.Popen(
            [sys.executable, "-m", "tests.loopback_hub", str(shards), "--repo", REPO],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert hub.stdout is not None
        try:
            endpoint = hub.stdout.readline().split()[-1]
            ratios = [
                _round(endpoint, options.downloads, options.shards * options.megabytes)
                for _ in range(options.rounds)
            ]
        finally:
            hub.terminate()
            hub.wait()
    print(f"median ratio of speeds, ours to snapshot_download: {statistics.median(ratios):.2f}")


def _make_shards(folder: Path, shards: int, megabytes: int) -> None:
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(shards):
        noise = pa.array([random.bytes(1_000_000) for _ in range(megabytes)], pa.binary())
        table = pa.table({"noise": noise})
        pq.write_table(table, folder / f"part-{number:05}.parquet", compression="none")


def _round(endpoint: str, downloads: int, megabytes: int) -> float:
    seconds = {name: _timed(code, endpoint, downloads) for name, code in _CONTENDERS.items()}
    speeds = ", ".join(f"{name} {megabytes / taken:.0f} MB/s" for name, taken in seconds.items())
    print(speeds, flush=True)
    return seconds["snapshot_download"] / seconds["ours"]


_CONTENDERS = {"ours": _OURS, "snapshot_download": _THEIRS}


def _timed(code: str, endpoint: str, downloads: int) -> float:
    with tempfile.TemporaryDirectory() as target:
        environment = {
            **os.environ,
            "HF_ENDPOINT": endpoint,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", code, target, str(downloads)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return float(done.stdout)


if __name__ == "__main__":
    main()
