"""Great Expectations' pages: every run is there, and nothing goes online."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from laion_pipeline.quality import validate_pairs
from tests.builders import SAMPLE, load_rows, pair

CAPTION = "a caption that is nobody's business"


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages after two validations of rows of which one has no URL."""
    place = tmp_path_factory.mktemp("docs")
    warehouse = load_rows(place, [pair(), pair(url=None, text=CAPTION)])
    for _ in range(2):
        validate_pairs(warehouse, SAMPLE, place / "data_docs")
    return place / "data_docs"


def test_every_run_is_listed_newest_first(docs: Path) -> None:
    index = (docs / "index.html").read_text("utf-8")
    times = re.findall(r">(\d{4}-\d\d-\d\d[^<]*)</a>", index)
    assert len(set(times)) == 2
    assert times == sorted(times, reverse=True)
    assert "sample" in index


def test_links_lead_somewhere(docs: Path) -> None:
    index = (docs / "index.html").read_text("utf-8")
    for link in re.findall(r'href="([^"]+)"', index):
        if link != "../report.html":
            assert (docs / unquote(unescape(link))).is_file()


def test_a_run_says_what_was_unmet(docs: Path) -> None:
    for page in (docs / "validations").rglob("*.html"):
        text = unescape(page.read_text("utf-8"))
        assert re.search(r"url_http: url is there[^<]*with a host\W.*?>\s*1\s*<", text, re.DOTALL)


def test_no_page_goes_online_or_runs_a_script(docs: Path) -> None:
    pages = list(docs.rglob("*.html"))
    assert len(pages) == 4
    for page in pages:
        text = page.read_text("utf-8")
        assert "default-src 'none'" in text
        assert not re.search(r"<(script|link|img|iframe)\b", text, re.IGNORECASE)
        assert not re.search(r"\son\w+=", text)


def test_no_page_shows_a_caption(docs: Path) -> None:
    written = [file for file in docs.rglob("*") if file.suffix in (".html", ".json")]
    assert len(written) == 6
    assert all(CAPTION not in file.read_text("utf-8") for file in written)


def test_no_docs_where_none_are_asked_for(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, [pair()])
    before = set(tmp_path.rglob("*"))
    validate_pairs(warehouse, SAMPLE)
    assert set(tmp_path.rglob("*")) == before
