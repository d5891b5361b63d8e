"""What the Hub's client reads of the environment: seen to be of use, and no secret ever shown."""

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from huggingface_hub import close_session

from laion_pipeline.errors import HubUnavailableError, LaionError, SettingsError
from laion_pipeline.session import Session
from laion_pipeline.sources.hub.environment import public
from tests.hub_fixtures import (
    REPO,
    Reply,
    Site,
    hub_site,
    is_one_clear_line,
    json_reply,
    scripted_server,
    use_endpoint,
)
from tests.loopback_hub import Status

SECRET = "geheim"
SWITCHES = (
    "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DEBUG", "HF_HUB_DISABLE_XET",
    "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS", "HF_HUB_DISABLE_SYMLINKS",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_HUB_ENABLE_HF_TRANSFER", "HUGGINGFACE_CO_STAGING",
    "HF_XET_HIGH_PERFORMANCE", "HF_HUB_DISABLE_SYMLINKS_WARNING",
)  # fmt: skip
NONSENSE: dict[str, tuple[str, str]] = {
    **dict.fromkeys(SWITCHES, ("nonsense\x01", "should be 1 or 0")),
    "HF_HUB_DOWNLOAD_TIMEOUT": ("soon", "should be a whole number of seconds"),
    "HF_HUB_ETAG_TIMEOUT": ("-1", "should be a whole number of seconds"),
    "HF_HUB_VERBOSITY": ("loud", "should be debug, info"),
    "HF_HUB_USER_AGENT_ORIGIN": ("a\nb", "should be plain ASCII text"),
    "HF_TOKEN": (f"hf_{SECRET}\nX", "no request can carry"),
    "HUGGING_FACE_HUB_TOKEN": (f"hf_é{SECRET}", "no request can carry"),
    "HF_ENDPOINT": (f"ftp://me:{SECRET}@hub.example", "=ftp://hub.example: not an address"),
    "HTTP_PROXY": (f"gopher://me:{SECRET}@proxy.example", "=gopher://proxy.example: not an"),
    "HTTPS_PROXY": (f"http://me:{SECRET}@proxy.example:no", "=http://proxy.example:no: not an"),
    "ALL_PROXY": ("socks5://127.0.0.1:1", "needs the package socksio"),
    "SSL_CERT_FILE": ("/none/at/all.pem", "no such file"),
    "SSL_CERT_DIR": ("/none/at/all", "no such folder"),
}  # fmt: skip


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    with hub_site(monkeypatch, tmp_path) as site:
        for name in NONSENSE:
            monkeypatch.delenv(name, raising=False)
        yield site


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_refused_before_anything_is_asked(
    site: Site, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, words = NONSENSE[name]
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        Session.open().open_source()
    told = str(caught.value)
    assert told.startswith(name)
    assert words in told
    assert SECRET not in told
    assert is_one_clear_line(told)
    assert caught.value.exit_status == 2
    assert not site.hub.requests


def test_a_file_of_no_certificates_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "no.pem").write_text("nothing")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "no.pem"))
    with pytest.raises(SettingsError, match=r"^SSL_CERT_FILE=.*holds no certificates"):
        Session.open().open_source()
    assert not site.hub.requests


@pytest.mark.parametrize("value", ["", "1", "TRUE", "off", "No"])
def test_a_switch_may_be_set_in_any_usual_way(
    site: Site, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_DISABLE_XET", value)
    monkeypatch.setenv("HF_TOKEN", " hf_good\n")  # as `export HF_TOKEN=$(cat file)` may leave it
    assert site.refresh().rows == 2000


def test_a_proxy_that_is_down_is_named_and_not_the_hub(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = f"127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setenv("HTTP_PROXY", f"http://me:{SECRET}@{proxy}")
    monkeypatch.setenv("NO_PROXY", "")
    close_session()
    with pytest.raises(HubUnavailableError) as caught:
        site.prepare()
    told = str(caught.value)
    assert told.startswith(f"the proxy HTTP_PROXY=http://{proxy} cannot be reached")
    assert SECRET not in told
    assert site.hub.endpoint not in told


def test_a_password_in_the_endpoint_is_kept_nowhere(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_endpoint(monkeypatch, site.hub.endpoint.replace("//", f"//me:{SECRET}@"))
    assert site.refresh().rows == 2000
    assert site.listing_on_disk().origin == f"{site.hub.endpoint}/datasets/{REPO}"
    assert SECRET.encode() not in site.everything_written()
    site.hub.inject(Status(404), "revision")
    with pytest.raises(LaionError) as caught:
        site.prepare()
    assert SECRET not in str(caught.value)


def test_pages_and_the_token_stay_with_the_hub_that_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, site: Site
) -> None:
    """As those of a mirror, whose answers name the Hub that it mirrors."""
    strangers: list[Mapping[str, str]] = []

    def stranger(_path: str, headers: Mapping[str, str]) -> Reply:
        strangers.append(headers)
        return json_reply([])

    def pages(path: str, _headers: Mapping[str, str]) -> Reply:
        if "/revision/" in path:
            return json_reply({"sha": "c" * 40})
        number = 1 if "cursor" in path else 0
        entry = {
            "type": "file", "path": f"part-{number}.parquet", "size": 9, "oid": "0" * 40,
            "lfs": {"oid": "0" * 64, "size": 9, "pointerSize": 1},
        }  # fmt: skip
        body = json.dumps([entry]).encode()
        link = (
            {} if number else {"Link": f'<{elsewhere}/api/x?cursor=7&recursive=true>; rel="next"'}
        )
        return 200, {"Content-Type": "application/json", **link}, body

    monkeypatch.setenv("HF_TOKEN", "hf_good")
    with scripted_server(monkeypatch, stranger):
        from huggingface_hub import constants

        elsewhere = constants.ENDPOINT
        with scripted_server(monkeypatch, pages) as asked:
            listing = site.listing()
    assert [shard.path for shard in listing.shards] == ["part-0.parquet", "part-1.parquet"]
    assert any(path.endswith("?cursor=7&recursive=true") for path in asked)
    assert not strangers


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://huggingface.co", "https://huggingface.co"),
        ("https://me:pass@hub.example:1/a?b=c#d", "https://hub.example:1/a"),
        ("https://me@hub.example", "https://hub.example"),
        ("//me:pass@hub.example", "//hub.example"),
        ("me:pass@hub.example", "hub.example"),
        ("https://hub.example/a@b", "https://hub.example/a@b"),
        ("nonsense", "nonsense"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert public(address) == shown
