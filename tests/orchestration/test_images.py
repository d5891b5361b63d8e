"""Images are fetched when they were asked for, and never otherwise."""

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import dagster as dg
import pytest

from laion_pipeline.images import read_thumbnails
from tests.builders import pair, write_shard
from tests.orchestration.runs import INGEST, RELEASE, configured, run

pytestmark = pytest.mark.slow

SELECTION = INGEST | dg.AssetSelection.assets("score_extremes", "extreme_thumbnails")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    with configured(tmp_path / "data", tmp_path / "source"):
        yield tmp_path / "data"


@pytest.fixture
def visits() -> Iterator[list[object]]:
    """Whoever connects to a port of this machine."""
    found: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found.append(listener.getsockname()[1])

        def accept() -> None:
            try:
                while True:
                    found.append(listener.accept())
            except OSError:
                pass

        thread = Thread(target=accept, daemon=True)
        thread.start()
        yield found
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_images_are_fetched_only_if_asked_for(
    data: Path, tmp_path: Path, visits: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = visits
    hosts = [f"127.0.0.1:{port}", "127.0.0.1", "localhost", "[::1]", "169.254.169.254"]
    rows = [pair(n, url=f"http://{host}/{n}.png") for n, host in enumerate(hosts)]
    write_shard(tmp_path / "source", "part-0.parquet", rows)
    file = data / RELEASE / "tables" / "extreme_thumbnails.parquet"

    done = run(SELECTION)
    assert done.success
    assert done.metadata["extreme_thumbnails"]["fetched"] is False
    assert "LAION_FETCH_IMAGES=true" in done.metadata["extreme_thumbnails"]["to_fetch_them"]
    assert not file.exists()

    monkeypatch.setenv("LAION_FETCH_IMAGES", "true")
    done = run(SELECTION)
    assert done.success
    told = done.metadata["extreme_thumbnails"]
    assert told["fetched"] is True
    assert (told["images: refused"], told["images: image"]) == (5, 0)
    assert "dead_share" not in told, "no link was tried"
    reasons = {each.reason for each in read_thumbnails(file).values()}
    assert f"port {port} is neither 80 nor 443" in reasons
    assert "its host is at 169.254.169.254, which is not public" in reasons

    monkeypatch.setenv("LAION_FETCH_IMAGES", "false")
    assert run(SELECTION).success
    assert not file.exists(), "what was fetched goes with the wish for it"
    assert visits == [port]
