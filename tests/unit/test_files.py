"""Publishing files: readers see the old file or the new one, and nothing is left lying about."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from laion_pipeline.common.files import partial, publish_text, published
from laion_pipeline.errors import OutputError


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.txt"
    with published(path) as beside:
        beside.write_text("new")
        assert beside.parent == path.parent, "so that renaming is enough"
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_where_a_file_is_written_cannot_be_guessed(tmp_path: Path) -> None:
    ask = "from pathlib import Path; from laion_pipeline.common.files import partial;" \
          " print(partial(Path('a')))"  # fmt: skip
    places = {
        re.sub(r"\.\d+\.", ".pid.", subprocess.check_output([sys.executable, "-c", ask], text=True))
        for _ in range(2)
    }
    assert len(places) == 2, "though all else but the process is the same"
    with published(tmp_path / "a") as beside:
        assert beside == partial(tmp_path / "a"), "one place as long as a process lives"
        beside.touch()


def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    publish_text(path, "old")
    with published(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError(28, "full")])
@pytest.mark.parametrize("written", [True, False])
def test_a_failure_leaves_the_old_file_alone(
    error: BaseException | type[BaseException], written: bool, tmp_path: Path
) -> None:
    path = tmp_path / "file.txt"
    publish_text(path, "old")

    def fail() -> None:
        with published(path) as beside:
            if written:
                beside.write_text("half of the n")
            raise error

    expected = error if isinstance(error, type) else type(error)
    with pytest.raises(OutputError if issubclass(expected, OSError) else expected):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_written_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    with pytest.raises(OutputError, match="cannot be written: No such file"), published(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_text_that_cannot_be_encoded_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        publish_text(tmp_path / "file.txt", "\ud800")
    assert list(tmp_path.iterdir()) == []


def test_text_is_utf_8(tmp_path: Path) -> None:
    publish_text(tmp_path / "file.txt", "거실 é")
    assert (tmp_path / "file.txt").read_bytes() == "거실 é".encode()
