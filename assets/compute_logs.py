"""What a step prints, as Dagster shows it: its own files, made without a part in Ctrl-C.

Dagster starts two programs for each stream, which would answer to the keyboard as well: one by
ending early, so that the last lines are lost, the other by a traceback.
"""

import io
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from dagster._core.instance.ref import compute_logs_directory
from dagster._core.storage.compute_log_manager import CapturedLogContext
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClassData


class ComputeLogs(LocalComputeLogManager):
    """Dagster's own files, at their usual place in the home."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "ComputeLogs":
        """The files in the home that `dagster.yaml` names."""
        return cls(compute_logs_directory(config_value["base_dir"]), inst_data=inst_data)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """Keep what is printed in the block."""
        with _streams_restored(), ExitStack() as held:
            # What is blocked as a program starts stays so for it; here it comes a moment later.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                captured = held.enter_context(super().capture_logs(log_key))
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield captured


@contextmanager
def _streams_restored() -> Iterator[None]:
    """After the block, output goes where it went before, also where Dagster fails to see to it.

    It does where the disk is full: it first writes to its file what is left to be written.
    """
    copies = {}
    for stream in (sys.stdout, sys.stderr):
        with suppress(io.UnsupportedOperation):  # of a test, or a notebook
            copies[stream.fileno()] = os.dup(stream.fileno())
    try:
        yield
    finally:
        for descriptor, copy in copies.items():
            os.dup2(copy, descriptor)
            os.close(copy)
