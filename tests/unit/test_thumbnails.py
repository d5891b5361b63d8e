import struct
import zlib
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from laion_pipeline.images import fetch_thumbnails, read_thumbnails
from laion_pipeline.images.failures import NoImageError
from laion_pipeline.images.raster import FORMATS, MOST_PIXELS, SIDE_PX, small_image
from laion_pipeline.tables.table import materialize_table
from laion_pipeline.warehouse.connections import Warehouse
from tests.builders import load_rows, pair, tables
from tests.image_servers import answer, image, serving


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_becomes_a_small_jpeg(kind: str) -> None:
    made = small_image(image(kind, (1024, 768)))
    with Image.open(BytesIO(made.jpeg)) as small:
        assert (small.format, small.mode, small.size) == (
            "JPEG",
            "RGB",
            (SIDE_PX, SIDE_PX * 3 // 4),
        )
    assert (made.width, made.height) == (1024, 768)


def test_nothing_but_pixels_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret of the camera"
    exif[0x0112] = 6  # lies on its side
    original = image(
        "JPEG", (400, 200), exif=exif, comment=b"secret comment", icc_profile=b"secret"
    )
    with Image.open(BytesIO(small_image(original).jpeg)) as small:
        assert small.size == (96, 192)
        assert not small.getexif()
        assert not {"exif", "comment", "icc_profile", "xmp"} & small.info.keys()
    assert b"secret" not in small_image(original).jpeg


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "I;16", "F"])
def test_every_kind_of_pixel(mode: str) -> None:
    written = BytesIO()
    kind = {"CMYK": "JPEG", "F": "TIFF", "PA": "PNG"}.get(mode, "PNG")
    Image.new("RGBA" if mode == "PA" else mode, (30, 20)).save(written, kind)
    if kind == "TIFF":
        with pytest.raises(NoImageError, match="its format is none of"):
            small_image(written.getvalue())
    else:
        assert small_image(written.getvalue()).width == 30


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def _bomb(width: int, height: int) -> bytes:
    """A few KB that say they are a PNG of many pixels, and are."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + width // 8) * height), 9)
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header), _chunk(b"IDAT", rows), _chunk(b"IEND", b"")]
    )


@pytest.mark.parametrize(
    "data",
    [
        b"", b"<html><body>gone</body></html>", b"%PDF-1.7", b"\xff\xd8\xff\xe0 broken",
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
        b"#define a_width 8\n#define a_height 8\nstatic char a_bits[] = {0};", b"P6 1 1 255\nabc",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", image()[:80],
        image("TIFF"), image("ICO", (16, 16)), _bomb(8_000, 8_000), _bomb(100_000, 100_000 // 8),
    ],
    ids=["nothing", "html", "pdf", "jpeg", "svg", "xbm", "ppm", "eps", "part", "tiff", "ico",
         "bomb", "larger bomb"],
)  # fmt: skip
def test_what_is_no_raster_image_is_not_opened(data: bytes) -> None:
    with pytest.raises(NoImageError) as caught:
        small_image(data)
    assert caught.value.failure == "unusable"


def test_as_many_pixels_as_are_allowed() -> None:
    side = int(MOST_PIXELS**0.5) // 8 * 8
    assert small_image(_bomb(side, side)).width == side


def _extremes(folder: Path, hosts: int = 4) -> Warehouse:
    rows = [pair(n, url=f"http://host{n % hosts}.example/{n}.png") for n in range(40)]
    warehouse = load_rows(folder, rows)
    materialize_table(warehouse, tables()["score_extremes"], folder)
    return warehouse


def test_the_images_of_the_extremes_and_only_those(tmp_path: Path) -> None:
    warehouse = _extremes(tmp_path)
    path = tmp_path / "thumbnails.parquet"
    answers = {f"/{n}.png": answer(image()) for n in range(0, 40, 2)}
    answers["/1.png"] = answer(image(), X_Robots_Tag="noai")
    answers["/3.png"] = answer(b"<html>")
    with serving(answers) as servers:
        inside = servers.network({"host0.example": ["10.0.0.1"]})
        counts = fetch_thumbnails(warehouse, path, 100, inside)
        assert len(servers.asked) == len(set(servers.asked)) == 30
        assert servers.most_at_once <= 3
    kept = read_thumbnails(path)
    assert counts.by_outcome == {
        "image": 10, "dead": 18, "opted out": 1, "refused": 10, "unusable": 1,
    }  # fmt: skip
    assert counts.dead_share == 18 / 30
    assert kept["http://host1.example/1.png"].reason == "X-Robots-Tag: noai"
    assert kept["http://host0.example/0.png"].jpeg is None
    assert kept["http://host2.example/2.png"].width == 640
    metadata = pq.read_schema(path).metadata
    assert metadata[b"laion_pipeline.release"]
    # Again: what is there is kept, all else is tried again.
    with serving(answers) as servers:
        again = fetch_thumbnails(warehouse, path, 100, servers.network())
        assert len(servers.asked) == 30
        assert "/2.png" not in servers.asked
    assert again.by_outcome["image"] == 20
    with warehouse.connect(read_only=True) as connection:
        few = connection.execute(
            "SELECT count(DISTINCT url) FROM score_extremes WHERE rank <= 2"
        ).fetchall()
    with serving({}) as servers:
        assert fetch_thumbnails(warehouse, path, 2, servers.network()).total == few[0][0] < 40


def test_a_host_is_asked_one_thing_at_a_time(tmp_path: Path) -> None:
    warehouse = _extremes(tmp_path, hosts=1)
    with serving({}) as servers:
        fetch_thumbnails(warehouse, tmp_path / "thumbnails.parquet", 100, servers.network())
        assert len(servers.asked) == 40
        assert servers.most_at_once == 1


def test_no_extremes_and_a_file_that_is_no_such(tmp_path: Path) -> None:
    warehouse = load_rows(tmp_path, [])
    materialize_table(warehouse, tables()["score_extremes"], tmp_path)
    path = tmp_path / "thumbnails.parquet"
    path.write_bytes(b"nonsense")
    with serving({}) as servers:
        counts = fetch_thumbnails(warehouse, path, 100, servers.network())
        assert servers.asked == []
    assert (counts.total, counts.dead_share) == (0, None)
    assert read_thumbnails(path) == {}
