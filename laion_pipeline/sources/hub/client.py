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
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from laion_pipeline.common.background import in_background
from laion_pipeline.errors import HubError, HubUnavailableError, OffsetRefusedError, SettingsError
from laion_pipeline.releases.release import Release
from laion_pipeline.sources.hub.retrying import ATTEMPTS, hub_retrying

if TYPE_CHECKING:
    from httpx2 import Response
    from huggingface_hub import RepoFile

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_GONE = frozenset({404, 410, 451})
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
        try:
            from huggingface_hub import constants
        except ValueError as error:
            raise SettingsError(f"a variable HF_* is wrong: {error}") from error

        self._release = release
        self._endpoint = constants.ENDPOINT
        self._timeout_seconds = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
        # How long an answer may take to begin, and its body to show that it moves.
        self._patience_seconds = 3 * self._timeout_seconds
        self.offline: bool = constants.is_offline_mode()

    @property
    def page(self) -> str:
        """The address of the dataset's page, for people."""
        return f"{self._endpoint}/datasets/{self._release.repo}"

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
        page = f"{self._api('tree', commit)}?recursive=true"
        asked: set[str] = set()
        listed: set[str] = set()
        while page:
            asked.add(page)
            for attempt in hub_retrying("the list of files"):
                with attempt, self._open(page, commit) as response:
                    entries = self._json(response, list)
                    following = response.links.get("next", {}).get("url", "")
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
            self._release.repo, path, repo_type="dataset", revision=commit, endpoint=self._endpoint
        )
        wanted = {"Range": f"bytes={offset}-"} if offset else {}
        with self._open(address, commit, wanted) as response:
            yield response

    def _api(self, what: str, revision: str) -> str:
        repo = f"{self._endpoint}/api/datasets/{self._release.repo}"
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
            raise self._refusal(error, revision) from error
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise HubError(f"HF_ENDPOINT={self._endpoint}: not an address of a Hub") from error
        except httpx2.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise HubUnavailableError(f"{self._endpoint} cannot be reached: {reason}") from error

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

    def _refusal(self, error: Exception, revision: str) -> HubError:
        """What a refusal means, and what to do about it."""
        from huggingface_hub import errors

        assert isinstance(error, errors.HfHubHTTPError)
        status = error.response.status_code
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return OffsetRefusedError(f"{self._endpoint} has fewer bytes of it than it lists")
        if status in _TRANSIENT:
            wait_seconds = _retry_after_seconds(error.response.headers)
            asked = f", and asks to wait {wait_seconds:.0f} s" if wait_seconds else ""
            reason = f"{status} {error.response.reason_phrase}".rstrip()
            return HubUnavailableError(
                f"{self._endpoint} answers {reason}{asked}", retry_after_seconds=wait_seconds
            )
        repo, page = self._release.repo, self.page
        absent = (
            f"is not on {self._endpoint}, or is private: check the name of the release's repo, or"
            f" set HF_TOKEN to a token that may read it{self._successor}"
        )
        # The first that fits; the classes before the bare statuses, which they share.
        meanings: list[tuple[bool, str]] = [
            (isinstance(error, errors.GatedRepoError) and status == 401,
             f"is gated: accept its terms at {page}, then set HF_TOKEN to a token of the account"
             " that did"),
            (isinstance(error, errors.GatedRepoError),
             "is gated, and the account of HF_TOKEN has not been let in: accept its terms at"
             f" {page}"),
            (isinstance(error, errors.DisabledRepoError),
             f"has been disabled on the Hub; see {page}{self._successor}"),
            (isinstance(error, errors.RevisionNotFoundError),
             f"has no revision {revision}: check LAION_REVISION against {page}/commits"),
            (isinstance(error, errors.EntryNotFoundError),
             f"lists a file at revision {revision} that it does not have; see {page}"),
            (isinstance(error, errors.RepositoryNotFoundError), absent),
            (status == 401,
             f"cannot be read: the Hub does not accept the token in HF_TOKEN; {page}"),
            (status == 403, f"may not be read with the token in HF_TOKEN; see {page}"),
            (status in _GONE, absent),
        ]  # fmt: skip
        for fits, meaning in meanings:
            if fits:
                return HubError(f"{repo} {meaning} (answer {status})")
        return HubError(f"{repo} cannot be read: {self._endpoint} answers {status}")

    @property
    def _successor(self) -> str:
        name = self._release.successor
        return f"; LAION has released {name} in its place" if name else ""


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


def _retry_after_seconds(headers: Mapping[str, str]) -> float:
    from huggingface_hub.utils import parse_ratelimit_headers

    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds)
    text = headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, until.timestamp() - time.time())
