"""The page that searches: what it shows, what it refuses, and that it asks nobody unasked."""

import re
import socket
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from laion_pipeline.command import main
from laion_pipeline.explore import find_index, make_index
from laion_pipeline.explore.page import explore_app
from tests.builders import SAMPLE, load_rows, pair, pairs
from tests.image_servers import Servers, answer, image, serving

SITE = "http://127.0.0.1:3001"
HOSTILE = (
    "<script>alert(1)</script> \x1b[31m\u202egnp.exe {{ 7*7 }} \"'><img src=x onerror=alert(2)>"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    rows = [
        *pairs(120),
        pair(200, text=HOSTILE, url="http://evil.example/<script>x.jpg"),
        pair(201, text="an unsafe thing", punsafe=0.9, url="http://unsafe.example/1.jpg"),
        pair(202, text="a picture", url="http://images.example/2.jpg", punsafe=0.05),
        pair(203, text="a blurred picture", url="http://images.example/3.jpg", punsafe=0.2),
        pair(204, text="a dead picture", url="http://gone.example/4.jpg"),
    ]
    make_index(load_rows(folder, rows), SAMPLE, folder / "index")
    return folder / "index"


@pytest.fixture
def servers() -> Iterator[Servers]:
    with serving({"/2.jpg": answer(image()), "/3.jpg": answer(image())}) as servers:
        yield servers


@pytest.fixture
def client(place: Path, servers: Servers) -> TestClient:
    return TestClient(explore_app(place, servers.network()), base_url=SITE)


class _Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_nothing_is_searched_before_it_is_asked(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "125 valid pairs" in page.text
    assert 'class="cards"' not in page.text


def test_made_up_data_is_said_to_be(place: Path, tmp_path: Path) -> None:
    facts = find_index(place)
    assert facts is not None
    assert "Made-up data" not in TestClient(explore_app(place), base_url=SITE).get("/").text
    (tmp_path / facts.version).symlink_to(place / facts.version)
    made_up = facts.model_copy(update={"made_up": True})
    (tmp_path / "index.json").write_text(made_up.model_dump_json())
    assert "Made-up data" in TestClient(explore_app(tmp_path), base_url=SITE).get("/").text


def test_fifty_pairs_and_the_way_to_more(client: TestClient) -> None:
    page = client.get("/?words=caption")
    assert "<h2>120 pairs</h2>" in page.text
    assert page.text.count('class="caption"') == 50
    (link,) = [each for each in _Elements(page.text).of("a") if each.get("rel") == "next"]
    last = client.get(f"/{link['href']}".replace("page=2", "page=3"))
    assert last.text.count('class="caption"') == 20
    assert 'rel="next"' not in last.text
    assert "page 3 of 3" in last.text


def test_what_strangers_wrote_runs_nowhere(client: TestClient) -> None:
    page = client.get("/", params={"words": "alert", "host": "evil.example"})
    assert "<h2>1 pair</h2>" in page.text
    elements = _Elements(page.text)
    assert not elements.of("script")
    assert not elements.of("img")
    assert all(not name.startswith("on") for _, held in elements.found for name in held)
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text
    assert "{{ 7*7 }}" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy


@pytest.mark.parametrize("name", ["words", "host", "order", "page", "aesthetic_from", "unheard_of"])
def test_what_a_link_brings_runs_nowhere(client: TestClient, name: str) -> None:
    page = client.get("/", params={name: HOSTILE})
    elements = _Elements(page.text)
    assert not elements.of("script")
    assert not elements.of("img")
    assert all(not held.startswith("on") for _, each in elements.found for held in each)


def test_unsafe_captions_are_folded_away(client: TestClient) -> None:
    assert "unsafe thing" not in client.get("/?words=thing").text
    page = client.get("/?words=thing&punsafe_to=").text
    assert re.search(
        r"<details><summary>probably unsafe</summary><p[^>]*>an unsafe thing</p>", page
    )


def test_what_is_wrong_is_said_in_a_line(client: TestClient) -> None:
    page = client.get("/?words=caption&aesthetic_from=good")
    assert page.status_code == 400
    assert '<p class="failed" role="alert">aesthetic: good is not a number</p>' in page.text
    assert 'value="caption"' in page.text
    assert 'value="good"' in page.text


def test_without_an_index_it_says_how_to_make_one(tmp_path: Path) -> None:
    page = TestClient(explore_app(tmp_path), base_url=SITE).get("/?words=x")
    assert page.status_code == 404
    assert "LAION_EXPLORE=true" in page.text


def test_images_are_fetched_only_when_the_button_is_pressed(
    client: TestClient, servers: Servers
) -> None:
    address = "/?words=picture&punsafe_to="
    page = client.get(address)
    assert not servers.connected
    assert not _Elements(page.text).of("img")
    (form,) = [each for each in _Elements(page.text).of("form") if each["method"] == "post"]
    fetched = client.post(f"/{form['action']}", headers={"Origin": SITE})
    assert len(servers.asked) == 3
    assert len(_Elements(fetched.text).of("img")) == 2
    assert fetched.text.count('class="veil"') == 1
    assert "dead: " in fetched.text
    assert not _Elements(client.get(address).text).of("img")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Host": "rebound.example"},
    ],
)
def test_no_other_page_has_images_fetched(
    client: TestClient, servers: Servers, headers: dict[str, str]
) -> None:
    assert client.post("/?words=picture", headers=headers).status_code in (400, 403)
    assert not servers.connected


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_there_is_nothing_to_change(client: TestClient, method: str) -> None:
    assert client.request(method, "/?words=picture").status_code == 405


def test_the_subset_is_offered_as_a_file(client: TestClient) -> None:
    page = client.get("/?words=caption+-number&aesthetic_from=7").text
    assert "<pre><code>caption_all = [&#34;caption&#34;]" in page
    assert "Make this a subset" not in client.get("/?words=").text


def test_a_port_that_is_none_or_taken_is_one_line(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAION_RELEASE", "sample")
    monkeypatch.setenv("LAION_DATA_DIR", str(tmp_path))
    with pytest.raises(SystemExit, match="2"):
        main(["explore", "--port", "99999"])
    assert "--port: should be a number from 1 to 65535" in capsys.readouterr().err
    assert main(["explore"]) == 1
    assert "no warehouse yet" in capsys.readouterr().err
    load_rows(tmp_path / "rows", pairs(3))
    (tmp_path / "sample").mkdir()
    (tmp_path / "rows" / "warehouse.duckdb").rename(tmp_path / "sample" / "warehouse.duckdb")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["explore", "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(rf"error: --port={port}: .* set --port to another port\n", said)
