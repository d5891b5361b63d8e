"""Starting Apache Spark where the settings say, once it is needed, and ending it."""

import os
import re
import shutil
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from laion_pipeline.common.files import partial, remove
from laion_pipeline.errors import EngineError, SettingsError
from laion_pipeline.text import displayable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_ELSEWHERE = re.compile(r"sc://|spark://|k8s://|yarn$")
_HERE = re.compile(r"local(\[\s*(?P<threads>\d+|\*)\s*\])?|local-cluster\[(?P<sizes>[\d,\s]+)\]")
# Where Spark says what went wrong, and how much of it is told.
_EXCEPTION = re.compile(r"(?:Exception|Error): *(?P<reason>[^\n]*\w[^\n]*)")
_REASON_CHARACTERS = 300
_CONNECT_PORT = 15002
_SECONDS_TO_ANSWER = 10
# The least that Spark starts with, and what a task on another machine may take.
_LEAST_BYTES = 512 * 2**20
_ELSEWHERE_BYTES = 2**30
_SHUFFLES_A_TASK = 4  # so that a part of what is grouped fits the memory of a task


class Cluster:
    """A Spark: `master` names it in Spark's own way, or is the address of a Spark Connect server.

    One on this machine has `memory_bytes` for itself, and as much again for all of its tasks that
    load; what does not fit it sets aside in `folder`, where also its log is.
    """

    def __init__(self, master: str, memory_bytes: int, folder: Path) -> None:
        self.master = master
        self._memory_bytes = memory_bytes
        self._place = partial(folder / "spark")
        self._log = folder / "spark.log"

    @property
    def task_memory(self) -> str:
        """How much memory a task that loads may take."""
        tasks = tasks_here(self.master)
        return f"{self._memory_bytes // tasks if tasks else _ELSEWHERE_BYTES}B"

    @cached_property
    def session(self) -> "SparkSession":
        """The running Spark. Raises EngineError when it cannot be started or reached."""
        from pyspark.sql import SparkSession

        warnings.filterwarnings("ignore", category=FutureWarning, module="pyspark")
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # where this library is
        with (
            self._named("cannot be started or reached"),
            _standard_error_in(self._log),
            _interrupted_later(),
        ):
            if self.master.startswith("sc://"):
                _knock(self.master)
                builder = SparkSession.builder.remote(self.master)
            else:
                builder = SparkSession.builder.master(self.master)
            session = builder.config(map=self._config()).getOrCreate()
        _quiet_when_killed()
        return session

    @contextmanager
    def computing(self) -> Iterator["SparkSession"]:
        """The running Spark, to have something computed.

        Raises EngineError when it cannot be started or reached, or fails.
        """
        session = self.session
        with self._named("failed"):
            yield session

    def stop(self) -> None:
        """End it, if it was started, and remove what it set aside."""
        if session := self.__dict__.pop("session", None):
            session.stop()
        remove(self._place)

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        """Errors of Spark's as one line; but for those of a query, which are a fault of ours."""
        from py4j.protocol import Py4JError
        from pyspark.errors import AnalysisException, PySparkException

        try:
            yield
        except AnalysisException:
            raise
        except (PySparkException, Py4JError, OSError) as error:
            raise EngineError(
                f"LAION_SPARK_MASTER={self.master}: {what}: {_reason(error)};"
                f" {self._log} has all that Spark says"
            ) from error

    def _config(self) -> dict[str, str]:
        """What does not come from Spark's own files of settings, which say what a cluster has."""
        of_all = {"spark.app.name": "laion-pipeline", "spark.sql.session.timeZone": "UTC"}
        if self.master.startswith("sc://"):
            return of_all
        of_all |= {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.warehouse.dir": str(self._place / "warehouse"),
        }
        tasks = tasks_here(self.master)
        if not tasks:
            return of_all
        return {
            **of_all,
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.memory": f"{max(self._memory_bytes, _LEAST_BYTES) // 2**20}m",
            "spark.local.dir": str(self._place),
            "spark.sql.shuffle.partitions": str(_SHUFFLES_A_TASK * tasks),
        }


@contextmanager
def _standard_error_in(file: Path) -> Iterator[None]:
    """Processes that are begun in the block have a file for their standard error, all their life.

    Spark's log would else be among what this program tells.
    """
    sys.stderr.flush()
    before = os.dup(2)
    with file.open("wb") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Signals that end this program do so after the block, handled as before it.

    pyspark leaves Java running if it is interrupted while it starts it, and then takes the place of
    what handles SIGINT.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, _frame: received.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
        if received:
            signal.raise_signal(received[0])


def _quiet_when_killed() -> None:
    """Have a thread of pyspark's write no traceback where Spark is killed; what calls it tells."""
    from pyspark import SparkContext

    if server := getattr(SparkContext._active_spark_context, "_accumulatorServer", None):
        server.handle_error = lambda *_: None


def _knock(address: str) -> None:
    """See that somebody listens there: Spark Connect asks for ten minutes before it gives up."""
    place = urlsplit(address)
    port = place.port or _CONNECT_PORT
    socket.create_connection((place.hostname or "localhost", port), _SECONDS_TO_ANSWER).close()


def _reason(error: Exception) -> str:
    """What went wrong, of all that Spark says: what is behind the first exception it names."""
    said = str(error).strip()
    named = _EXCEPTION.search(said)
    return displayable(named["reason"] if named else said.partition("\n")[0], _REASON_CHARACTERS)


def tasks_here(master: str) -> int:
    """How many tasks Spark has at once on this machine; none where the master is elsewhere.

    Raises SettingsError where that is no master.
    """
    if _ELSEWHERE.match(master):
        return 0
    here = _HERE.fullmatch(master)
    sizes = [int(size) for size in re.findall(r"\d+", here["sizes"] or "")] if here else []
    if here is None or (here["sizes"] and len(sizes) != 3):
        raise SettingsError(
            f"LAION_SPARK_MASTER={master}: should be local[*], local[2], local-cluster[2,1,1024],"
            " the spark:// address of a cluster, or the sc:// address of a Spark Connect server"
        )
    if sizes:
        workers, cores, _ = sizes
        return max(workers * cores, 1)
    return (os.cpu_count() or 1) if here["threads"] == "*" else max(int(here["threads"] or 1), 1)


def require_spark(master: str) -> None:
    """See that Spark can be started, before anything is done for it.

    Raises SettingsError naming what has to be installed.
    """
    tasks_here(master)
    if find_spec("pyspark") is None:
        raise SettingsError("LAION_ENGINE=spark: Spark is not installed: pip install '.[spark]'")
    home = os.environ.get("JAVA_HOME", "")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if not master.startswith("sc://") and java is None:
        raise SettingsError(
            "LAION_ENGINE=spark: Spark needs Java 17 or newer, and there is none"
            f"{f' in JAVA_HOME={home}' if home else ''}: install it; on Debian it is"
            " openjdk-17-jre-headless"
        )
