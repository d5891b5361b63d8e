"""The report in a browser: it works offline, for everybody, and runs nothing of strangers'."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from laion_pipeline.charts import CHARTS, render_chart
from laion_pipeline.images import fetch_thumbnails
from laion_pipeline.paths import Paths
from laion_pipeline.quality.results import CheckResult, record_checks
from laion_pipeline.report import EXTREMES_SHOWN, render_report
from laion_pipeline.sources.sample.shards import generate_sample
from tests.builders import SAMPLE, Row, load, make_tables, pair, pairs, tables, write_shard
from tests.end_to_end.browser import browsing, serious_violations
from tests.end_to_end.ui import eventually
from tests.image_servers import answer, image, serving

pytestmark = pytest.mark.slow

CHECK = CheckResult(
    asset="pairs", name="text_present", status="failed", description="text is there", rows=9,
    failing_rows=1, value=1 / 9, advice="Look.", sql="SELECT 1",
    examples=({"url": "http://x", "text": "</td><script>document.title='!'</script>"},),
)  # fmt: skip
HOSTILE = (
    "<script>document.title = 'taken over'</script>",
    "<img src=x onerror=\"document.title='taken over'\">",
    "\"'><svg onload=alert(1)>",
    "![x](http://127.0.0.1:9/x.png) **bold** [a](javascript:alert(1))",
    "\x1b[31mred\x1b[0m \u202egnihtemos",
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    paths = Paths(tmp_path_factory.mktemp("report"))
    generate_sample(paths.shards, rows=3000, shards=2)
    rows: list[Row] = [pair(n, text=text, aesthetic=10.0) for n, text in enumerate(HOSTILE)]
    rows += [
        pair(n, url=f"http://images.example/{n}", text="an unsafe caption", punsafe=1.0)
        for n in range(40, 50)
    ]
    write_shard(paths.shards, "zz.parquet", [*rows, *pairs(30, first=50)])
    warehouse = load(paths.shards)
    with warehouse.connect() as connection:
        record_checks(connection, [CHECK])
    make_tables(warehouse, paths.tables)
    for chart in CHARTS:
        render_chart(warehouse, chart, paths.charts)
    answers = {f"/{n}": answer(image()) for n in range(40, 48)}
    with serving(answers) as servers:
        network = servers.network(most_seconds=1)
        fetch_thumbnails(warehouse, paths.thumbnails, EXTREMES_SHOWN, network)
    render_report(warehouse, paths, list(tables().values()), SAMPLE)
    return paths


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def page(paths: Paths, complaints: list[str]) -> Iterator[Page]:
    """The report, opened from its file, with all that it folds away unfolded."""
    with browsing() as page:
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url))
        page.goto(paths.report.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        images = "Promise.all([...document.images].map(image => image.decode())).then(() => true)"
        assert page.evaluate(images)
        yield page


def loaded(complaints: list[str], report: Path) -> list[str]:
    """What was asked for but the report itself and what is in it, and what was complained of."""
    return [each for each in complaints if each != report.as_uri() and not each.startswith("data:")]


def test_it_asks_for_nothing_and_runs_nothing_of_strangers(
    page: Page, paths: Paths, complaints: list[str]
) -> None:
    assert "taken over" not in page.title()
    text = page.inner_text("body")
    for caption in HOSTILE[:4]:
        assert caption in text
    assert r"\x1b[31mred\x1b[0m \u202egnihtemos" in text
    assert loaded(complaints, paths.report) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_axe_finds_nothing_serious(scheme: str, width: int, page: Page) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})
    page.reload()
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert serious_violations(page) == []


def test_a_column_sorts_its_table_by_mouse_and_by_keyboard(page: Page) -> None:
    table = page.locator("#table-caption_words table")
    ranks = table.locator("tbody td[data-label=occurrences]")

    def numbers() -> list[int]:
        return [int(text.replace(",", "")) for text in ranks.all_inner_texts()]

    made = numbers()
    head = table.get_by_role("columnheader", name="occurrences")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert numbers() == sorted(made, reverse=True)
    head.get_by_role("button").press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert numbers() == sorted(made)
    words = table.locator("tbody td[data-label=word]")
    table.get_by_role("button", name="word").click()
    table.get_by_role("button", name="word").click()
    texts = words.all_inner_texts()
    assert texts == sorted(texts, key=str.casefold)
    expect(head).not_to_have_attribute("aria-sort", "ascending")


def test_without_scripts_it_is_plain_and_whole(paths: Paths, page: Page) -> None:
    assert page.context.browser
    plain = page.context.browser.new_page(java_script_enabled=False)
    plain.goto(paths.report.as_uri())
    expect(plain.locator("th button")).to_have_count(0)
    plain.locator("#table-crop_loss > summary").click()
    expect(plain.locator("#table-crop_loss tbody tr")).to_have_count(12)
    plain.close()


def test_links_to_dagster_are_for_the_page_beside_it(page: Page) -> None:
    links = page.locator("a.asset", has_text="in Dagster")
    assert links.count() > len(CHARTS)
    expect(links.first).to_be_hidden()


def test_the_keyboard_reaches_sections_and_folds(page: Page) -> None:
    page.reload()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#quality"
    summary = page.locator("#table-score_summary > summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#table-score_summary table")).to_be_visible()


def test_dark_pages_have_dark_charts_and_paper_has_light_ones(page: Page) -> None:
    back = "getComputedStyle(document.body).backgroundColor"
    source = "document.querySelector('figure img').currentSrc"
    page.emulate_media(color_scheme="light")
    light = page.evaluate(source)
    assert page.evaluate(back) == "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="dark")
    # Asked again and again from here: the page lets nobody evaluate a text as a script.
    eventually(lambda: True if page.evaluate(source) != light else None)
    assert page.evaluate(back) != "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate(back) == "rgb(255, 255, 255)"
    eventually(lambda: True if page.evaluate(source) == light else None)


def test_captions_of_what_is_probably_unsafe_wait_for_a_click(page: Page) -> None:
    page.reload()
    folded = page.locator("details", has_text="an unsafe caption").first
    assert "an unsafe caption" not in folded.inner_text()
    folded.locator("summary").click()
    assert "an unsafe caption" in folded.inner_text()


def test_images_are_blurred_until_they_are_asked_for(page: Page) -> None:
    card = page.locator(".cards li", has_text="an unsafe caption").first
    blur = "image => getComputedStyle(image).filter"
    picture = card.locator("img")
    assert "blur" in picture.evaluate(blur)
    card.get_by_role("checkbox", name="show").press("Space")
    assert picture.evaluate(blur) == "none"
    assert picture.evaluate("image => image.naturalWidth") == 192


def test_a_dead_link_is_a_tile_that_says_so(page: Page) -> None:
    tile = page.locator(".cards li", has_text="http://images.example/49").first.locator(".tile")
    expect(tile).to_have_text("dead: HTTP 404")
    assert "links that were tried for this page are dead" in page.inner_text("body")
