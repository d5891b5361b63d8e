"""Statistics committed to a dataset on the Hub, by its real client."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants
from huggingface_hub.utils import _detect_agent as detect_agent

from laion_pipeline.command import main
from laion_pipeline.common.manifests import MANIFEST, digests, put_in_place
from laion_pipeline.errors import HubError, HubUnavailableError, SettingsError
from laion_pipeline.statistics.hub import push
from laion_pipeline.statistics.publishing import Statistics
from tests.hub_fixtures import use_endpoint
from tests.loopback_hub import Cut, Status
from tests.writable_hub import WritableHub

TOKEN = "hf_good"
REPO = "me/statistics"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[WritableHub]:
    with WritableHub("me", TOKEN) as hub:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(detect_agent, "_registry", detect_agent._EMPTY_REGISTRY)
        use_endpoint(monkeypatch, hub.endpoint)
        close_session()
        yield hub
        close_session()


def written(folder: Path, **files: str) -> Statistics:
    """A folder with a card, and further files, as publishing leaves it."""
    made = folder.with_name(f"{folder.name}-made")
    for name, text in {"README.md": "---\nlicense: cc-by-4.0\n---\n", **files}.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    listed = digests(made)
    put_in_place(made, folder, {"files": listed})
    return Statistics("sample", "0" * 40, folder, listed, {})


def test_all_that_was_written_is_committed_at_once_and_nothing_else(
    hub: WritableHub, tmp_path: Path
) -> None:
    made = written(tmp_path / "s", **{"tables/a.parquet": "PAR1", "charts/a.svg": "<svg/>"})
    (made.folder / "notes.txt").write_text("mine")
    address = push(made, REPO)
    content = hub.content(REPO)
    assert content.keys() == {*made.files, MANIFEST, ".gitattributes"}
    assert all(content[name] == (made.folder / name).read_bytes() for name in made.files)
    assert hub.messages == [f"Statistics of sample at revision {'0' * 40}"]
    assert hub.private == {REPO: True}
    assert address.startswith(f"{hub.endpoint}/datasets/{REPO}/commit/")


def test_what_is_no_longer_written_goes_and_what_is_others_stays(
    hub: WritableHub, tmp_path: Path
) -> None:
    push(written(tmp_path / "s", **{"tables/a.parquet": "1", "tables/old.parquet": "2"}), REPO)
    hub.publish(REPO, {**hub.content(REPO), "LICENSE": b"mine"})
    hub.private[REPO] = False
    push(written(tmp_path / "t", **{"tables/a.parquet": "3"}), REPO)
    content = hub.content(REPO)
    assert content.keys() == {
        *("README.md", "tables/a.parquet", MANIFEST, ".gitattributes", "LICENSE")
    }
    assert content["tables/a.parquet"] == b"3"
    assert hub.private == {REPO: False}, "it stays as it is"


@pytest.mark.parametrize("token", ["", "hf_other"])
def test_without_the_right_to_write_it_is_said_what_to_do(
    token: str, hub: WritableHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    with pytest.raises(HubError, match=r"me/statistics cannot be written: set HF_TOKEN .* 401"):
        push(written(tmp_path / "s"), REPO)


def test_the_dataset_of_somebody_else_cannot_be_written(hub: WritableHub, tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"you/statistics cannot be written: set HF_TOKEN .* 403"):
        push(written(tmp_path / "s"), "you/statistics")


def test_another_refusal_is_in_the_hubs_own_words(hub: WritableHub, tmp_path: Path) -> None:
    hub.inject(Status(413, message="Too \x1b[2Jlarge"), "other")
    with pytest.raises(HubError, match="cannot be written") as raised:
        push(written(tmp_path / "s"), REPO)
    assert "large" in str(raised.value)
    assert str(raised.value).isprintable()


def test_a_hub_that_is_away_is_said_to_be(
    hub: WritableHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.inject(Cut(), "other")
    with pytest.raises(HubUnavailableError, match="cannot be reached"):
        push(written(tmp_path / "s"), REPO)


@pytest.mark.parametrize("repo", ["", "statistics", "me/", "../x", "me/a/b", "me/a b", "me/a..b"])
def test_what_is_no_name_of_a_dataset_is_told_before_anything_is_written(
    repo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError):
        push(Statistics("sample", "0" * 40, tmp_path, {}, {}), repo)
    assert main(["publish", "folder", "--repo", repo]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --repo {repo}: should be a name")
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_lists_what_was_committed(hub: WritableHub, tmp_path: Path) -> None:
    made = written(tmp_path / "s", **{"tables/a.parquet": "PAR1"})
    push(made, REPO)
    assert json.loads(hub.content(REPO)[MANIFEST])["files"] == made.files
