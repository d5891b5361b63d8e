"""The report: one page that says what was found, safe whatever strangers wrote."""

import re
import statistics
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from shutil import copytree

import pytest

from laion_pipeline.charts import CHARTS, render_chart
from laion_pipeline.errors import WarehouseError
from laion_pipeline.paths import Paths
from laion_pipeline.quality.results import CheckResult, record_checks
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.releases.release import Release
from laion_pipeline.report import REPORTED_TABLES, SCRIPT_SOURCE, render_report
from laion_pipeline.report.story import STORY
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.tables.table import ROWS_SHOWN, check_table, materialize_table
from laion_pipeline.warehouse.connections import Warehouse
from tests.builders import (
    RAW,
    SAMPLE,
    Row,
    change,
    compare_cleaned,
    fetch,
    load,
    make_tables,
    pair,
    pairs,
    tables,
    warehouse_at,
    write_shard,
)

CHECKS = (
    CheckResult(
        asset="pairs", name="text_present", status="warned", description="text is there",
        threshold="a warning above 0 %", rows=1000, failing_rows=1, value=0.001,
        advice="Do <i>this</i>.", sql="SELECT '<b>' FROM pairs", shards=(("<part>.parquet", 1),),
        examples=({"url": "http://x", "text": "</td><script>x</script>", "width": None},),
    ),
    CheckResult(
        asset="pairs", name="url_http", status="failed", description="url is <b>http</b>",
        rows=1000, failing_rows=30, value=0.03, advice="Look.",
    ),
    CheckResult(
        asset="pairs", name="punsafe_range", status="not in this release",
        description="it has no punsafe",
    ),
    CheckResult(
        asset="revision_drift", name="aesthetic_drift", status="warned", description="as before",
        value=0.123, value_of="population stability index", rows=5,
    ),
)  # fmt: skip
VOID = {"meta", "img", "br", "hr", "link", "input", "source", "wbr"}


class Page(HTMLParser):
    """A page's elements, attributes and text, as a browser would take them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "elements are nested"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def prepared(folder: Path, release: Release = SAMPLE) -> tuple[Warehouse, Paths]:
    """Everything that a report shows, made from the shards that are in the folder."""
    paths = Paths(folder)
    warehouse = load(paths.shards, release)
    with warehouse.connect() as connection:
        record_checks(connection, CHECKS)
    with warehouse.kept_open():
        for table in tables().values():
            result = materialize_table(warehouse, table, paths.tables)
            check_table(warehouse, table, result.rows)
    return warehouse, paths


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, Paths]:
    folder = tmp_path_factory.mktemp("sample")
    generate_sample(folder / "shards", rows=2000, shards=3)
    warehouse, paths = prepared(folder)
    compare_cleaned(warehouse, tmp_path_factory.mktemp("cleaned"))
    make_tables(warehouse, paths.tables, "safety_overlay")
    for chart in CHARTS:
        render_chart(warehouse, chart, paths.charts)
    render_report(warehouse, paths, list(tables().values()), SAMPLE)
    return warehouse, paths


@pytest.fixture
def folder(sample: tuple[Warehouse, Paths], tmp_path: Path) -> Path:
    """A release's folder with charts in it, which take their time: those of the sample."""
    copytree(sample[1].charts, tmp_path / "charts")
    return tmp_path


def report_of(folder: Path, rows: Sequence[Row], release: Release = SAMPLE) -> Page:
    write_shard(folder / "shards", "part-0.parquet", rows, release.columns)
    warehouse, paths = prepared(folder, release)
    render_report(warehouse, paths, list(tables().values()), release)
    return Page(paths.report.read_text("utf-8"))


@pytest.fixture(scope="module")
def page(sample: tuple[Warehouse, Paths]) -> Page:
    return Page(sample[1].report.read_text("utf-8"))


def test_the_report_is_one_page_of_modest_size(sample: tuple[Warehouse, Paths]) -> None:
    warehouse, paths = sample
    content = render_report(warehouse, paths, list(tables().values()), SAMPLE)
    assert content.rows >= content.valid_rows > 0
    assert paths.report.stat().st_size < 5_000_000
    assert list(paths.root.glob(".*")) == [], "nothing temporary stays behind"


def test_the_same_warehouse_gives_the_same_page(sample: tuple[Warehouse, Paths]) -> None:
    warehouse, paths = sample
    before = paths.report.read_bytes()
    render_report(warehouse, paths, list(tables().values()), SAMPLE)
    assert paths.report.read_bytes() == before


