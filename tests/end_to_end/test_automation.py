"""Left running: a new commit at the Hub is fetched, loaded and analysed by itself, once."""

from pathlib import Path

import duckdb
import pytest

from laion_pipeline.sample import generate_sample
from tests.end_to_end.ui import Ui, eventually, serving
from tests.loopback_hub import LoopbackHub

pytestmark = pytest.mark.slow

RELEASE = "laion2B-en-aesthetic"
REPO = f"laion/{RELEASE}"


def ended(ui: Ui, runs: int) -> list[str] | None:
    """The statuses of the runs, once there are so many and all have ended."""
    statuses = list(ui.statuses().values())
    unfinished = {"QUEUED", "NOT_STARTED", "STARTING", "STARTED"} & set(statuses)
    return None if unfinished or len(statuses) < runs else statuses


def test_a_new_commit_is_refreshed_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    files = {file.name: file.read_bytes() for file in generate_sample(folder, rows=8000, shards=8)}
    (changed, *_) = generate_sample(tmp_path / "other", rows=9000, shards=8)
    with LoopbackHub() as hub:
        first = hub.publish(REPO, files)
        with serving(tmp_path, RELEASE, hub, automation="on", poll_seconds="2") as ui:
            assert eventually(lambda: ended(ui, 1)) == ["SUCCESS"]
            hub.clear_requests()
            second = hub.publish(REPO, files | {changed.name: changed.read_bytes()})
            assert eventually(lambda: ended(ui, 2)) == ["SUCCESS", "SUCCESS"]
            assert hub.file_gets() == {changed.name: 1}
            assert len(ui.statuses()) == 2
    root = tmp_path / "data" / RELEASE
    with duckdb.connect(root / "warehouse.duckdb", read_only=True) as connection:
        revisions = connection.execute(
            "SELECT DISTINCT previous_revision, revision FROM revision_drift"
        ).fetchall()
        moved = connection.execute(
            "SELECT shard FROM revision_diff WHERE added + removed > 0"
        ).fetchall()
    assert revisions == [(first, second)]
    assert moved == [(changed.name,)]
    assert second[:12] in (root / "report.html").read_text("utf-8")
