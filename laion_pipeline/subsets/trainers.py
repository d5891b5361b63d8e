"""What trainers read: which image file has which caption, and the bucket that it is trained in.

Image files are named as img2dataset names them with `--output_format files`: by their place in the
subset, in folders of 10,000. Until they are there, their sizes are what resizing will make of those
in the metadata.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.parquet as pq

from laion_pipeline.downloads.results import Image
from laion_pipeline.subsets.buckets import STEP, bucket_of, limits_of

IMAGES = "images"
_IN_A_FOLDER = 10_000
_SIMPLETUNER = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Places:
    """The folders of the images and of the files about them, as those files name them."""

    images: str
    files: str

    def of(self, name: str) -> str:
        """One of the files."""
        return str(PurePath(self.files, name))


# Within an export, by names that are the same wherever it lies.
WITHIN_EXPORT = Places(IMAGES, ".")


@dataclass(frozen=True)
class Trainer:
    """A trainer: how its files are written, how they are used, and where their form is described.

    `write` takes the images, where they lie, the training size in px, and the folder to write to.
    """

    write: Callable[[Iterable[Image], Places, int, Path], None]
    use: str
    source: str


def expected_images(pairs: Iterable[pa.RecordBatch], side: int) -> Iterator[Image]:
    """The images that img2dataset will make of pairs, the shorter side `side` px at most."""
    place = 0
    for batch in pairs:
        for pair in batch.to_pylist():
            folder = place // _IN_A_FOLDER
            file = f"{folder:05}/{folder:05}{place % _IN_A_FOLDER:04}.jpg"
            width, height = pair.get("width"), pair.get("height")  # a release may have neither
            if width is not None and height is not None:
                scale = min(1.0, side / min(width, height))
                width, height = (max(1, round(length * scale)) for length in (width, height))
            yield Image(file, pair["caption"], width, height)
            place += 1


def _write_kohya(images: Iterable[Image], places: Places, side: int, to: Path) -> None:
    shortest, longest = limits_of(side)
    described = {}
    for image in images:
        entry: dict[str, object] = {"caption": image.caption}
        # Without it for some, sd-scripts sorts all of them by itself.
        if image.width is not None and image.height is not None:
            entry["train_resolution"] = bucket_of(image.width, image.height, side)
        described[image.file.removesuffix(".jpg")] = entry
    _write_json(described, to / "kohya.json")
    (to / "kohya.toml").write_text(
        "[[datasets]]\n"
        f"resolution = {side}\n"
        "enable_bucket = true\n"
        f"min_bucket_reso = {shortest}\n"
        f"max_bucket_reso = {longest}\n"
        f"bucket_reso_steps = {STEP}\n\n"
        "[[datasets.subsets]]\n"
        f"image_dir = {json.dumps(places.images)}\n"
        f"metadata_file = {json.dumps(places.of('kohya.json'))}\n",
        "utf-8",
    )


def _write_everydream(images: Iterable[Image], places: Places, _: int, to: Path) -> None:
    described = [
        {"image": f"{places.images}/{each.file}", "caption": each.caption} for each in images
    ]
    _write_json(described, to / "everydream.json")


def _write_simpletuner(images: Iterable[Image], places: Places, side: int, to: Path) -> None:
    known = [vars(image) for image in images if image.width and image.height]
    pq.write_table(pa.Table.from_pylist(known, _SIMPLETUNER), to / "simpletuner.parquet")
    backends = [
        {
            "id": "pairs",
            "type": "local",
            "dataset_type": "image",
            "instance_data_dir": places.images,
            "metadata_backend": "parquet",
            "caption_strategy": "parquet",
            "parquet": {
                "path": places.of("simpletuner.parquet"),
                "filename_column": "file",
                "caption_column": "caption",
                "width_column": "width",
                "height_column": "height",
                "identifier_includes_extension": True,
            },
            "resolution": side,
            "resolution_type": "pixel_area",
            "crop": True,
            "crop_style": "center",
            "crop_aspect": "preserve",
            "cache_dir_vae": "cache/vae",
        },
        {
            "id": "text-embeds",
            "type": "local",
            "dataset_type": "text_embeds",
            "default": True,
            "cache_dir": "cache/text",
        },
    ]
    _write_json(backends, to / "simpletuner.json")


def _write_json(what: object, file: Path) -> None:
    file.write_text(json.dumps(what, ensure_ascii=False, indent=1) + "\n", "utf-8")


TRAINERS: Mapping[str, Trainer] = {
    "kohya": Trainer(
        _write_kohya, "--dataset_config kohya.toml", "kohya-ss/sd-scripts, FineTuningDataset"
    ),
    "everydream": Trainer(
        _write_everydream,
        "--data_root everydream.json",
        "victorchall/EveryDream2trainer, JSONResolver",
    ),
    "simpletuner": Trainer(
        _write_simpletuner,
        "--data_backend_config simpletuner.json",
        "bghira/SimpleTuner, ParquetMetadataBackend",
    ),
}
