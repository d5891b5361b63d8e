"""From a subset to images and back, with the real img2dataset and a server on this machine."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest

from laion_pipeline.paths import Paths
from tests.builders import load, pair, write_shard
from tests.end_to_end.command import environment
from tests.image_servers import Answer, answer, image, redirect, serving
from tests.oracles.trainers import READERS, Trained, kohya

pytestmark = pytest.mark.slow

PINS = Path(__file__).with_name("img2dataset.txt")
LIVE, MOVED, OPTED_OUT, DEAD, BUSY, BROKEN, SLOW, NO_IMAGE = (
    range(20), range(20, 25), range(25, 30), range(30, 36), (36,), range(37, 40), (40,), (41,),
)  # fmt: skip
EVERY = 42


@pytest.fixture(scope="module")
def bin_folder() -> Iterator[Path]:
    """Where img2dataset is, in an environment of its own: its pins are not ours."""
    with TemporaryDirectory() as place:
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        pip = [f"{place}/bin/python", "-m", "pip", "install", "--disable-pip-version-check"]
        subprocess.run([*pip, "--quiet", "--requirement", PINS], check=True)
        yield Path(place, "bin")


def never(_: object) -> None:
    time.sleep(15)


def answers() -> dict[str, Answer]:
    def said(numbers: Iterable[int], by: Answer) -> dict[str, Answer]:
        return {f"/{number}.png": by for number in numbers}

    return {
        **said(LIVE, answer(image(size=(1600, 1200)))),
        **{f"/{number}.png": redirect(f"/{number - 20}.png") for number in MOVED},
        **said(OPTED_OUT, answer(image(), X_Robots_Tag="noindex, noai")),
        **said(BUSY, answer(status="429 Too Many Requests")),
        **said(BROKEN, answer(status="503 Unavailable")),
        **said(SLOW, never),
        **said(NO_IMAGE, answer(b"<html>no image</html>")),
    }


class Place:
    """A data folder, and the commands of a user who is in it."""

    def __init__(self, root: Path, bin_folder: Path) -> None:
        self.paths = Paths(root / "data" / "sample")
        self._root, self._bin = root, bin_folder

    def subset(self, *words: str | Path) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "laion_pipeline", "subset", *words],
            cwd=self._root, env=environment(self._root, release="sample"),
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def download(self, name: str, folder: str = "images") -> Path:
        """Run the command that the subset's card has; where its results are."""
        export = self.paths.exports / name
        printed = (export / "README.md").read_text().split("```sh\n")[1].split("```")[0]
        command = printed.replace("--output_folder images", f"--output_folder {folder}")
        path = f"{self._bin}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", command], cwd=export, timeout=240, check=False,
            capture_output=True, text=True,
            env={**environment(self._root), "PATH": path, "NO_ALBUMENTATIONS_UPDATE": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return export / folder

    def numbers(self, name: str) -> list[int]:
        urls = pq.read_table(self.paths.exports / name / "pairs.parquet")["url"].to_pylist()
        return sorted(int(url.rpartition("/")[2].removesuffix(".png")) for url in urls)


def counts(told: str) -> Mapping[str, int]:
    """The numbers of results that were told, by what they are of."""
    lines = (line.split(maxsplit=3) for line in told.splitlines() if " %  " in line)
    return {words: int(count) for count, _, _, words in lines}


def foreseen(export: Path) -> Mapping[Path, Trained]:
    """What the files of an export say of the images that may come."""
    entries = json.loads((export / "kohya.json").read_text("utf-8"))
    return {
        export / "images" / f"{key}.jpg": Trained(
            entry["caption"], tuple(entry["train_resolution"])
        )
        for key, entry in entries.items()
    }


def test_a_subset_is_downloaded_read_back_and_tried_again(tmp_path: Path, bin_folder: Path) -> None:
    place = Place(tmp_path, bin_folder)
    served = answers()
    with serving(served) as servers:
        rows = [
            pair(
                number, url=f"http://127.0.0.1:{servers.port}/{number}.png", width=1600, height=1200
            )
            for number in range(EVERY)
        ]
        write_shard(place.paths.shards, "part-0.parquet", rows)
        load(place.paths.shards).file.replace(place.paths.warehouse)
        (tmp_path / "mine.toml").write_text('caption_all = ["caption"]\n')
        place.subset("export", "mine.toml")
        assert place.numbers("mine") == list(range(EVERY))

        first = place.download("mine")
        assert list(first.glob("*.tar"))
        told = place.subset("results", first)
        assert counts(told) == {
            "success": 25,
            "opted out": 5,
            "HTTP 404": 6,
            "HTTP 429 (may pass)": 1,
            "HTTP 503 (may pass)": 3,
            "timeout (may pass)": 1,
            "no image": 1,
        }
        assert "links are expected" in place.subset("preview", "mine.toml")
        place.subset("retry", "mine")
        assert place.numbers("mine-retry") == sorted([*BUSY, *BROKEN, *SLOW])

        for number in (*BUSY, *BROKEN, *SLOW):
            served[f"/{number}.png"] = answer(image())
        told = place.subset("results", place.download("mine-retry"))
        assert counts(told) == {"success": 5}

        served["/0.png"] = answer(image(size=(1599, 1200)))  # 20 leads here as well
        del served["/1.png"]  # as does 21
        (tmp_path / "again.toml").write_text(
            f'caption_all = ["caption"]\nformats = {list(READERS)}'
        )
        place.subset("export", "again.toml")
        again = place.download("again")
        told = place.subset("results", again)
        assert counts(told)["success"] == 28
        assert "26 exact, 2 changed, 2 gone, 0 not known this time" in told
        there = {file.resolve() for file in again.glob("*/*.jpg")}
        assert len(there) == 28
        for file, read in READERS.values():
            assert read(again / file).keys() == there
        # Those of images that came were foreseen as they are.
        assert kohya(again / "kohya.toml").items() <= foreseen(again.parent).items()
