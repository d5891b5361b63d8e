"""The page that searches, as a program of its own, in a real browser without scripts."""

import re
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from laion_pipeline.explore import make_index
from laion_pipeline.paths import Paths
from tests.builders import SAMPLE, load, pair, pairs, write_shard
from tests.end_to_end.browser import CHROMIUM, FLAGS, browsing, serious_violations
from tests.end_to_end.command import environment

pytestmark = pytest.mark.slow


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    paths = Paths(tmp_path / "sample")
    unsafe = pair(500, text="an unsafe lighthouse", punsafe=0.7)
    dead = [pair(600 + n, text=f"lighthouse {n}", url=f"http://{n}.invalid/") for n in range(3)]
    write_shard(paths.shards, "part-0.parquet", [*pairs(120), unsafe, *dead])
    make_index(load(paths.shards, file=paths.warehouse), SAMPLE, paths.search_index)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "laion_pipeline", "explore", "--port", str(port)]
    given = environment(tmp_path, release="sample", data_dir=str(tmp_path))
    program = subprocess.Popen(command, cwd=tmp_path, env=given, stderr=subprocess.PIPE, text=True)
    assert program.stderr is not None
    try:
        said = program.stderr.readline()
        assert said.strip() == f"http://127.0.0.1:{port}", said
        yield said.strip()
    finally:
        program.send_signal(signal.SIGINT)
        assert program.wait(30) == 0
        assert program.stderr.read() == ""


def test_a_person_looks_around_without_scripts(address: str, tmp_path: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(java_script_enabled=False)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.get_by_label("Words of the caption").fill("caption")
        page.get_by_label("aesthetic at least").fill("7.5")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_role("heading", name="120 pairs")).to_be_visible()
        expect(page.locator(".cards li")).to_have_count(50)
        page.get_by_role("link", name="next").click()
        page.get_by_role("link", name="next").click()
        expect(page.locator(".cards li")).to_have_count(20)
        page.get_by_text("Make this a subset").click()
        text = page.locator("pre").inner_text()
        assert tomllib.loads(text)["caption_all"] == ["caption"]

        page.get_by_label("Words of the caption").fill("lighthouse")
        page.get_by_label("punsafe at most").fill("")
        page.get_by_label("aesthetic at least").fill("")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_role("heading", name="4 pairs")).to_be_visible()
        expect(page.get_by_text("an unsafe lighthouse")).to_be_hidden()
        page.get_by_text("probably unsafe").click()
        expect(page.get_by_text("an unsafe lighthouse")).to_be_visible()
        expect(page.locator(".tile")).to_have_count(0)
        page.get_by_role("button", name="Fetch small copies").click()
        expect(page.locator(".tile")).to_have_count(4)
        browser.close()
    assert all(url.startswith((address, "data:")) for url in asked)
    (tmp_path / "mine.toml").write_text(text)
    shown = subprocess.run(
        [sys.executable, "-m", "laion_pipeline", "subset", "preview", "mine.toml"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
        env=environment(tmp_path, release="sample", data_dir=str(tmp_path)),
    )  # fmt: skip
    assert re.search(r"\b120\b", shown.stdout)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_axe_finds_nothing_serious(scheme: str, width: int, address: str) -> None:
    with browsing() as page:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 900})
        for asked in ("", "?words=caption", "?words=lighthouse&punsafe_to=", "?aesthetic_from=x"):
            page.goto(f"{address}/{asked}")
            assert serious_violations(page) == []
            if width == 390:
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width
