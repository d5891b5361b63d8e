"""What a chart is, and how one is rendered: read its tables, draw, publish light and dark."""

import logging
import textwrap
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path

import matplotlib as mpl
import pyarrow as pa
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from laion_pipeline.charts.dark import compact, dark_variant, darkened_image, darkened_svg
from laion_pipeline.charts.style import ACCENT, FAINT, INK, STYLE, fonts
from laion_pipeline.common.files import publish_text, published
from laion_pipeline.errors import UnsoundError, WarehouseError
from laion_pipeline.warehouse.connections import Warehouse, quoted
from laion_pipeline.warehouse.provenance import Provenance

logger = logging.getLogger(__name__)

# In a chart's PNG, which rows it shows.
_DATA_VERSION = "Data version"

_DPI = 160  # of the PNG: twice of what a screen has

Tables = Mapping[str, pa.Table]


@dataclass(frozen=True)
class Drawing:
    """What a chart shows: its finding as a title, and the same for those who cannot see it."""

    title: str
    alt: str


@dataclass(frozen=True)
class Chart:
    """A chart by name: what it is of, the tables it reads, and the function that draws it.

    `draw` is given an empty figure and the tables, draws, and returns what the drawing shows.
    """

    name: str
    description: str
    tables: tuple[str, ...]
    draw: Callable[[Figure, Tables], Drawing]
    height_inches: float = 4.5


@dataclass(frozen=True)
class ChartResult:
    """A rendered chart: what it shows, and its two files, each of which has a dark variant."""

    drawing: Drawing
    png: Path
    svg: Path


def render_chart(warehouse: Warehouse, chart: Chart, folder: Path) -> ChartResult:
    """Draw a chart into `folder`; the same tables give the same bytes.

    Raises WarehouseError when its tables are not there.
    """
    with warehouse.connect(read_only=True) as connection:
        provenance = Provenance.read(connection)
        tables = {
            name: connection.execute(f"SELECT * FROM {quoted(name)}").to_arrow_table()
            for name in chart.tables
        }
        pairs = connection.execute("SELECT count(*) FROM valid_pairs").fetchall()[0][0]
    style = {**STYLE, **fonts(), "svg.hashsalt": chart.name}
    with mpl.rc_context(style), warnings.catch_warnings(record=True) as warned:
        warnings.filterwarnings("always", "Glyph .* missing")
        figure = Figure(figsize=(9, chart.height_inches), dpi=_DPI, layout="constrained")
        drawing = chart.draw(figure, tables)
        _frame(figure, drawing, provenance, pairs)
        said = {
            "Title": drawing.title,
            "Description": drawing.alt,
            "Source": f"{provenance.title}, revision {provenance.revision}",
        }
        png, svg = folder / f"{chart.name}.png", folder / f"{chart.name}.svg"
        # By its canvas, since `savefig` draws all twice; without the date of drawing, so that the
        # bytes tell whether the data changed.
        pixels, size = FigureCanvasAgg(figure).print_to_buffer()  # type: ignore[no-untyped-call]
        drawn = Image.frombytes("RGBA", size, pixels)
        _publish_png(drawn.convert("RGB"), png, {**said, _DATA_VERSION: provenance.data_version})
        figure.set_layout_engine("none")  # it takes long, and the other file has the same
        written = StringIO()
        FigureCanvasSVG(figure).print_svg(  # type: ignore[no-untyped-call]
            written, metadata={**said, "Date": None}
        )
    publish_text(svg, written.getvalue())
    publish_text(dark_variant(svg), darkened_svg(written.getvalue()))
    logger.info("%s: %s", chart.name, drawing.title)
    if any("missing from font" in str(each.message) for each in warned):
        logger.warning(
            "%s: some of its words cannot be written with the fonts of this machine; install the"
            " Noto Sans CJK fonts (Debian: fonts-noto-cjk), and draw it again",
            chart.name,
        )
    return ChartResult(drawing, png, svg)


def _publish_png(drawn: Image.Image, png: Path, said: Mapping[str, str]) -> None:
    metadata = PngInfo()
    for name, text in said.items():
        metadata.add_itxt(name, text)
    for file, image in ((png, drawn), (dark_variant(png), darkened_image(compact(drawn)))):
        with published(file) as beside:
            image.save(beside, "PNG", pnginfo=metadata, dpi=(_DPI, _DPI))


def read_drawing(png: Path) -> Drawing:
    """What a published chart shows, as its file says.

    Raises WarehouseError when there is no such chart.
    """
    said = _said(png)
    return Drawing(said["Title"], said["Description"])


def preview(png: Path) -> bytes:
    """A published chart in half its size, as PNG."""
    smaller = BytesIO()
    with Image.open(png) as image:
        compact(image.convert("RGB").reduce(2)).save(smaller, "PNG")
    return smaller.getvalue()


def require_current(charts: Iterable[Chart], folder: Path, provenance: Provenance) -> None:
    """See that published charts show the rows of `provenance`.

    Raises WarehouseError when one is not there, UnsoundError when one shows other rows.
    """
    for chart in charts:
        png = folder / f"{chart.name}.png"
        for file in (png, dark_variant(png)):
            if _said(file).get(_DATA_VERSION) != provenance.data_version:
                raise UnsoundError(
                    f"{chart.name} shows rows that are not loaded any more", needs=[chart.name]
                )


def _said(png: Path) -> Mapping[str, str]:
    try:
        with Image.open(png) as image:
            said = {str(name): str(value) for name, value in image.info.items()}
    except OSError as error:
        raise WarehouseError(f"{png}: no such chart", needs=[png.name.split(".")[0]]) from error
    if not {"Title", "Description"} <= said.keys():
        raise WarehouseError(f"{png}: no such chart", needs=[png.name.split(".")[0]])
    return said


def draw_nothing(figure: Figure, what: str) -> Drawing:
    """Say on an otherwise empty chart why there is nothing to see."""
    figure.text(0.5, 0.5, what, ha="center", va="center", color=FAINT, size=14)
    return Drawing(what, what)


def _frame(figure: Figure, drawing: Drawing, provenance: Provenance, pairs: int) -> None:
    title = "\n".join(textwrap.wrap(drawing.title, 78))
    figure.suptitle(title, x=0.01, ha="left", weight="bold", size=13, color=INK)
    source = (
        f"{provenance.title}, revision {provenance.revision[:12]}, {pairs:,} valid pairs,"
        f" loaded {provenance.loaded_at:%Y-%m-%d}"
    )
    # supxlabel and not text: the layout keeps room for it.
    figure.supxlabel(source, x=0.01, ha="left", size=8, color=FAINT)
    if provenance.made_up:
        figure.text(
            0.99, 0.02, "MADE-UP DATA", ha="right", va="bottom", size=9, weight="bold", color=ACCENT
        )
