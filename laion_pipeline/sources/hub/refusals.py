"""What the Hub means when it refuses, and what to do about it."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from laion_pipeline.errors import HubError, HubUnavailableError, OffsetRefusedError
from laion_pipeline.releases.release import Release

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_GONE = frozenset({404, 410, 451})


def page_of(release: Release, endpoint: str) -> str:
    """The address of a release's page on a Hub."""
    return f"{endpoint}/datasets/{release.repo}"


def refusal(error: "HfHubHTTPError", release: Release, revision: str, endpoint: str) -> HubError:
    """What a refusal means, and what to do about it; `endpoint` is the Hub's public address."""
    from huggingface_hub import errors

    status = error.response.status_code
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return OffsetRefusedError(f"{endpoint} has fewer bytes of it than it lists")
    if status in _TRANSIENT:
        wait_seconds = _retry_after_seconds(error.response.headers)
        asked = f", and asks to wait {wait_seconds:.0f} s" if wait_seconds else ""
        reason = f"{status} {error.response.reason_phrase}".rstrip()
        return HubUnavailableError(
            f"{endpoint} answers {reason}{asked}", retry_after_seconds=wait_seconds
        )
    repo, page = release.repo, page_of(release, endpoint)
    successor = (
        f"; LAION has released {release.successor} in its place" if release.successor else ""
    )
    absent = (
        f"is not on {endpoint}, or is private: check the name of the release's repo, or"
        f" set HF_TOKEN to a token that may read it{successor}"
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
         f"has been disabled on the Hub; see {page}{successor}"),
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
    return HubError(f"{repo} cannot be read: {endpoint} answers {status}")


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
