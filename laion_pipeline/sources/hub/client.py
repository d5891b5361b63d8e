"""Requests to the Hub: over its client's session, bounded in time, refused in plain words.

The client (`huggingface_hub`) has the addresses, the token, the session and the error classes. What
it leaves open is done here: its listing never times out, its downloads give up on a reset
connection or a server error at once, and its errors do not say what to do next.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from laion_pipeline.common.background import in_background
from laion_pipeline.errors import HubError, HubUnavailableError
from laion_pipeline.releases.release import Release
from laion_pipeline.sources.hub.environment import (
    proxy_for,
    public,
    require_endpoint,
    require_token,
    require_usable_environment,
)
from laion_pipeline.sources.hub.refusals import page_of, refusal
from laion_pipeline.sources.hub.retrying import ATTEMPTS, hub_retrying

if TYPE_CHECKING:
    from httpx2 import HTTPError, Response
    from huggingface_hub import RepoFile

# Below this a body does not move; a listing of LAION's has some hundred entries.
_SLOWEST_BYTES_PER_SECOND = 1000
_MOST_ENTRIES = 1_000_000
_LONGEST_ANSWER_BYTES = 100_000_000


class HubClient:
    """Asks the Hub for one release's dataset.

    Every method raises HubError when the Hub refuses and HubUnavailableError when it cannot be
    reached or does not answer.
    """

    def __init__(self, release: Release) -> None:
        require_usable_environment()
        from huggingface_hub import constants, get_token

        require_endpoint(constants.ENDPOINT)
        require_token(get_token() or "", "the token that the Hub's client has stored")
        self._release = release
        self._address = constants.ENDPOINT
        self._endpoint = public(self._address)
        self._timeout_seconds = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
        # How long an answer may take to begin, and its body to show that it moves.
        self._patience_seconds = 3 * self._timeout_seconds
        self.offline: bool = constants.is_offline_mode()

    @property
    def page(self) -> str:
        """The address of the dataset's page, for people, and to say where rows are from."""
        return page_of(self._release, self._endpoint)

    def commit(self, revision: str, attempts: int = ATTEMPTS) -> str:
        """The commit that a branch, a tag or a shortened commit stands for now."""
        address = self._api("revision", revision)
        for attempt in hub_retrying(f"revision {revision}", attempts):
            with attempt, self._open(address, revision) as response:
                answer = self._json(response, dict)
        commit = answer.get("sha")
        if not isinstance(commit, str) or not re.fullmatch(r"[0-9a-f]{40}", commit):
            raise self._strange_answer()
        return commit

    def files(self, commit: str) -> Iterator["RepoFile"]:
        """Every file of a commit, with its size and, where it is in large-file storage, sha256."""
        first = page = f"{self._api('tree', commit)}?recursive=true"
        asked: set[str] = set()
        listed: set[str] = set()
        while page:
            asked.add(page)
            for attempt in hub_retrying("the list of files"):
                with attempt, self._open(page, commit) as response:
                    entries = self._json(response, list)
                    following = _next_page(first, response.links.get("next", {}).get("url", ""))
            try:
                fresh = {entry["path"] for entry in entries} - listed
                yield from [_file(entry) for entry in entries if _is_file(entry["type"])]
            except (AttributeError, KeyError, TypeError) as error:
                raise self._strange_answer() from error
            listed |= fresh
            if following and (following in asked or not fresh or len(listed) > _MOST_ENTRIES):
                raise HubError(
                    f"{self._endpoint}: the list of files of {self._release.repo} does not end:"
                    f" after {len(asked)} pages with {len(listed):,} entries it names one more page"
                )
            page = following

    @contextmanager
    def open_file(self, path: str, commit: str, offset: int) -> Iterator["Response"]:
        """A file's bytes from `offset` on, as a response whose body has not been read yet."""
        from huggingface_hub import hf_hub_url

        address = hf_hub_url(
            self._release.repo, path, repo_type="dataset", revision=commit, endpoint=self._address
        )
        wanted = {"Range": f"bytes={offset}-"} if offset else {}
        with self._open(address, commit, wanted) as response:
            yield response

    def _api(self, what: str, revision: str) -> str:
        repo = f"{self._address}/api/datasets/{self._release.repo}"
        return f"{repo}/{what}/{quote(revision, safe='')}"

    @contextmanager
    def _open(
        self, address: str, revision: str, headers: Mapping[str, str] | None = None
    ) -> Iterator["Response"]:
        """An answer that has succeeded; faults while it is read are told in the same words."""
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

        from laion_pipeline import __version__

        sent = build_hf_headers(library_name="laion-pipeline", library_version=__version__)
        # What arrives is verified as it is stored, so it must not be compressed on the way.
        sent |= {"Accept-Encoding": "identity", **(headers or {})}
        try:
            with self._answered(address, sent) as response:
                hf_raise_for_status(response)
                yield response
        except HfHubHTTPError as error:
            raise refusal(error, self._release, revision, self._endpoint) from error
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise HubError(f"HF_ENDPOINT={self._endpoint}: not an address of a Hub") from error
        except httpx2.HTTPError as error:
            raise HubUnavailableError(_unreachable(error, address)) from error

    def chunks(self, response: "Response") -> Iterator[bytes]:
        """A body as it comes, each chunk as soon as it is there, for as long as it moves.

        A server that drips a byte now and then never lets a single read time out.
        """
        since, size_bytes = time.monotonic(), 0
        for chunk in response.iter_raw():
            size_bytes += len(chunk)
            yield chunk
            seconds = time.monotonic() - since
            if seconds > self._patience_seconds:
                if size_bytes < _SLOWEST_BYTES_PER_SECOND * seconds:
                    raise HubUnavailableError(
                        f"{self._endpoint} sends too slowly to go on: {size_bytes:,} bytes in"
                        f" {seconds:.0f} s"
                    )
                since, size_bytes = time.monotonic(), 0

    @contextmanager
    def _answered(self, address: str, headers: Mapping[str, str]) -> Iterator["Response"]:
        """An answer whose headers are there in time, however slowly they drip."""
        from huggingface_hub import get_session

        stream = get_session().stream(
            "GET", address, headers=headers, timeout=self._timeout_seconds
        )
        answer: Future[Response] = in_background(stream.__enter__)
        try:
            response = answer.result(self._patience_seconds)
        except TimeoutError as error:
            answer.add_done_callback(
                lambda late: late.exception() or stream.__exit__(None, None, None)
            )
            raise HubUnavailableError(
                f"{self._endpoint} does not finish its answer in {self._patience_seconds:.0f} s"
            ) from error
        try:
            yield response
        finally:
            stream.__exit__(None, None, None)

    def _json(self, response: "Response", shape: type) -> Any:
        body = bytearray()
        for chunk in self.chunks(response):
            body += chunk
            if len(body) > _LONGEST_ANSWER_BYTES:
                raise self._strange_answer()
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise self._strange_answer() from error
        if not isinstance(answer, shape):
            raise self._strange_answer()
        return answer

    def _strange_answer(self) -> HubError:
        return HubError(
            f"{self._endpoint} does not answer as the Hub does; is a proxy in between, or is"
            " HF_ENDPOINT wrong?"
        )


