"""The loopback Hub, seen through the real huggingface_hub client."""

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi, constants, file_download, hf_hub_url
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile, RepoFolder
from huggingface_hub.utils import _detect_agent
from huggingface_hub.utils._http import close_session

from tests.loopback_hub import (
    DISABLED,
    GATED,
    NO_ENTRY,
    NO_REPO,
    NO_REVISION,
    UNAUTHORIZED,
    Cut,
    Fault,
    Flip,
    Kind,
    LinkedSize,
    LoopbackHub,
    Slow,
    Stall,
    Status,
    Truncate,
)

REPO = "laion/tiny"
SHARD = "part-00000.parquet"
FILES: dict[str, bytes | Path] = {
    SHARD: bytes(range(256)) * 4000,
    "part-00001.parquet": b"one",
    "deep/part-00002.parquet": b"two",
}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[float]]:
    """Keep the client off the network and the cache, and collect its waits instead of waiting."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_detect_agent, "_registry", _detect_agent._EMPTY_REGISTRY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    close_session()
    yield slept
    close_session()


def shorten_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.1)
    monkeypatch.setattr(file_download, "_ETAG_RETRY_TIMEOUT", 0.1)


@pytest.fixture
def hub(waits: list[float]) -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        hub.publish(REPO, FILES)
        yield hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "shards"


def download(hub: LoopbackHub, folder: Path, name: str = SHARD, token: str | bool = False) -> bytes:
    api = HfApi(endpoint=hub.endpoint, token=token)
    revision = api.dataset_info(REPO).sha
    path = api.hf_hub_download(REPO, name, repo_type="dataset", revision=revision, local_dir=folder)
    return Path(path).read_bytes()


def listing(hub: LoopbackHub, recursive: bool = True) -> list[RepoFile | RepoFolder]:
    api = HfApi(endpoint=hub.endpoint, token=False)
    return list(api.list_repo_tree(REPO, recursive=recursive, repo_type="dataset"))


def files(hub: LoopbackHub) -> dict[str, RepoFile]:
    return {entry.path: entry for entry in listing(hub) if isinstance(entry, RepoFile)}


def kinds(hub: LoopbackHub) -> list[Kind]:
    return [request.kind for request in hub.requests]


def test_branches_and_commits_resolve_and_older_commits_stay(hub: LoopbackHub) -> None:
    api = HfApi(endpoint=hub.endpoint, token=False)
    old = api.dataset_info(REPO).sha
    new = hub.publish(REPO, {SHARD: b"new"})
    tag = hub.publish(REPO, {SHARD: b"tag"}, branch="refs/pr/1")
    assert len({old, new, tag}) == 3
    assert api.dataset_info(REPO, revision="main").sha == new
    assert api.dataset_info(REPO, revision="refs/pr/1").sha == tag
    assert api.dataset_info(REPO, revision=old).sha == old
    assert api.list_repo_files(REPO, revision=old, repo_type="dataset") == sorted(FILES)
    with pytest.raises(RevisionNotFoundError):
        api.dataset_info(REPO, revision="nowhere")
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info("laion/nowhere")


def test_commits_are_deterministic(waits: list[float]) -> None:
    commits = []
    for _ in range(2):
        with LoopbackHub() as hub:
            commits.append(hub.publish(REPO, FILES))
    assert commits[0] == commits[1]
    assert len(commits[0]) == 40


def test_tree_carries_lfs_hashes_and_folders(hub: LoopbackHub) -> None:
    shard = files(hub)[SHARD]
    assert shard.lfs is not None
    content = FILES[SHARD]
    assert isinstance(content, bytes)
    assert shard.lfs.sha256 == hashlib.sha256(content).hexdigest()
    assert shard.size == shard.lfs.size == len(content)
    assert [entry.path for entry in listing(hub) if isinstance(entry, RepoFolder)] == ["deep"]
    top = [entry.path for entry in listing(hub, recursive=False)]
    assert sorted(top) == ["deep", "part-00000.parquet", "part-00001.parquet"]


def test_info_carries_the_same_hashes_when_asked(hub: LoopbackHub) -> None:
    info = HfApi(endpoint=hub.endpoint, token=False).dataset_info(REPO, files_metadata=True)
    listed = files(hub)
    assert info.siblings is not None
    for sibling in info.siblings:
        entry = listed.pop(sibling.rfilename)
        assert (sibling.size, sibling.blob_id, sibling.lfs) == (
            entry.size,
            entry.blob_id,
            entry.lfs,
        )
    assert not listed


def test_small_files_can_be_plain_git_blobs(hub: LoopbackHub, folder: Path) -> None:
    hub.publish(REPO, FILES, plain_below_bytes=100)
    small = files(hub)["part-00001.parquet"]
    assert small.lfs is None
    assert small.blob_id == hashlib.sha1(b"blob 3\0one").hexdigest()
    assert files(hub)[SHARD].lfs is not None
    assert download(hub, folder, "part-00001.parquet") == b"one"


def test_tree_comes_in_pages(hub: LoopbackHub) -> None:
    names = [f"{number:02d}.parquet" for number in range(7)]
    hub.publish(REPO, dict.fromkeys(names, b"x"))
    hub.page_size = 3
    assert [entry.path for entry in listing(hub)] == names
    assert kinds(hub) == ["tree"] * 3


def test_a_later_page_can_fail(hub: LoopbackHub, waits: list[float]) -> None:
    hub.page_size = 1
    hub.inject(NO_REPO, "tree", skip=1)
    with pytest.raises(RepositoryNotFoundError):
        listing(hub)
    assert [request.status for request in hub.requests] == [200, 404]


def test_hostile_names_are_listed_as_published(hub: LoopbackHub, folder: Path) -> None:
    names = ["../evil.parquet", "/abs.parquet", "a\nb.parquet", "A.parquet", "a.parquet"]
    hub.publish(REPO, dict.fromkeys(names, b"x"))
    assert set(files(hub)) == set(names)
    assert download(hub, folder, "a\nb.parquet") == b"x"
    for name in names[:2]:
        with pytest.raises(ValueError, match="Invalid filename"):
            download(hub, folder, name)


def test_downloads_bytes_and_paths(hub: LoopbackHub, folder: Path, tmp_path: Path) -> None:
    on_disk = tmp_path / "on_disk"
    on_disk.write_bytes(bytes(range(256)) * 20_000)
    published = {**FILES, "part-00003.parquet": on_disk}
    hub.publish(REPO, published)
    for name, content in published.items():
        expected = content.read_bytes() if isinstance(content, Path) else content
        assert download(hub, folder, name) == expected
    assert hub.file_gets() == dict.fromkeys(published, 1)
    hub.clear_requests()
    assert download(hub, folder) == FILES[SHARD]
    assert kinds(hub) == ["revision"]


def test_redirects_to_storage_without_the_token(hub: LoopbackHub, folder: Path) -> None:
    with LoopbackHub(redirects=True) as redirecting:
        redirecting.publish(REPO, FILES)
        redirecting.gate(REPO, "hf_right")
        assert download(redirecting, folder, token="hf_right") == FILES[SHARD]
        assert kinds(redirecting) == ["revision", "head", "redirect"]
        assert redirecting.requests[1].authorization == "Bearer hf_right"
        assert redirecting.requests[2].authorization is None
        assert redirecting.file_gets() == {SHARD: 1}


def test_gate_wants_the_right_token(hub: LoopbackHub, folder: Path) -> None:
    hub.gate(REPO, "hf_right")
    assert download(hub, folder, token="hf_right") == FILES[SHARD]
    wrong: list[tuple[str | bool, int]] = [("hf_wrong", 403), (False, 401)]
    for token, status in wrong:
        with pytest.raises(GatedRepoError) as caught:
            download(hub, folder, token=token)
        assert caught.value.response.status_code == status


@pytest.mark.parametrize("fault", [Cut(300_000), Stall(300_000)])
def test_the_client_resumes(
    hub: LoopbackHub,
    folder: Path,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
) -> None:
    # The client keeps whole chunks only: with its own of 10 MiB it would have nothing to resume.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)
    if isinstance(fault, Stall):
        shorten_timeouts(monkeypatch)
    hub.inject(fault, "file", times=1)
    assert download(hub, folder) == FILES[SHARD]
    assert [r.range for r in hub.requests if r.kind == "file"] == [None, "bytes=300000-"]
    assert [r.status for r in hub.requests if r.kind == "file"] == [200, 206]
    assert waits == [1]


@pytest.mark.parametrize(
    ("wanted", "status", "content"),
    [
        ("bytes=1-", 206, b"ne"),
        ("bytes=0-0", 206, b"o"),
        ("bytes=-2", 206, b"ne"),
        ("bytes=1-99", 206, b"ne"),
        ("bytes=3-", 416, b""),
        ("lines=1-2", 200, b"one"),
    ],
)
def test_ranges(hub: LoopbackHub, wanted: str, status: int, content: bytes) -> None:
    url = hf_hub_url(REPO, "part-00001.parquet", repo_type="dataset", endpoint=hub.endpoint)
    response = httpx2.get(url, headers={"Range": wanted})
    assert (response.status_code, response.content) == (status, content)


@pytest.mark.parametrize(
    ("fault", "kind", "error"),
    [
        (UNAUTHORIZED, "head", HfHubHTTPError),
        (GATED, "revision", GatedRepoError),
        (GATED, "head", GatedRepoError),
        (DISABLED, "revision", DisabledRepoError),
        (DISABLED, "head", LocalEntryNotFoundError),
        (NO_REPO, "revision", RepositoryNotFoundError),
        (NO_REPO, "head", RepositoryNotFoundError),
        (NO_REVISION, "head", RevisionNotFoundError),
        (NO_ENTRY, "head", RemoteEntryNotFoundError),
        (NO_ENTRY, "file", RemoteEntryNotFoundError),
        (Status(429), "revision", HfHubHTTPError),
        (Status(503), "revision", HfHubHTTPError),
        (Status(503), "head", LocalEntryNotFoundError),
        (Status(503), "file", HfHubHTTPError),
        (Status(429), "file", HfHubHTTPError),
        (Cut(), "revision", httpx2.RemoteProtocolError),
        (Cut(), "head", httpx2.RemoteProtocolError),
        (Cut(), "file", httpx2.RemoteProtocolError),
        (Cut(reset=True), "revision", httpx2.ReadError),
        (Cut(reset=True), "head", httpx2.ReadError),
        (Cut(reset=True), "file", httpx2.ReadError),
        (Cut(1000, reset=True), "file", httpx2.ReadError),
        (Stall(), "head", LocalEntryNotFoundError),
        (Stall(0), "file", httpx2.ReadTimeout),
        (Truncate(1000), "file", OSError),
        (LinkedSize(7), "head", OSError),
    ],
    ids=str,
)
def test_fault_leads_to(
    hub: LoopbackHub,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    kind: Kind,
    error: type[Exception],
) -> None:
    if isinstance(fault, Stall):
        shorten_timeouts(monkeypatch)
    hub.inject(fault, kind)
    with pytest.raises(error) as caught:
        download(hub, folder)
    assert caught.type is error
    assert not (folder / SHARD).exists()
    hub.lift()
    assert download(hub, folder) == FILES[SHARD]


def test_flipped_bytes_go_unnoticed_by_the_client(hub: LoopbackHub, folder: Path) -> None:
    hub.inject(Flip(1000), "file", name="part-00000*")
    content = download(hub, folder)
    expected = FILES[SHARD]
    assert isinstance(expected, bytes)
    assert len(content) == len(expected)
    assert [i for i, byte in enumerate(content) if byte != expected[i]] == [1000]


def test_faults_meet_only_the_requests_they_are_for(hub: LoopbackHub, folder: Path) -> None:
    hub.inject(NO_ENTRY, "file", name="part-00001.parquet", times=1)
    assert download(hub, folder) == FILES[SHARD]
    with pytest.raises(RemoteEntryNotFoundError):
        download(hub, folder, "part-00001.parquet")
    assert download(hub, folder, "part-00001.parquet") == b"one"


def test_too_many_requests_says_when_to_return(
    hub: LoopbackHub, folder: Path, waits: list[float]
) -> None:
    hub.inject(Status(429, retry_after=7), "file", times=1)
    hub.inject(Status(429, rate_limit='"resolvers";r=0;t=55'), "file", times=1)
    assert download(hub, folder) == FILES[SHARD]
    assert waits == [8, 56]  # the client adds a second


@pytest.mark.parametrize("way", ["slow", "limited"])
def test_slow_bodies_arrive_whole_and_late(waits: list[float], folder: Path, way: str) -> None:
    rate = 8_000_000
    with LoopbackHub(bytes_per_second=rate if way == "limited" else None) as hub:
        hub.publish(REPO, FILES)
        if way == "slow":
            hub.inject(Slow(rate), "file")
        began = time.monotonic()
        assert download(hub, folder) == FILES[SHARD]
        assert time.monotonic() - began > 0.1


def test_closing_does_not_wait_for_a_stall(hub: LoopbackHub) -> None:
    hub.inject(Stall(10), "file")
    url = hf_hub_url(REPO, SHARD, repo_type="dataset", endpoint=hub.endpoint)
    with httpx2.stream("GET", url) as response:
        body = response.iter_raw()
        assert next(body) == bytes(range(10))
        hub.close()
        with pytest.raises(httpx2.RemoteProtocolError):
            next(body)


def test_serves_a_folder_from_the_command_line(tmp_path: Path, waits: list[float]) -> None:
    (tmp_path / "a.parquet").write_bytes(b"a")
    (tmp_path / "b.txt").write_bytes(b"b")
    command = [sys.executable, "-m", "tests.loopback_hub", str(tmp_path), "--repo", REPO]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        api = HfApi(endpoint=process.stdout.readline().strip(), token=False)
        assert api.list_repo_files(REPO, repo_type="dataset") == ["a.parquet"]
        process.terminate()
    assert process.returncode == 0
