"""What a page of another site can do to a UI that its visitor has running: nothing."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from socket import create_server
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from tests.end_to_end.browser import another_site, browsing
from tests.end_to_end.command import PROJECT
from tests.end_to_end.ui import Ui, eventually, serving

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


@contextmanager
def proxy(ui: Ui, place: Path) -> Iterator[str]:
    """nginx in front of the UI, as the documentation has it but for certificates; its host."""
    with create_server(("127.0.0.1", 0)) as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    text = (PROJECT / "docs" / "deployment.md").read_text("utf-8")
    (recipe,) = re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)
    for there, here in {
        r"listen 443 ssl;": f"listen {host};",
        r"ssl_certificate.*?;": "",
        r"https://laion\.example\.org": f"http://{host}",
        r"http://127\.0\.0\.1:3000": ui.address,
        r"127\.0\.0\.1:3000": ui.address.removeprefix("http://"),
        r"/etc/nginx/laion\.htpasswd": str(place / "htpasswd"),
    }.items():
        assert re.search(there, recipe), there
        recipe = re.sub(there, here, recipe)
    (place / "htpasswd").write_text("somebody:{PLAIN}something\n")
    temporary = "".join(
        f"{kind}_temp_path {place}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.getuid() == 0 else ""
    (place / "nginx.conf").write_text(
        f"daemon off; {user} pid {place}/pid; error_log {place}/error.log;"
        f" events {{}} http {{ access_log off; {temporary} {recipe} }}"
    )
    process = subprocess.Popen(["nginx", "-c", str(place / "nginx.conf")], cwd=place)
    try:
        eventually(lambda: status(host) if process.poll() is None and listens(host) else None)
        yield host
    finally:
        process.terminate()
        process.wait()


def listens(host: str) -> bool:
    try:
        return bool(status(host))
    except OSError:
        return False


def status(host: str, **headers: str) -> int:
    """With which status a query is answered."""
    connection = HTTPConnection(host, timeout=30)
    body = json.dumps({"query": "{ version }"})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", "/graphql", body, {"Content-Type": "application/json", **named})
    return connection.getresponse().status


def handshake(host: str, headers: Mapping[str, str]) -> int:
    """With which status a socket is opened."""
    connection = HTTPConnection(host, timeout=30)
    socket = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(b"0" * 16).decode(),
        "Sec-WebSocket-Protocol": "graphql-ws",
    }  # fmt: skip
    connection.request("GET", "/graphql", headers={**socket, **headers})
    return connection.getresponse().status


@pytest.mark.skipif(
    shutil.which("nginx") is None and os.environ.get("CI") != "true",
    reason="needs nginx; Debian: nginx-light",
)
def test_behind_a_proxy_it_is_for_those_who_are_let_in(ui: Ui, page: Page, tmp_path: Path) -> None:
    known = f"Basic {base64.b64encode(b'somebody:something').decode()}"
    with proxy(ui, tmp_path) as host:
        assert status(host) == 401
        assert status(host, Authorization="Basic bm9ib2R5Og==") == 401
        assert status(host, Authorization=known) == 200
        assert status(host, Authorization=known, Origin=f"http://{host}") == 200
        assert status(host, Authorization=known, Origin="http://another.example") == 403
        assert status(host, Authorization=known, Sec_Fetch_Site="cross-site") == 403
        own = {"Authorization": known, "Origin": f"http://{host}"}
        assert handshake(host, own) == 101
        assert handshake(host, {**own, "Origin": "http://another.example"}) == 403
        page.set_extra_http_headers({"Authorization": known})
        page.goto(f"http://{host}/asset-groups")
        page.get_by_text("Materialize all").first.wait_for()