def _next_page(first: str, link: str) -> str:
    """The next page as the Hub that is configured has it, wherever a mirror's link leads.

    So no other host is asked, and none is given the token.
    """
    query = link.partition("?")[2]
    return f"{first.partition('?')[0]}?{query}" if query else ""


def _unreachable(error: "HTTPError", address: str) -> str:
    """Who could not be reached: the host that was asked, or the proxy before it."""
    import httpx2

    reason = str(error) or type(error).__name__
    try:
        asked = str(error.request.url)
    except RuntimeError:  # it was not sent
        asked = address
    proxy = proxy_for(asked)
    if proxy and isinstance(error, httpx2.ProxyError | httpx2.ConnectError | httpx2.ConnectTimeout):
        return f"the proxy {proxy} cannot be reached, or does not let through: {reason}"
    parts = urlsplit(public(asked))
    return f"{parts.scheme}://{parts.netloc} cannot be reached: {reason}"


def _is_file(kind: object) -> bool:
    if kind not in ("file", "directory"):  # rather than to pass over what may be a shard
        raise TypeError("an entry of a listing is a file or a directory")
    return kind == "file"


def _file(entry: dict[str, Any]) -> "RepoFile":
    from huggingface_hub import RepoFile

    file = RepoFile(**entry)  # type: ignore[no-untyped-call]
    if not (isinstance(file.path, str) and isinstance(file.size, int) and file.size >= 0):
        raise TypeError("a file has a path and a size")
    if file.lfs and not re.fullmatch(r"[0-9a-f]{64}", file.lfs.sha256):
        raise TypeError("a sha256 has 64 hexadecimal digits")
    return file
