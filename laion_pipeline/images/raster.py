"""From the bytes of an image to a small JPEG of our own, whatever else the bytes hold."""

import warnings
from dataclasses import dataclass
from io import BytesIO
from threading import Lock

from PIL import Image, ImageOps

from laion_pipeline.images.failures import NoImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")
MOST_PIXELS = 40_000_000
SIDE_PX = 192
_QUALITY = 72
# One at a time, so that what large ones need in memory does not add up.
_decoding = Lock()


@dataclass(frozen=True)
class SmallImage:
    """A JPEG without metadata, and the size in px of the image that it was made from."""

    jpeg: bytes
    width: int
    height: int


def small_image(data: bytes) -> SmallImage:
    """A copy in no more than `SIDE_PX` px a side of the first picture in `data`.

    The format goes by the content, and only rasters are opened.

    Raises NoImageError where it is no image of these, has too many pixels, or is damaged.
    """
    try:
        with _decoding, warnings.catch_warnings(action="ignore"):
            return _small_image(data)
    except NoImageError:
        raise
    except Exception as error:
        raise NoImageError("unusable", f"no image that can be read: {_kind(error)}") from error


def _kind(error: Exception) -> str:
    unknown = type(error).__name__ == "UnidentifiedImageError"
    return "its format is none of " + ", ".join(FORMATS) if unknown else type(error).__name__


def _small_image(data: bytes) -> SmallImage:
    with Image.open(BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise NoImageError("unusable", f"{width} × {height} px are too many")
        image.draft("RGB", (SIDE_PX, SIDE_PX))  # JPEG can be decoded smaller at once
        image.thumbnail((SIDE_PX, SIDE_PX))
        upright = ImageOps.exif_transpose(image)
        if upright.has_transparency_data:
            upright = upright.convert("RGBA")
            small = Image.new("RGB", upright.size, "white")
            small.paste(upright, mask=upright)
        else:
            small = upright.convert("RGB")
    small.info.clear()
    written = BytesIO()
    small.save(written, "JPEG", quality=_QUALITY, optimize=True)
    return SmallImage(written.getvalue(), width, height)
