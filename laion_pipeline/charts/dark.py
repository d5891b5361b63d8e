"""Charts for dark pages: the same drawing with light and dark exchanged, hue by hue."""

import base64
import re
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Colors = npt.NDArray[np.uint8]

_COLORS = 256
# A colour in a style of an SVG, not a reference to a part of it; and an image within.
_IN_STYLE = re.compile(r"(?<=: )#[0-9a-fA-F]{6}\b")
_EMBEDDED = re.compile(r"(?<=data:image/png;base64,)[^\"]+")

# Oklab, in which equal steps look equal: from linear sRGB to the responses of the eye's cones, and
# from their cube roots to lightness and two hues. By B. Ottosson, "A perceptual color space for
# image processing" (2020).
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
# White becomes the darkest; what is grey on white keeps its contrast.
_DARKEST, _LIGHTEST, _CONTRAST = 0.21, 0.98, 0.6


def dark_variant(file: Path) -> Path:
    """Where the dark variant of a chart's file lies."""
    return file.with_suffix(f".dark{file.suffix}")


def darkened(colors: Colors) -> Colors:
    """Colours for a dark page: those of sRGB, n x 3, each with its lightness turned round."""
    encoded = colors / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    lab = np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T
    darkness = np.clip(1 - lab[:, 0], 0, 1)
    lab[:, 0] = _DARKEST + (_LIGHTEST - _DARKEST) * darkness**_CONTRAST
    linear = (lab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_CONES).T
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded * 255), dtype=np.uint8)


def darkened_svg(svg: str) -> str:
    """An SVG of matplotlib's for a dark page, with the images within."""
    return _EMBEDDED.sub(
        _darkened_embedded, _IN_STYLE.sub(lambda match: _darkened_hex(match[0]), svg)
    )


def compact(image: Image.Image) -> Image.Image:
    """A drawing with the few colours that it has, as good as the same and a third of its size."""
    return image.convert("RGB").quantize(
        _COLORS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
    )


def darkened_image(drawing: Image.Image) -> Image.Image:
    """A compact drawing for a dark page."""
    palette = np.array(drawing.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    dark = drawing.copy()
    dark.putpalette(darkened(palette).tobytes())
    return dark


@cache
def _darkened_hex(color: str) -> str:
    rgb = np.frombuffer(bytes.fromhex(color[1:]), np.uint8).reshape(1, 3)
    return f"#{darkened(rgb).tobytes().hex()}"


def _darkened_embedded(match: re.Match[str]) -> str:
    with Image.open(BytesIO(base64.b64decode(match[0]))) as image:
        pixels = np.array(image.convert("RGBA"))
    # It has few colours, most of them in many pixels.
    colors, places = np.unique(pixels.view(np.uint32), return_inverse=True)
    few = colors.view(np.uint8).reshape(-1, 4)
    few[:, :3] = darkened(few[:, :3])
    written = BytesIO()
    Image.fromarray(few[places.reshape(pixels.shape[:2])]).save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()
