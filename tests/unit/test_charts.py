"""Charts: each is drawn whatever the data, says what it shows, and is the same every time."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from laion_pipeline.charts import CHARTS, Chart, ChartResult, render_chart
from laion_pipeline.charts.captions import TOP_WORDS
from laion_pipeline.charts.chart import read_drawing
from laion_pipeline.charts.dark import dark_variant
from laion_pipeline.charts.resolutions import TOP_RESOLUTIONS
from laion_pipeline.charts.scores import AESTHETIC_DISTRIBUTION, SCORE_DISTRIBUTIONS
from laion_pipeline.charts.thresholds import THRESHOLD_CURVES
from laion_pipeline.errors import WarehouseError
from laion_pipeline.releases.release import Release
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.provenance import Provenance
from tests.builders import (
    RAW,
    SAMPLE,
    Row,
    fetch,
    load,
    load_rows,
    make_tables,
    pair,
    pairs,
    upstream,
    warehouse_at,
)

NAMED = pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
DRAWN_FROM = {name for chart in CHARTS for name in chart.tables}


def with_tables(warehouse: Warehouse) -> Warehouse:
    """The warehouse with every table made that a chart reads."""
    needed = DRAWN_FROM.union(*map(upstream, DRAWN_FROM))
    make_tables(warehouse, warehouse.file.parent / "tables", *needed)
    return warehouse


def made(folder: Path, rows: Sequence[Row], release: Release = SAMPLE) -> Warehouse:
    return with_tables(load_rows(folder, rows, release))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder = tmp_path_factory.mktemp("sample")
    generate_sample(folder / "shards", rows=1000, shards=1)
    return with_tables(load(folder / "shards"))


@pytest.fixture(scope="module")
def drawn(sample: Warehouse) -> dict[str, ChartResult]:
    folder = sample.file.parent / "charts"
    return {chart.name: render_chart(sample, chart, folder) for chart in CHARTS}


@NAMED
def test_a_chart_says_what_it_shows(
    chart: Chart, sample: Warehouse, drawn: dict[str, ChartResult]
) -> None:
    result, folder = drawn[chart.name], sample.file.parent / "charts"
    assert result.png == folder / f"{chart.name}.png"
    assert result.svg == folder / f"{chart.name}.svg"
    assert result.drawing.title
    assert len(result.drawing.alt) > len(result.drawing.title)
    assert read_drawing(result.png) == result.drawing
    with sample.connect(read_only=True) as connection:
        provenance = Provenance.read(connection)
    with Image.open(result.png) as image:
        assert image.width > image.height > 500
        assert image.info["Source"] == f"{provenance.title}, revision {provenance.revision}"
        assert not {"Software", "Date", "Creation Time"} & image.info.keys()
    text = result.svg.read_text("utf-8")
    ET.fromstring(text)
    assert result.drawing.title in text


def test_nothing_temporary_stays_behind(drawn: dict[str, ChartResult]) -> None:
    files = {path for result in drawn.values() for path in (result.png, result.svg)}
    both = files | {dark_variant(file) for file in files}
    assert set(next(iter(files)).parent.iterdir()) == both


def lightness(image: Image.Image) -> npt.NDArray[np.uint8]:
    return np.asarray(image.convert("L"))


@NAMED
def test_each_chart_has_a_dark_variant(chart: Chart, drawn: dict[str, ChartResult]) -> None:
    result = drawn[chart.name]
    dark = dark_variant(result.png)
    assert dark.name == f"{chart.name}.dark.png"
    assert read_drawing(dark) == result.drawing
    with Image.open(result.png) as on_light, Image.open(dark) as on_dark:
        assert on_light.size == on_dark.size
        assert on_light.info["Source"] == on_dark.info["Source"]
        light, dark_ = lightness(on_light), lightness(on_dark)
    assert light[0, 0] == light.max() == 255
    assert dark_[0, 0] == dark_.min() < 40
    # The darkest on white is the lightest on black.
    assert dark_[light < light.min() + 8].min() > 180
    svg = dark_variant(result.svg).read_text("utf-8")
    ET.fromstring(svg)
    assert result.drawing.title in svg
    assert "#ffffff" not in svg
    shapes = re.compile(r' (?:d|x|y)="[^"]*"')
    assert shapes.findall(svg) == shapes.findall(result.svg.read_text("utf-8"))


@NAMED
def test_the_same_tables_give_the_same_bytes(
    chart: Chart, sample: Warehouse, drawn: dict[str, ChartResult], tmp_path: Path
) -> None:
    again = render_chart(sample, chart, tmp_path)
    assert again.png.read_bytes() == drawn[chart.name].png.read_bytes()
    assert again.svg.read_bytes() == drawn[chart.name].svg.read_bytes()


@pytest.fixture(scope="module")
def one_row(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    row = pair(aesthetic=10.0, punsafe=1.0, similarity=-1.0)
    return made(tmp_path_factory.mktemp("one-row"), [row])


@NAMED
def test_one_row_is_drawn(chart: Chart, one_row: Warehouse, tmp_path: Path) -> None:
    title = render_chart(one_row, chart, tmp_path).drawing.title
    assert title == "No host has 10 pairs in this release" or "No " not in title


@pytest.fixture(scope="module")
def no_rows(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return made(tmp_path_factory.mktemp("no-rows"), [pair(text="")])


@NAMED
def test_no_data_is_a_message(chart: Chart, no_rows: Warehouse, tmp_path: Path) -> None:
    result = render_chart(no_rows, chart, tmp_path)
    assert result.drawing.title.startswith("No ")
    assert read_drawing(result.png) == result.drawing


@pytest.mark.parametrize(
    ("chart", "title"),
    [
        (AESTHETIC_DISTRIBUTION, "No aesthetic scores in this release"),
        (SCORE_DISTRIBUTIONS, "The median is 0.3 for similarity"),
        (THRESHOLD_CURVES, "At least half of the pairs are kept by similarity \u2265 0.3"),
    ],
)
def test_absent_scores_are_left_out(chart: Chart, title: str, tmp_path: Path) -> None:
    rows = [{**row, "license": "?", "nsfw": "UNLIKELY"} for row in pairs(30)]
    drawing = render_chart(made(tmp_path, rows, RAW), chart, tmp_path / "charts").drawing
    assert drawing.title == title


def test_no_scores_at_all_are_a_message(tmp_path: Path) -> None:
    release = Release(name="bare", columns=("url", "text", "width", "height"))
    warehouse = made(tmp_path, pairs(30), release)
    result = render_chart(warehouse, SCORE_DISTRIBUTIONS, tmp_path / "charts")
    assert result.drawing.title == "No scored pairs in this release"


@pytest.fixture(
    scope="module", params=["url text", "url text similarity width"], ids=["texts", "some"]
)
def few_columns(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Warehouse:
    release = Release(name="bare", columns=tuple(request.param.split()))
    return made(tmp_path_factory.mktemp("few-columns"), pairs(30), release)


@NAMED
def test_a_chart_is_drawn_of_whatever_columns_there_are(
    chart: Chart, few_columns: Warehouse, tmp_path: Path
) -> None:
    assert render_chart(few_columns, chart, tmp_path).drawing.title


def test_words_that_no_font_can_write_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse = made(tmp_path, [pair(text="\u1303 \N{CUNEIFORM SIGN A}")])
    drawing = render_chart(warehouse, TOP_WORDS, tmp_path / "charts").drawing
    assert "\N{CUNEIFORM SIGN A} 1" in drawing.alt
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1
    assert told[0].startswith("top_words: some of its words cannot be written with the fonts")


@pytest.mark.parametrize("title", ["Cost: $1_{ and $2^", "<b>&\"' a $\\alpha$ b %d {}"])
def test_a_release_may_have_any_title(title: str, tmp_path: Path) -> None:
    release = SAMPLE.model_copy(update={"title": title})
    result = render_chart(made(tmp_path, pairs(3), release), TOP_RESOLUTIONS, tmp_path / "charts")
    assert title in "".join(ET.parse(result.svg).getroot().itertext())
    with Image.open(result.png) as image:
        assert image.info["Source"].startswith(f"{title}, revision ")


def test_what_is_said_of_the_sample_is_true(
    sample: Warehouse, drawn: dict[str, ChartResult]
) -> None:
    alts = {name: result.drawing.alt for name, result in drawn.items()}
    ((median, above_8, pairs_),) = fetch(
        sample,
        "SELECT median(aesthetic), count(*) FILTER (aesthetic >= 8) / count(*), count(*)"
        " FROM valid_pairs",
    )
    assert f"Half of the pairs score below {median:.2f}" in alts["aesthetic_distribution"]
    assert f"{above_8:.2%} of the pairs reach 8" in alts["aesthetic_distribution"]
    ((width, height, count),) = fetch(
        sample,
        "SELECT width, height, count(*) AS n FROM valid_pairs WHERE width IS NOT NULL"
        " GROUP BY ALL ORDER BY n DESC, 1, 2 LIMIT 1",
    )
    assert f"{width} × {height} is the commonest" in alts["top_resolutions"]
    assert isinstance(pairs_, int)
    assert isinstance(count, int)
    assert f"{width} × {height} {count / (pairs_ - 3):.1%}" in alts["top_resolutions"], "3 sizeless"


@NAMED
def test_a_chart_needs_its_tables(chart: Chart, tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="no warehouse yet"):
        render_chart(warehouse_at(tmp_path / "none.duckdb"), chart, tmp_path)
    warehouse = load_rows(tmp_path, [pair()])
    with pytest.raises(WarehouseError, match=r"there is no \w+$"):
        render_chart(warehouse, chart, tmp_path / "charts")


def test_there_must_be_a_chart_to_read(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match=r"no such chart$"):
        read_drawing(tmp_path / "c.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "c.png")
    with pytest.raises(WarehouseError, match="no such chart"):
        read_drawing(tmp_path / "c.png")
