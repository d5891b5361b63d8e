"""What a program takes: seconds, memory, bytes read and written, and room on the disk."""

import json
import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_SAMPLED_EACH_SECONDS = 0.1


@dataclass
class Usage:
    """What a program and all that it started took; memory is what was resident at one moment."""

    wall_seconds: float = 0
    cpu_seconds: float = 0
    peak_memory_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    peak_disk_bytes: int = 0
    stages: Mapping[str, float] = field(default_factory=dict)


def measured(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> tuple[Usage, str]:
    """Run a program to its end; what it took, and what it printed.

    `folder` is the one whose room on the disk counts.

    Raises CalledProcessError when it fails.
    """
    usage = Usage()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    piped = subprocess.PIPE
    with subprocess.Popen(
        command, env=environment, stdout=piped, stderr=piped, text=True
    ) as process:
        ended = threading.Event()
        watching = threading.Thread(target=_watch, args=[process.pid, folder, usage, ended])
        watching.start()
        out, err = process.communicate()
        usage.wall_seconds = time.perf_counter() - started
        ended.set()
        watching.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, out, err)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    usage.cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return usage, out


def last_line(out: str) -> Mapping[str, float]:
    """The stages that a program printed as JSON in its last line."""
    stages: Mapping[str, float] = json.loads(out.splitlines()[-1])
    return stages


def _watch(pid: int, folder: Path, usage: Usage, ended: threading.Event) -> None:
    transferred: dict[int, tuple[int, int]] = {}
    while not ended.wait(_SAMPLED_EACH_SECONDS):
        memory = 0
        with suppress(psutil.Error):
            program = psutil.Process(pid)
            for process in (program, *program.children(recursive=True)):
                with suppress(psutil.Error):
                    memory += process.memory_info().rss
                    io = process.io_counters()
                    transferred[process.pid] = (io.read_chars, io.write_chars)
        usage.peak_memory_bytes = max(usage.peak_memory_bytes, memory)
        usage.read_bytes, usage.written_bytes = (
            (sum(each) for each in zip(*transferred.values(), strict=True))
            if transferred
            else (0, 0)
        )
        usage.peak_disk_bytes = max(usage.peak_disk_bytes, _disk_bytes(folder))


def _disk_bytes(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):  # which passes over folders that have gone meanwhile
        for name in names:
            with suppress(OSError):  # and so may the file
                total += (Path(place) / name).stat().st_blocks * 512
    return total
