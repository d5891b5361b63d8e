"""Dagster's UI as `make ui` starts it, and what a person does there, through its own interface."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.end_to_end.command import PROJECT, environment
from tests.loopback_hub import LoopbackHub

T = TypeVar("T")

_LAUNCH = """
mutation ($location: String!) {
  launchRun(executionParams: {
    selector: {
      repositoryLocationName: $location, repositoryName: "__repository__", jobName: "__ASSET_JOB"
    }
  }) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
_AUTOMATIONS = """
query($location: String!) {
  repositoryOrError(
    repositorySelector: { repositoryLocationName: $location, repositoryName: "__repository__" }
  ) {
    ... on Repository {
      sensors { name state: sensorState { status } }
      schedules { name state: scheduleState { status } }
    }
  }
}
"""
_RUNS = "{ runsOrError { ... on Runs { results { runId status startTime endTime } } } }"


def eventually(find: Callable[[], T | None], seconds: float = 90) -> T:
    """What `find` finds, as soon as it finds it."""
    until = time.monotonic() + seconds
    while (found := find()) is None:
        assert time.monotonic() < until, "it never came"
        time.sleep(0.3)
    return found


@dataclass(frozen=True)
class Ui:
    """A running UI."""

    address: str
    release: str

    def ask(self, query: str, **variables: str) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.address}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)["data"]
            return found

    def is_on(self, kind: str, name: str) -> bool:
        """Whether a sensor or a schedule runs, as Dagster keeps it."""
        repository = self.ask(_AUTOMATIONS, location=self.release)["repositoryOrError"]
        (status,) = [each["state"]["status"] for each in repository[kind] if each["name"] == name]
        return bool(status == "RUNNING")

    def materialize_all(self) -> str:
        """What the button does; the id of the run."""
        launched = self.ask(_LAUNCH, location=self.release)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def statuses(self) -> dict[str, str]:
        """The status of each run by its id, newest first."""
        return {run["runId"]: run["status"] for run in self._runs()}

    def seconds(self) -> list[float]:
        """How long each run took that has ended, newest first."""
        ended = (run for run in self._runs() if run["endTime"])
        return [run["endTime"] - run["startTime"] for run in ended]

    def _runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(_RUNS)["runsOrError"]["results"]
        return found

    def end_of(self, run_id: str) -> str:
        """The status in which a run ends."""

        def ended() -> str | None:
            status = self.statuses()[run_id]
            return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

        return eventually(ended)


@contextmanager
def serving(
    place: Path, release: str, hub: LoopbackHub | None = None, **settings: str
) -> Iterator[Ui]:
    """The UI for as long as the block runs; what it starts is stopped with it."""
    endpoint = {"HF_ENDPOINT": hub.endpoint} if hub else {}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ui = Ui(f"http://127.0.0.1:{port}", release)
    with (place / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "assets", "ui"],
            cwd=PROJECT,
            env=environment(place, release=release, port=str(port), **settings) | endpoint,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # Where tests run in the background, it is ignored, and would be in the UI as well.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        eventually(lambda: _answers(ui))
        yield ui
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(ui: Ui) -> bool | None:
    try:
        locations = ui.ask(
            "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"
        )["workspaceOrError"]["locationEntries"]
    except OSError:
        return None
    loaded = [entry["name"] for entry in locations if entry["loadStatus"] == "LOADED"]
    return True if loaded == [ui.release] else None
