"""Readers of the files of trainers, written from what those projects say of their forms.

They are not the projects' own: sd-scripts and EveryDream2trainer are no packages, and SimpleTuner
needs gigabytes. Each refuses what the project refuses, and passes over what it passes over.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq


@dataclass(frozen=True)
class Trained:
    """What a trainer would make of an image: its caption, and a size where the files say one."""

    caption: str
    size: tuple[int, int] | None


def kohya(config: Path) -> Mapping[Path, Trained]:
    """What `--dataset_config` leads sd-scripts to, as FineTuningDataset reads it."""
    (dataset,) = tomllib.loads(config.read_text("utf-8"))["datasets"]
    (subset,) = dataset["subsets"]
    metadata = json.loads((config.parent / subset["metadata_file"]).read_text("utf-8"))
    found = {}
    for key, entry in metadata.items():
        images = list((config.parent / subset["image_dir"]).glob(f"{key}.*"))
        assert [image for image in images if image.suffix == ".jpg"], f"no image {key}"
        width, height = entry.get("train_resolution", (0, 0))
        assert width % dataset["bucket_reso_steps"] == height % dataset["bucket_reso_steps"] == 0
        image = (config.parent / subset["image_dir"] / f"{key}.jpg").resolve()
        found[image] = Trained(entry["caption"], (width, height) if width else None)
    return found


def everydream(described: Path) -> Mapping[Path, Trained]:
    """What `--data_root` leads EveryDream2trainer to, as its JSONResolver reads it."""
    found = {}
    for entry in json.loads(described.read_text("utf-8")):
        image = described.parent / entry["image"]
        if image.exists():  # it passes over those that are not there
            found[image.resolve()] = Trained(entry["caption"].strip(), None)
    return found


def simpletuner(config: Path) -> Mapping[Path, Trained]:
    """What `--data_backend_config` leads SimpleTuner to, as its Parquet backend reads it."""
    images, texts = json.loads(config.read_text("utf-8"))
    assert (texts["dataset_type"], texts["default"]) == ("text_embeds", True)
    assert images["caption_strategy"] == images["metadata_backend"] == "parquet"
    said, folder = images["parquet"], config.parent / images["instance_data_dir"]
    rows = {
        row[said["filename_column"]]: row
        for row in pq.read_table(config.parent / said["path"]).to_pylist()
    }
    assert all(row[said["caption_column"]] for row in rows.values()), "a caption is empty"
    found = {}
    for image in sorted(folder.rglob("*.jpg")):
        name = str(image.relative_to(folder))
        row = rows.get(name if said["identifier_includes_extension"] else Path(name).stem)
        if row is not None:  # it passes over images that it knows nothing of
            size = (row[said["width_column"]], row[said["height_column"]])
            found[image.resolve()] = Trained(row[said["caption_column"]].strip(), size)
    return found


READERS = {
    "kohya": ("kohya.toml", kohya),
    "everydream": ("everydream.json", everydream),
    "simpletuner": ("simpletuner.json", simpletuner),
}


def buckets(side: int) -> set[tuple[int, int]]:
    """The sizes that sd-scripts cuts to at `side`, found among all multiples of 64."""
    lengths = range(side // 2, 2 * side + 1, 64)
    fitting = {(w, h) for w in lengths for h in lengths if w * h <= side * side}
    longest = {(w, h) for w, h in fitting if (w, h + 64) not in fitting}
    return longest | {(h, w) for w, h in longest} | {(side // 64 * 64,) * 2}
