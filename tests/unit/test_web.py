"""Who may ask the UI for what: its own pages and programs, and no page of another site."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.testclient import TestClient, WebSocketDenialResponse

from assets.ui.web import web_app
from laion_pipeline.explore import make_index
from laion_pipeline.paths import Paths
from laion_pipeline.report import SCRIPT_SOURCE
from tests.builders import SAMPLE, load_rows, pairs

HOST = "127.0.0.1:3000"
LAUNCH = 'mutation { terminateRun(runId: "x") { __typename } }'
ASKED = "{ version }"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "release"
    for name in (
        "report.html", "lineage.json", "charts/a.svg", "tables/t.parquet", "data_docs/index.html",
        "warehouse.duckdb", "shards/s.parquet", "dagster/dagster.yaml",
        "data_docs/deep/er/page.html", "exports/mine/pairs.parquet", "exports/mine/images/0.jpg",
    ):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"this is {name}")
    (root.parent / "secret").write_text("outside")
    (root / "charts" / "out.svg").symlink_to(root.parent / "secret")
    (root / "charts" / "in.svg").symlink_to(root / "warehouse.duckdb")
    return root


@pytest.fixture(scope="module")
def client(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    home = tmp_path_factory.mktemp("home")
    with (
        dg.DagsterInstance.local_temp(str(home)) as instance,
        WorkspaceProcessContext(instance, EmptyWorkspaceTarget(), version="7") as context,
    ):
        app = web_app(create_app_from_workspace_process_context(context), Paths(root))
        yield TestClient(app, base_url=f"http://{HOST}")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        {"Host": "localhost:3000", "Origin": "http://localhost:3000"},
        {"Host": "localhost:8080", "Origin": "https://localhost:8080"},
    ],
)
def test_its_own_pages_and_programs_are_answered(
    client: TestClient, headers: dict[str, str]
) -> None:
    answer = client.post("/graphql", json={"query": ASKED}, headers=headers)
    assert answer.json() == {"data": {"version": "7"}}


FOREIGN = [
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": ""}, 403),
    ({"Origin": "http://127.0.0.1:3001"}, 403),
    ({"Origin": "http://localhost:3000"}, 403),
    ({"Origin": f"http://{HOST}.evil.example"}, 403),
    ({"Host": "evil.example:3000"}, 400),
    ({"Host": "evil.example", "Origin": "http://evil.example"}, 400),
    ({"Host": "127.0.0.1.evil.example"}, 400),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
    ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403),
]


@pytest.mark.parametrize(("headers", "status"), FOREIGN)
@pytest.mark.parametrize("path", ["/graphql", "/files/report.html", "/report_asset_check/x", "/"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_pages_of_others_are_refused(
    client: TestClient, headers: dict[str, str], status: int, path: str, method: str
) -> None:
    answer = client.request(method, path, json={"query": ASKED}, headers=headers)
    assert answer.status_code == status
    assert answer.text.count("\n") <= 1


@pytest.mark.parametrize(("headers", "status"), FOREIGN)
def test_nor_may_they_open_a_socket(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    opening = client.websocket_connect(f"ws://{HOST}/graphql", ["graphql-ws"], headers=headers)
    with pytest.raises(WebSocketDenialResponse) as refused, opening:
        pass
    assert refused.value.status_code == status


def test_its_own_pages_may_open_a_socket(client: TestClient) -> None:
    headers = {"Origin": f"http://{HOST}"}
    with client.websocket_connect(
        f"ws://{HOST}/graphql", ["graphql-ws"], headers=headers
    ) as socket:
        socket.send_json({"type": "connection_init"})
        assert socket.receive_json() == {"type": "connection_ack"}


@pytest.mark.parametrize(
    "query",
    [
        LAUNCH,
        f"query A {ASKED} {LAUNCH}",
        f"# a comment\n\n{LAUNCH}",
        "subscription { capturedLogs(logKey: []) { stdout } }",
        "query($a: Int) { version } mutation M { __typename }",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_address_changes_nothing(client: TestClient, query: str, method: str) -> None:
    answer = client.request(method, "/graphql", params={"query": query})
    assert answer.status_code == 403
    twice = client.request(method, "/graphql", params=[("query", ASKED), ("query", query)])
    assert twice.status_code == 403


def test_an_address_may_ask(client: TestClient) -> None:
    answer = client.get("/graphql", params={"query": ASKED})
    assert answer.json() == {"data": {"version": "7"}}
    assert client.post("/graphql", json={"query": LAUNCH}).status_code == 200


def test_no_page_may_frame_the_ui(client: TestClient) -> None:
    for path in ("/", "/server_info", "/files/report.html", "/files/none"):
        assert client.get(path).headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("report.html", "text/html; charset=utf-8"),
        ("charts/a.svg", "image/svg+xml"),
        ("tables/t.parquet", "application/vnd.apache.parquet"),
        ("data_docs/index.html", "text/html; charset=utf-8"),
        ("data_docs/deep/er/page.html", "text/html; charset=utf-8"),
        ("exports/mine/pairs.parquet", "application/vnd.apache.parquet"),
    ],
)
def test_files_are_there_to_be_read(client: TestClient, path: str, kind: str) -> None:
    answer = client.get(f"/files/{path}")
    assert answer.text == f"this is {path}"
    assert answer.headers["Content-Type"] == kind
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert re.findall(r"script-src ([^;]+)", policy) == [SCRIPT_SOURCE], "the report's own alone"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, f"/files/{path}").status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "", "charts", "charts/", "data_docs/", "warehouse.duckdb", "shards/s.parquet",
        "dagster/dagster.yaml", "charts/out.svg", "charts/in.svg", "charts/none.svg",
        "charts/%2e%2e/warehouse.duckdb", "%2e%2e/secret", "charts/..%2f..%2f..%2fsecret",
        "charts//..//warehouse.duckdb", "%2fetc/passwd", "charts/%00", "charts/" + "x" * 300,
        "report.html/x", "exports/mine", "exports/mine/images/0.jpg",
    ],
)  # fmt: skip
def test_nothing_else_is(client: TestClient, path: str) -> None:
    answer = client.get(f"/files/{path}")
    assert answer.status_code == 404
    assert "this is" not in answer.text
    assert "outside" not in answer.text


def test_before_the_first_run_there_are_no_files(tmp_path: Path) -> None:
    async def nothing(*_: object) -> None: ...

    client = TestClient(web_app(nothing, Paths(tmp_path)), base_url=f"http://{HOST}")
    assert client.get("/files/report.html").status_code == 404
    os.mkfifo(tmp_path / "report.html")
    assert client.get("/files/report.html").status_code == 404


def test_the_page_that_searches_is_beside_it(client: TestClient, root: Path) -> None:
    page = client.get("/explore?words=a")
    assert page.status_code == 404
    assert "LAION_EXPLORE=true" in page.text
    make_index(load_rows(root / "rows", pairs(3)), SAMPLE, Paths(root).search_index)
    found = client.get("/explore?words=caption")
    assert "<h2>3 pairs</h2>" in found.text
    assert found.headers["X-Frame-Options"] == "DENY"
    foreign = {"Origin": "https://elsewhere.example"}
    assert client.post("/explore?words=caption", headers=foreign).status_code == 403
