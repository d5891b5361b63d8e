"""What a page of another site can do to a UI that its visitor has running: nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from tests.end_to_end.browser import another_site, browsing
from tests.end_to_end.ui import Ui, serving

pytestmark = pytest.mark.slow

START = """mutation { startSchedule(scheduleSelector: {
  repositoryLocationName: "sample", repositoryName: "__repository__", scheduleName: "weekly_refresh"
}) { __typename } }"""
STATE = """{ scheduleOrError(scheduleSelector: {
  repositoryLocationName: "sample", repositoryName: "__repository__", scheduleName: "weekly_refresh"
}) { ... on Schedule { scheduleState { status } } } }"""
PAGE = """<!doctype html><title>another site</title><iframe id="frame" src="UI/runs"></iframe>
<script>
const told = promise => promise.then(answer => "answered: " + answer.type, () => "refused");
const json = {"Content-Type": "application/json"}, body = JSON.stringify({query: QUERY});
const image = address => new Promise((resolve, reject) => {
  const it = new Image(); it.onload = () => resolve({type: "image"}); it.onerror = reject;
  it.src = address;
});
const socket = new Promise((resolve, reject) => {
  const it = new WebSocket("UI/graphql".replace("http", "ws"), "graphql-ws");
  it.onopen = () => resolve({type: "socket"}); it.onerror = reject;
});
async function attack() {
  return {
    json: await told(fetch("UI/graphql", {method: "POST", headers: json, body})),
    blind: await told(fetch("UI/graphql?query=ENCODED", {method: "POST", mode: "no-cors", body})),
    blind_get: await told(fetch("UI/graphql?query=ENCODED", {mode: "no-cors"})),
    read: await told(fetch("UI/files/report.html")),
    image: await told(image("UI/favicon.png")),
    image_order: await told(image("UI/graphql?query=ENCODED")),
    socket: await told(socket),
  };
}
</script>"""


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    with serving(tmp_path_factory.mktemp("doors"), "sample") as ui:
        yield ui


@pytest.fixture
def page() -> Iterator[Page]:
    with browsing() as page:
        yield page


def state(ui: Ui) -> str:
    return str(ui.ask(STATE)["scheduleOrError"]["scheduleState"]["status"])


def test_another_site_changes_and_reads_nothing(ui: Ui, page: Page, tmp_path: Path) -> None:
    attack = PAGE.replace("QUERY", json.dumps(START)).replace("ENCODED", quote(START))
    (tmp_path / "index.html").write_text(attack.replace("UI", ui.address))
    with another_site(tmp_path) as site:
        page.goto(site)
        found = page.evaluate("attack()")
        # What is sent blind has an answer that nobody may look at: what counts is that it refuses.
        assert found.pop("blind").startswith("answered: opaque")
        assert found.pop("blind_get").startswith("answered: opaque")
        assert set(found.values()) == {"refused"}, found
        framed = page.frames[1]
        assert framed.url.startswith("chrome-error:")
        answer = page.goto(f"{ui.address}/graphql?query={quote(START)}")
        assert answer is not None
        assert answer.status == 403
    assert state(ui) == "STOPPED"


def test_its_own_page_does(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.address}/runs")
    answer = page.evaluate(
        """query => fetch("/graphql", {method: "POST", headers: {"Content-Type":
        "application/json"}, body: JSON.stringify({query})}).then(answer => answer.json())""",
        START,
    )
    assert answer["data"]["startSchedule"]["__typename"] == "ScheduleStateResult"
    assert state(ui) == "RUNNING"
