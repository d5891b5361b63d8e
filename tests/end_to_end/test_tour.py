"""What a person does in the UI, from an empty instance to the retry of a failed run."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from laion_pipeline.charts import CHARTS
from laion_pipeline.sources.sample.shards import generate_sample
from tests.builders import tables
from tests.end_to_end.browser import browsing
from tests.end_to_end.ui import Ui, eventually, serving
from tests.loopback_hub import LoopbackHub

pytestmark = pytest.mark.slow

RELEASE = "laion2B-en-aesthetic"
REPO = f"laion/{RELEASE}"
# Shards, pairs, quarantine, thumbnails, the report and a subset; the others.
ASSETS = 8 + len(tables()) + len(CHARTS)


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture
def ui(tmp_path: Path, hub: LoopbackHub) -> Iterator[Ui]:
    with serving(tmp_path, RELEASE, hub, poll_seconds="2") as ui:
        yield ui


@pytest.fixture
def page() -> Iterator[Page]:
    with browsing() as page:
        yield page


def end_of_run(ui: Ui, number: int) -> str:
    """How the newest run ended, once there are `number` of them."""

    def ended() -> str | None:
        statuses = list(ui.statuses().values())
        done = len(statuses) == number and statuses[0] in ("SUCCESS", "FAILURE", "CANCELED")
        return statuses[0] if done else None

    return eventually(ended)


def switch(ui: Ui, page: Page, kind: str, name: str) -> None:
    """Press the switch of a schedule or sensor in the list of automations, and see it move."""
    was_on = ui.is_on(kind, name)
    page.get_by_role("link", name="Automation").click()
    row = page.locator(f"div:has(> a[href$='/{kind}/{name}'])")
    # By its class: the row also has a box that selects it, alone while the row is drawn again.
    knob = row.locator("label[class*='formatSwitch']")
    # Until it knows how things are it is there, but takes a press for nothing.
    expect(knob.locator("input")).to_be_enabled()
    expect(knob.locator("input")).to_be_checked(checked=was_on)
    # Dagster's daemon stores a sensor's cursor with the state that it has read just before, and so
    # may undo a press that comes in between: one presses again.
    for _ in range(3):
        knob.click()
        with suppress(AssertionError):
            expect(knob.locator("input")).to_be_checked(checked=not was_on, timeout=20_000)
            return
        expect(knob.locator("input")).to_be_enabled()
    pytest.fail(f"{name} stayed as it was")


def test_the_tour(tmp_path: Path, hub: LoopbackHub, ui: Ui, page: Page) -> None:
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    page.context.on("console", listen)
    shards = generate_sample(tmp_path / "first", rows=4000, shards=4)
    first = {shard.name: shard.read_bytes() for shard in shards}
    changed, *_ = generate_sample(tmp_path / "changed", rows=4400, shards=4)
    hub.publish(REPO, first)

    # An empty instance shows where to begin.
    page.goto(ui.address)
    page.get_by_role("link", name="Materialize an asset").click()
    page.get_by_role("button", name=f"Materialize all ({ASSETS})").click()
    assert end_of_run(ui, 1) == "SUCCESS"
    page.get_by_role("link", name="Catalog").click()
    size = page.viewport_size
    assert size
    page.set_viewport_size({**size, "height": 100 * ASSETS})  # only what is in sight is drawn
    expect(page.get_by_text("Materialized", exact=True)).to_have_count(ASSETS)
    page.set_viewport_size(size)

    # The planted rows are found: a check names them, and shows some.
    page.goto(f"{ui.address}/assets/pairs?view=checks")
    page.locator("span", has_text=re.compile("^url_http$")).click()
    expect(page.get_by_text("8 of 4,000 rows fail: url is there and is http")).to_be_visible()
    page.get_by_text("[Show JSON]").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("ftp://")
    page.keyboard.press("Escape")

    # A chart and the report open, and load nothing from elsewhere.
    page.goto(f"{ui.address}/assets/aesthetic_distribution")
    page.get_by_text("[Show Markdown]").first.click()
    shown = page.get_by_role("dialog").locator("img")
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.naturalWidth") > 500
    page.keyboard.press("Escape")
    page.goto(f"{ui.address}/assets/report")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="/files/report.html").first.click()
    report = opened.value
    expect(report.get_by_role("heading", level=1)).to_contain_text("LAION-Aesthetics")
    for image in report.locator("img").all():
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    expect(report.locator("table.sortable th button").first).to_be_attached()  # its script runs
    link = report.locator("#aesthetic_distribution").get_by_role("link", name="in Dagster")
    link.click()
    expect(report).to_have_url(f"{ui.address}/assets/aesthetic_distribution")
    expect(report.get_by_text("aesthetic_distribution").first).to_be_visible()
    report.close()

    # One table alone.
    page.goto(f"{ui.address}/assets/score_histogram")
    page.get_by_role("button", name="Materialize").first.click()
    assert end_of_run(ui, 2) == "SUCCESS"

    # Switched on, it finds a new commit by itself.
    switch(ui, page, "schedules", "weekly_refresh")
    switch(ui, page, "sensors", "new_revision")
    hub.clear_requests()
    second = hub.publish(REPO, first | {changed.name: changed.read_bytes()})
    assert end_of_run(ui, 3) == "SUCCESS"
    assert hub.file_gets() == {changed.name: 1}
    page.goto(f"{ui.address}/assets/report")
    expect(page.get_by_text(second).first).to_be_visible()

    # A broken shard fails the run with one line; once it is mended, a retry succeeds.
    hub.publish(REPO, first | {changed.name: b"no Parquet"})
    assert end_of_run(ui, 4) == "FAILURE"
    switch(ui, page, "sensors", "new_revision")
    page.get_by_role("link", name="Runs").click()
    page.get_by_role("link", name=next(iter(ui.statuses()))[:8]).click()
    line = page.get_by_text(f"{changed.name}: not a whole Parquet file").first
    expect(line).to_be_visible()
    assert "Traceback" not in page.inner_text("body")
    hub.publish(REPO, first)
    page.get_by_role("button", name="Re-execute").first.click()
    eventually(lambda: True if len(ui.statuses()) == 5 else None)
    page.goto("about:blank")  # drawing a run while it runs takes a core, and it twice the time
    assert end_of_run(ui, 5) == "SUCCESS"
    assert complaints == []
