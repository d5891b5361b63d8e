"""Great Expectations' pages: every run is there, and nothing goes online."""

import json
import os
import re
import shutil
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from laion_pipeline.contract import Contract
from laion_pipeline.quality.data_docs import RUNS_LISTED
from laion_pipeline.quality.results import CheckResult, tally
from laion_pipeline.quality.validation import validate
from laion_pipeline.warehouse.connections import Warehouse
from tests.builders import MEASURED, SAMPLE, change, hashed, load_rows, pair

CAPTION = "a caption that is nobody's business"
ADDRESS = "nobody.example"
SUITES = ("pairs", "pairs rows")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Rows of which one has no URL, and one shows what should not be."""
    rows = [pair(), pair(url=None, text=CAPTION), pair(2, url=f"https://{ADDRESS}/", text="12")]
    return load_rows(tmp_path_factory.mktemp("docs"), hashed(rows))


@pytest.fixture(scope="module")
def folder(warehouse: Warehouse) -> Path:
    return warehouse.file.parent / "it's 100%25 <b>$HOME" / "data_docs"


@pytest.fixture(scope="module")
def results(warehouse: Warehouse, folder: Path) -> list[CheckResult]:
    """What two validations of `pairs` find alike, the second of another revision."""
    for revision in ("1111", "2222"):
        change(warehouse, f"UPDATE provenance SET revision = '{revision}'")
        found = validate(warehouse, Contract.of(SAMPLE), "pairs", folder)
    return list(found)


@pytest.fixture(scope="module")
def docs(folder: Path, results: list[CheckResult]) -> Path:
    """The pages after both."""
    return folder


def index_of(docs: Path) -> str:
    return (docs / "index.html").read_text("utf-8")


def test_every_run_is_listed_newest_first(docs: Path) -> None:
    lines = re.findall(r"<tr><td>(\d{4}-\d\d-\d\d[^<]*)</td><td>([^<]*)</td>", index_of(docs))
    assert [unescape(name) for _, name in lines] == ["sample 2222", "sample 1111"]
    assert [time for time, _ in lines] == sorted((time for time, _ in lines), reverse=True)


def test_each_suite_of_each_run_has_a_page(docs: Path) -> None:
    links = [unquote(unescape(link)) for link in re.findall(r'href="([^"]+)"', index_of(docs))]
    assert links.count("../report.html") == 1
    inside = [link for link in links if link != "../report.html"]
    assert all((docs / link).is_file() for link in inside)
    assert len(set(inside)) == len(inside) == 3 * len(SUITES), "expectations, and two runs"
    for suite in SUITES:
        assert (docs / "expectations" / f"{suite}.html").is_file()


def text_of(page: Path) -> str:
    """What a page says, without its markup."""
    body = re.sub(r"<style>.*?</style>", "", page.read_text("utf-8"), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_a_run_is_counted_as_everywhere_and_each_check_told_once(
    docs: Path, results: list[CheckResult]
) -> None:
    pages = [page for page in docs.rglob("*.html") if page.name != "index.html"]
    for page in pages:
        assert "Success" not in text_of(page)
        for name in {result.name for result in results}:
            assert text_of(page).count(f"{name}: ") <= 1
    validations = [text_of(page) for page in pages if "expectations" not in page.parts]
    counts = [
        re.findall(r"Status: (\d+) passed, (\d+) warned, (\d+) failed, 0 not checked", text)
        for text in validations
    ]
    sums = [sum(int(count[0][place]) for count in counts) for place in range(3)]
    text = " ".join(validations)
    judged = [r for r in results if r.is_checked and r.name not in MEASURED]
    told = {r.name for r in judged if f"{r.name}: " in text}
    assert told == {r.name for r in judged} - {"schema_as_contracted"}
    assert "Must have exactly these columns" in text
    verdicts = [result.verdict for result in judged]
    assert sums == [2 * verdicts.count(v) for v in ("passed", "warned", "failed")]


def test_a_run_says_what_was_unmet_and_how_badly(docs: Path, results: list[CheckResult]) -> None:
    """One URL in three is missing: a warning is due and an error. One caption is only digits."""
    told = re.findall(r"<td>([^<]*\bpassed[^<]*)</td>", index_of(docs))
    assert told == [tally(results)] * 2
    pages = [page for page in (docs / "validations").rglob("*.html") if "rows" in page.name]
    assert len(pages) == 2
    for page in pages:
        text = unescape(page.read_text("utf-8"))
        assert re.search(
            r"url_http: url is there[^<]*with a host\W.*?>\s*1 unexpected values? found",
            text,
            re.DOTALL,
        )


def test_no_page_goes_online_or_runs_a_script(docs: Path) -> None:
    pages = list(docs.rglob("*.html"))
    assert len(pages) == 1 + 3 * len(SUITES)
    for page in pages:
        text = page.read_text("utf-8")
        assert "default-src 'none'" in text
        assert not re.search(r"<(script|link|img|iframe)\b", text, re.IGNORECASE)
        assert not re.search(r"\son\w+=", text)


def test_analytics_are_off(docs: Path) -> None:
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"


def test_no_file_shows_a_caption_or_an_address(docs: Path) -> None:
    written = [file for file in docs.rglob("*") if file.suffix in (".html", ".json")]
    assert len(written) >= 1 + 3 * len(SUITES)
    for file in written:
        text = unescape(file.read_text("utf-8"))
        assert CAPTION not in text
        assert ADDRESS not in text


def test_the_oldest_runs_make_way(warehouse: Warehouse, docs: Path, tmp_path: Path) -> None:
    """Of twenty-two runs twenty are kept, with just their pages; others have not been touched."""
    folder = tmp_path / "data_docs"
    shutil.copytree(docs, folder)
    newest = json.loads((folder / ".runs.json").read_text())[0]
    runs = []
    for number in reversed(range(RUNS_LISTED + 1)):
        page = f"validations/old {number}.html"
        (folder / page).write_text("old")
        suite = {**newest["suites"][0], "page": page.replace(" ", "%20")}
        runs.append({**newest, "name": f"old {number}", "suites": [suite]})
    (folder / ".runs.json").write_text(json.dumps(runs))
    validate(warehouse, Contract.of(SAMPLE), "pairs", folder)
    index = index_of(folder)
    assert index.count("<tr><td>") == RUNS_LISTED
    kept = {f"old {number}.html" for number in range(2, RUNS_LISTED + 1)}
    assert {page.name for page in (folder / "validations").glob("*.html")} == kept
    assert "old 2<" in index
    assert "old 1<" not in index


@pytest.mark.parametrize("damage", ["{", "[1]", ""])
def test_a_list_of_runs_that_cannot_be_read_is_begun_again(
    damage: str, warehouse: Warehouse, tmp_path: Path
) -> None:
    (tmp_path / ".runs.json").write_text(damage)
    validate(warehouse, Contract.of(SAMPLE), "pairs", tmp_path)
    assert index_of(tmp_path).count("<tr><td>") == 1


def test_no_docs_where_none_are_asked_for(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, [pair()])
    before = set(tmp_path.rglob("*"))
    validate(warehouse, Contract.of(SAMPLE), "pairs")
    assert set(tmp_path.rglob("*")) == before
