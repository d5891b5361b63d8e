"""Make the pictures of the README from the sample release: `make pictures`.

Needs Chromium at /usr/bin/chromium (Debian's package `chromium`).
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from tenacity import Retrying, stop_after_delay, wait_fixed

DOCS = Path(__file__).resolve().parent
PROJECT = DOCS.parent
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
GROUPS = ("ingest", "tables")


def main() -> None:
    """Materialize the sample in a folder of its own and photograph the result."""
    with tempfile.TemporaryDirectory(prefix="laion-") as folder:
        environment = {**os.environ, "LAION_RELEASE": "sample", "LAION_DATA_DIR": folder}
        subprocess.run([sys.executable, "-m", "assets"], check=True, cwd=PROJECT, env=environment)
        made = Path(folder)
        chart = "aesthetic_distribution.png"
        shutil.copyfile(made / "sample" / "charts" / chart, DOCS / chart)
        with (
            _chromium() as browser,
            _webserver(made / "sample" / "dagster", environment) as address,
        ):
            _photograph_graph(browser, address)
            _photograph_check(browser, address)


def _photograph_graph(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 2000, "height": 1650})
    expanded = ",".join(f"global%40global%3A{group}" for group in GROUPS)
    _wait_for(page, f"{address}/asset-groups?expanded={expanded}")
    page.get_by_text("resolution_counts").first.wait_for()
    page.wait_for_timeout(5000)  # the graph is laid out and drawn by degrees
    graph = {"x": 570, "y": 115, "width": 1380, "height": 1430}  # without menus and margins
    page.screenshot(path=DOCS / "asset-graph.png", clip=graph)
    page.close()


def _photograph_check(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 1250})
    _wait_for(page, f"{address}/assets/pairs?view=checks&checkDetail=url_http")
    page.get_by_text("what_to_do").first.wait_for()
    page.wait_for_timeout(2000)
    page.screenshot(path=DOCS / "check.png")
    page.close()


def _wait_for(page: Page, address: str) -> None:
    """Open a page of a server that may still be starting."""
    for attempt in Retrying(stop=stop_after_delay(60), wait=wait_fixed(1), reraise=True):
        with attempt:
            page.goto(address)


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        yield browser
        browser.close()


@contextmanager
def _webserver(home: Path, environment: dict[str, str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "dagster_webserver", "-w", PROJECT / "workspace.yaml"]
    server = subprocess.Popen(  # noqa: S603 - our own command
        [*command, "-p", port],
        cwd=home,
        env={**environment, "DAGSTER_HOME": str(home)},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:  # it waits for the browser to hang up
            server.kill()


if __name__ == "__main__":
    main()
