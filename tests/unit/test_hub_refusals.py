"""Refusals: one request, one line that says what to do, and the token nowhere."""

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from laion_pipeline.errors import HubError, HubUnavailableError, LaionError, TransientError
from laion_pipeline.releases.release import find_release
from laion_pipeline.sources.hub.source import HubSource
from tests.hub_fixtures import (
    REPO,
    TOKEN,
    Site,
    all_logged,
    hub_site,
    is_one_clear_line,
    small_shards,
)
from tests.loopback_hub import (
    DISABLED,
    GATED,
    NO_REPO,
    NO_REVISION,
    NO_TOKEN,
    UNAUTHORIZED,
    Cut,
    Fault,
    Flip,
    Kind,
    Status,
)

ADVICE = {
    "unauthorized": (UNAUTHORIZED, ("HF_TOKEN", "token")),
    "gated-no-token": (NO_TOKEN, ("accept its terms at {page}", "HF_TOKEN")),
    "gated": (GATED, ("accept its terms at {page}", "HF_TOKEN")),
    "disabled": (DISABLED, ("disabled", "{page}")),
    "no-repo": (NO_REPO, ("check the name", "HF_TOKEN")),
    "no-revision": (NO_REVISION, ("revision", "LAION_REVISION", "{page}")),
    "forbidden": (Status(403, message="no"), ("HF_TOKEN", "{page}")),
    "gone": (Status(410), ("check the name",)),
    "teapot": (Status(418), ("418",)),
}
KINDS: list[Kind] = ["revision", "tree", "file"]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    with hub_site(monkeypatch, tmp_path) as site:
        yield site


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("refusal", "advice"), ADVICE.values(), ids=ADVICE)
def test_refused_is_not_asked_again(
    site: Site, kind: Kind, refusal: Status, advice: tuple[str, ...]
) -> None:
    site.hub.inject(refusal, kind)
    with pytest.raises(LaionError) as caught:
        site.prepare()
    message = str(caught.value)
    assert not isinstance(caught.value, HubUnavailableError)
    assert not isinstance(caught.value, TransientError)
    assert is_one_clear_line(message)
    page = f"{site.hub.endpoint}/datasets/{REPO}"
    assert REPO in message
    for words in advice:
        assert words.format(page=page) in message
    # Each file is refused by itself, but what to do about it is said once.
    assert message.count(f"(answer {refusal.code})") <= 1
    assert site.kinds()[kind] == (8 if kind == "file" else 1)
    assert site.waits == []
    assert site.files() == {}


def test_gate_without_a_token_and_with_a_wrong_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.hub.gate(REPO, TOKEN)
    with pytest.raises(HubError, match=r"gated.*then set HF_TOKEN"):
        site.prepare()
    monkeypatch.setenv("HF_TOKEN", "hf_ofSomebodyElse")
    with pytest.raises(HubError, match=r"gated.*has not been let in"):
        site.prepare()
    assert [request.status for request in site.hub.requests] == [401, 403]
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert site.refresh().rows == 2000


def test_a_token_file_is_read_too(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    site.hub.gate(REPO, TOKEN)
    assert site.refresh().rows == 2000


def test_names_what_is_really_missing(site: Site, tmp_path: Path) -> None:
    """As the hub itself answers, with nothing injected."""
    release = find_release("laion2B-en-aesthetic")
    with pytest.raises(HubError, match="no revision v9: check LAION_REVISION"):
        HubSource(release, "v9", tmp_path, 1).list_shards()
    with pytest.raises(HubError, match="no revision a/b c: check LAION_REVISION"):
        HubSource(release, "a/b c", tmp_path, 1).list_shards()
    other = find_release("laion2B-multi-aesthetic")
    with pytest.raises(HubError, match="laion/laion2B-multi-aesthetic is not on"):
        HubSource(other, "main", tmp_path, 1).list_shards()
    site.hub.publish(REPO, {"README.md": b"empty"})
    with pytest.raises(HubError, match=r"has no file \*\.parquet at revision main"):
        site.listing()


def test_withdrawn_release_names_its_successor(site: Site, tmp_path: Path) -> None:
    with pytest.raises(HubError, match="relaion2B-en-research in its place"):
        HubSource(find_release("laion2B-en"), "main", tmp_path, 1).list_shards()


TROUBLE: dict[str, tuple[Fault | None, Kind]] = {
    "none": (None, "file"),
    "refused": (GATED, "revision"),
    "unauthorized": (UNAUTHORIZED, "tree"),
    "refused-file": (GATED, "file"),
    "unavailable": (Status(503), "file"),
    "cut": (Cut(100), "file"),
    "flipped": (Flip(100), "file"),
    "not-there": (NO_REPO, "revision"),
}


@pytest.mark.parametrize("redirects", [False, True], ids=["direct", "redirects"])
@pytest.mark.parametrize(("fault", "kind"), TROUBLE.values(), ids=TROUBLE)
def test_the_token_is_nowhere(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fault: Fault | None,
    kind: Kind,
    redirects: bool,
) -> None:
    with hub_site(monkeypatch, tmp_path, redirects=redirects) as site:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        if fault:
            site.hub.inject(fault, kind)
        told = ""
        with all_logged() as lines:
            try:
                site.refresh()
            except LaionError as error:
                told = "".join(traceback.format_exception(error)) + repr(error)
        sent = [r for r in site.hub.requests if r.kind != "redirect"]
        assert {request.authorization for request in sent} == {f"Bearer {TOKEN}"}
        assert bool(told) == (
            fault is not None and (not redirects or kind != "file" or not is_in_bytes(fault))
        )
        assert TOKEN not in told
        assert not [line for line in lines if TOKEN in line]
        assert TOKEN.encode() not in site.everything_written()


def is_in_bytes(fault: Fault) -> bool:
    """Whether it spoils a body: the redirect to the storage has none."""
    return isinstance(fault, Cut | Flip)


def test_shards_that_were_let_through_are_kept(site: Site) -> None:
    names = sorted(small_shards())
    for name in names[6:]:
        site.hub.inject(GATED, "file", name=name)
    with pytest.raises(LaionError) as caught:
        site.prepare()
    assert sorted(site.files()) == names[:6]
    assert all(name in str(caught.value) for name in names[6:])
    site.hub.lift()
    site.hub.clear_requests()
    assert site.refresh().rows == 2000
    assert site.hub.file_gets() == dict.fromkeys(names[6:], 1)
