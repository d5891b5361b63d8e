"""Left running: a new commit at the Hub is fetched, loaded, analysed and told of, once."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laion_pipeline.sources.sample.shards import generate_sample
from tests.alert_receiver import PASSWORD, receiving
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


def spoil(shard: Path) -> None:
    """Give a hundred rows other captions than those that were hashed."""
    table = pq.read_table(shard)
    captions = [
        f"no {row}" if row < 100 else old for row, old in enumerate(table["TEXT"].to_pylist())
    ]
    column = table.column_names.index("TEXT")
    pq.write_table(table.set_column(column, "TEXT", pa.array(captions)), shard)


def test_a_new_commit_is_refreshed_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    files = {file.name: file.read_bytes() for file in generate_sample(folder, rows=8000, shards=8)}
    changed, *_ = generate_sample(tmp_path / "other", rows=9000, shards=8)
    spoil(changed)
    new = "new: failed: pairs.hash_matches: 100 of "
    with LoopbackHub() as hub, receiving() as receiver:
        first = hub.publish(REPO, files)
        alerts = {"alert_url": receiver.address}
        with serving(tmp_path, RELEASE, hub, automation="on", poll_seconds="2", **alerts) as ui:
            assert eventually(lambda: ended(ui, 1)) == ["SUCCESS"]
            eventually(lambda: receiver.bodies or None)
            assert new not in receiver.bodies[0]

            # Commit B: one shard of eight is another, and a check fails that did not.
            hub.clear_requests()
            files[changed.name] = changed.read_bytes()
            second = hub.publish(REPO, files)
            assert eventually(lambda: ended(ui, 2)) == ["SUCCESS", "SUCCESS"]
            assert hub.file_gets() == {changed.name: 1}
            eventually(lambda: receiver.bodies[1:] or None)
            assert receiver.bodies[1].startswith(f"LAION-Aesthetics V1, English, revision {second}")
            assert new in receiver.bodies[1]
            assert f"in {changed.name} (100)" in receiver.bodies[1]

            # Commit C: the same shards. Nothing is fetched, and nobody is told anything.
            hub.clear_requests()
            hub.publish(REPO, files | {"README.md": b"another text"})
            assert eventually(lambda: ended(ui, 3)) == ["SUCCESS"] * 3
            assert hub.file_gets() == {}
            assert ui.seconds()[0] < 10
            assert len(ui.statuses()) == 3
    assert sum(new in body for body in receiver.bodies) == 1
    assert PASSWORD not in (tmp_path / "ui.log").read_text("utf-8")
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