def test_the_page_is_whole(page: Page) -> None:
    assert page.open == []
    assert len(page.named("h1")) == 1
    ids = [str(attributes["id"]) for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert page.named("html") == [{"lang": "en"}]


BESIDE = re.compile(
    r"#[\w-]+|lineage\.json|data_docs/index\.html|tables/\w+\.parquet|charts/\w+\.(?:png|svg)"
)


def test_links_lead_to_what_is_there(sample: tuple[Warehouse, Paths], page: Page) -> None:
    ids = {str(attributes["id"]) for _, attributes in page.elements if "id" in attributes}
    targets = {str(attributes["href"]) for attributes in page.named("a")}
    assert {section.name for section in STORY} <= {target.lstrip("#") for target in targets}
    in_dagster = {target for target in targets if target.startswith("../assets/")}
    assert {target.removeprefix("../assets/").partition("?")[0] for target in in_dagster} == {
        *tables(), *(chart.name for chart in CHARTS), "pairs", "report",
    }  # fmt: skip
    for target in targets - in_dagster - {"data_docs/index.html"}:  # which validating makes
        there = target[1:] in ids if target[0] == "#" else (sample[1].root / target).is_file()
        assert there, target


def test_the_page_loads_nothing(page: Page) -> None:
    loading = {"src", "href", "srcset", "data", "action", "poster", "background", "formaction"}
    for tag, attributes in page.elements:
        assert tag not in {"iframe", "object", "embed", "base", "form", "link"}
        if tag == "a":  # on the page or beside it, and only when asked for
            assert attributes.keys() - {"class", "hidden"} == {"href"}
            if re.fullmatch(r"\.\./assets/\w+(\?view=checks)?", str(attributes["href"])):
                continue  # of Dagster's UI, and hidden where that is not
            assert BESIDE.fullmatch(str(attributes["href"]))
            continue
        assert not [name for name in attributes if name.startswith("on")]
        for name in loading & attributes.keys():
            assert str(attributes[name]).startswith("data:image/png;base64,")
    policies = [m for m in page.named("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in str(policies[0]["content"])
    assert page.named("script") == [{}], "just its own, which the policy names by its digest"
    assert re.findall(r"script-src ([^;]+)", str(policies[0]["content"])) == [SCRIPT_SOURCE]
    assert "url(" not in page.text
    assert "@import" not in page.text


def test_every_chart_is_there_with_words(page: Page) -> None:
    images = page.named("img")
    assert len(images) == len(CHARTS)
    assert all(len(str(image["alt"])) > 20 for image in images)


def test_numbers_are_those_of_the_warehouse(sample: tuple[Warehouse, Paths], page: Page) -> None:
    ((valid,),) = fetch(sample[0], "SELECT count(*) FROM valid_pairs")
    assert isinstance(valid, int)
    assert f"2,000 rows in 3 shards: {valid:,} valid, {2000 - valid:,} quarantined." in page.text
    for check in CHECKS:
        status = check.status if check.is_checked else f"not checked {check.status}:"
        assert f"{check.asset} {check.name} {status} {check.description}" in page.text
    for name in tables():
        assert f"{name} self_check passed" in page.text
    for path, sha256 in fetch(sample[0], "SELECT path, sha256 FROM shards"):
        assert str(path) in page.text
        assert str(sha256) in page.text


def test_what_is_wrong_is_explained_first_the_errors(page: Page) -> None:
    every = len(tables()) + len(CHECKS)
    tally = f"{every} checks: {len(tables())} passed, 2 warned, 1 failed, 1 not checked."
    assert tally in page.text
    explained = page.text.split(tally, 1)[1].split("All checks", 1)[0]
    assert explained.index("30 of 1,000 rows fail: url is <b>http</b>") < explained.index("1 of 1")
    for words in (
        "threshold a warning above 0 % share 0.1 % since 20",
        "what to do Do <i>this</i>. where <part>.parquet: 1",
        "all of them SELECT '<b>' FROM pairs",
        "url text width http://x </td><script>x</script>",
        "population stability index 0.123: as before",
    ):
        assert words in explained
    assert "punsafe_range" not in explained
    assert "Nothing to compare with" in page.text


def test_checks_are_in_groups(page: Page) -> None:
    own = f"The derived tables, each by an invariant of its own: {len(tables())} passed"
    assert own in page.text
    rules = "What makes a row valid: a row that breaks one of these is in quarantine: "
    assert rules in page.text


def test_what_changed_since_the_previous_revision_is_told(folder: Path) -> None:
    report_of(folder, pairs(20))
    page = report_of(folder, [*pairs(18, text="another"), *pairs(4, first=40)])
    told = "4 rows added, 2 removed, 18 with another caption, 0 with another score, in 1 of 1"
    assert told in page.text
    assert " rows 20 22 0.1 " in page.text


def test_made_up_data_has_a_banner(
    sample: tuple[Warehouse, Paths], page: Page, folder: Path
) -> None:
    assert "Made-up data." not in page.text, "it came from a folder"
    copy = warehouse_at(folder / "warehouse.duckdb")
    copy.file.write_bytes(sample[0].file.read_bytes())
    change(copy, "UPDATE provenance SET made_up = true")
    render_report(copy, Paths(folder), list(tables().values()), SAMPLE)
    assert "Made-up data." in Page(Paths(folder).report.read_text("utf-8")).text


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE pairs; --",
    "[a](javascript:alert(1))",
    "{{ 7 * 7 }}{% raw %}",
    "</td></tr></table></body></html>",
    "<!-- never closed",
    "&lt;b&gt; &amp;",
    "<a href=https://x.example>x</a>",
    "<![CDATA[x]]>",
]


def test_captions_and_addresses_are_only_text(folder: Path) -> None:
    rows = [
        pair(n, text=text, url=f"https://x.example/{text}", punsafe=n / 10)
        for n, text in enumerate(HOSTILE)
    ]
    page = report_of(folder, rows)
    for text in HOSTILE:
        assert text in page.text
        assert f"https://x.example/{text}" in page.text
    test_the_page_is_whole(page)
    test_the_page_loads_nothing(page)
    assert len(page.named("img")) == len(CHARTS)


def test_invisible_characters_are_escapes_and_long_captions_are_cut(folder: Path) -> None:
    page = report_of(folder, [pair(1, text="a\x00\u202eb\x1b\n" + "c" * 500)])
    assert r"a\x00\u202eb\x1b\nccc" in page.text
    assert "c" * 193 + "…" in page.text
    assert "c" * 194 not in page.text
    assert not set(page.text) & set("\x00\u202e\x1b")


def test_titles_and_file_names_are_only_text(folder: Path) -> None:
    write_shard(folder / "shards", '<i>"part".parquet', pairs(2))
    title = '<script>T</script> & "more"'
    page = report_of(folder, pairs(2, first=9), SAMPLE.model_copy(update={"title": title}))
    assert page.text.count(title) == 2, "as the page's title and its heading"
    assert '<i>"part".parquet' in page.text
    test_the_page_loads_nothing(page)


def test_captions_of_unsafe_images_are_shown_only_when_asked_for(folder: Path) -> None:
    page = report_of(folder, [pair(1, text="mild", punsafe=0.4499), pair(2, punsafe=0.45)])
    html = (folder / "report.html").read_text("utf-8")
    folded = '<summary>probably unsafe</summary><p class="caption" dir="auto">'
    assert f"{folded}a caption, number 2</p></details>" in html
    assert f"{folded}mild" not in html
    assert page.text.count("probably unsafe") == page.text.count("a caption, number 2") == 8
    assert "No image was fetched for this page." in page.text


def test_what_counts_as_safe_is_as_the_release_has_it(folder: Path) -> None:
    strict = SAMPLE.model_copy(update={"filters": {"punsafe": Interval(at_most=0.2)}})
    page = report_of(folder, [pair(1, text="mild", punsafe=0.19), pair(2, punsafe=0.2)], strict)
    assert page.text.count("probably unsafe") == page.text.count("a caption, number 2") == 8


@pytest.mark.parametrize("rows", [[], [pair(text="")]], ids=["no rows", "no valid rows"])
def test_there_is_a_report_on_nothing(rows: list[Row], folder: Path) -> None:
    page = report_of(folder, rows)
    test_the_page_is_whole(page)
    assert "valid 0" in page.text


def test_absent_scores_are_named(folder: Path) -> None:
    rows = [{**row, "license": "?", "nsfw": "UNLIKELY"} for row in pairs(3, width=None)]
    page = report_of(folder, rows, RAW)
    assert "Not in this release: punsafe, pwatermark, aesthetic." in page.text
    assert "Highest similarity" in page.text
    assert "Highest aesthetic" not in page.text
    assert "unknown" in page.text


@pytest.mark.parametrize("missing", ["charts", "checks", "score_summary", "pairs", "warehouse"])
def test_a_report_needs_what_it_shows(missing: str, folder: Path) -> None:
    write_shard(folder / "shards", "part-0.parquet", pairs(3))
    warehouse, paths = prepared(folder)
    with warehouse.connect() as connection:
        for kind, name in {
            "checks": [("TABLE", "check_results")],
            "score_summary": [("TABLE", "score_summary")],
            "pairs": [("VIEW", "valid_pairs"), ("VIEW", "quarantine"), ("TABLE", "pairs")],
        }.get(missing, []):
            connection.execute(f"DROP {kind} {name}")
    if missing == "charts":
        next(paths.charts.glob("*.png")).unlink()
    if missing == "warehouse":
        warehouse.file.unlink()
    with pytest.raises(
        WarehouseError, match=r"no warehouse yet|there is no |no such chart|checked yet"
    ) as caught:
        render_report(warehouse, paths, list(tables().values()), SAMPLE)
    assert "\n" not in str(caught.value)
    assert caught.value.needs
    assert not paths.report.exists()


def test_every_table_and_every_chart_is_shown_once(page: Page) -> None:
    assert sorted(REPORTED_TABLES) == sorted(tables()), (
        "tell of it in laion_pipeline/report/story.py"
    )
    assert sorted(c for s in STORY for c in s.charts) == sorted(chart.name for chart in CHARTS)
    for name, table in tables().items():
        assert f"{name} , " in page.text or f"{name}, " in page.text
        assert page.text.count(" ".join(table.sql.split())) == 1
        for column in table.columns:
            direct, indirect = column.lineage.direct, column.lineage.indirect
            told = [column.name, column.description]
            told += ["from", ", ".join(sorted(direct))] if direct else []
            told += (
                ["decided by", ", ".join(sorted(indirect - direct))] if indirect - direct else []
            )
            assert " ".join(told) in page.text


def test_a_table_is_shown_as_it_is(sample: tuple[Warehouse, Paths], page: Page) -> None:
    for line in fetch(sample[0], "FROM crop_loss"):
        shown = (f"{value:,}" if isinstance(value, int) else str(value) for value in line[:4])
        assert " ".join(shown) in page.text
    ((words,),) = fetch(sample[0], "SELECT count(*) FROM caption_words")
    assert isinstance(words, int)
    assert words > ROWS_SHOWN
    assert f"caption_words , {words:,} rows:" in page.text
    assert page.text.count("The first 20 rows.") > 3


def test_the_numbers_that_people_quote_are_at_the_top(
    sample: tuple[Warehouse, Paths], page: Page
) -> None:
    with sample[0].connect(read_only=True) as connection:
        valid = connection.execute("FROM valid_pairs").to_arrow_table().to_pylist()
    n = len(valid)
    sides = [(r["width"], r["height"]) for r in valid if r["width"] and r["height"]]
    top = page.text.split(STORY[0].title, 1)[0]

    def share(part: int, whole: int) -> str:
        return f"{float(f'{100 * part / whole:.2g}'):g}%"

    for told in (
        f"{n:,} valid pairs",
        f"{statistics.median(r['aesthetic'] for r in valid):.3g} median aesthetic score",
        f"{share(sum(r['pwatermark'] > 0.5 for r in valid), n)} with pwatermark above 0.5",
        f"{share(sum(r['punsafe'] > 0.1 for r in valid), n)} with punsafe above 0.1",
        f"{share(sum(min(side) >= 512 for side in sides), len(sides))} with at least 512 px",
        f"{share(n - len({r['url'] for r in valid}), n)} that only repeat a URL",
    ):
        assert told in top
    assert top.count("cut away by a centre crop") == 1


def test_a_release_without_scores_has_fewer_numbers(folder: Path) -> None:
    release = Release(name="bare", columns=("url", "text", "width", "height"))
    rows = [{name: row[name] for name in release.columns} for row in pairs(4)]
    top = report_of(folder, rows, release).text.split(STORY[0].title, 1)[0]
    assert "4 valid pairs" in top
    assert "median" not in top
    assert "above" not in top


def test_a_section_on_what_nobody_asked_about_is_left_out(
    sample: tuple[Warehouse, Paths], tmp_path: Path
) -> None:
    warehouse, paths = sample
    made = paths.report.read_text("utf-8")
    assert 'id="terms"' in made
    assert "term_curves.png" in made
    change(warehouse, "CREATE TABLE aside AS FROM term_lift", "DELETE FROM term_lift")
    try:
        render_report(warehouse, paths, list(tables().values()), SAMPLE)
        without = paths.report.read_text("utf-8")
    finally:
        change(warehouse, "INSERT INTO term_lift FROM aside", "DROP TABLE aside")
        render_report(warehouse, paths, list(tables().values()), SAMPLE)
    assert 'id="terms"' not in without
    assert "term_curves" not in without
    assert 'id="table-term_lift"' not in without
    assert paths.report.read_text("utf-8") == made
