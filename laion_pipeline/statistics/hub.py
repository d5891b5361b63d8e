"""Handing statistics on through the Hugging Face Hub, where somebody asks for that."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from laion_pipeline import __version__
from laion_pipeline.common.manifests import MANIFEST
from laion_pipeline.errors import HubError, HubUnavailableError, SettingsError
from laion_pipeline.sources.hub.environment import public, require_usable_environment
from laion_pipeline.text import displayable

if TYPE_CHECKING:
    from laion_pipeline.statistics.publishing import Statistics

_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_NOT_LET_IN = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_REASON_CHARACTERS = 300
# What is in these folders of a dataset is from here, now or before.
_OURS = ("tables/", "charts/")


def require_repo(repo: str) -> None:
    """See that a name can be one of a dataset.

    Raises SettingsError.
    """
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        raise SettingsError(f"--repo {displayable(repo)}: should be a name, such as you/statistics")


def push(made: "Statistics", repo: str) -> str:
    """Commit what was written to the dataset `repo`, all of it at once; the commit's address.

    One that is not there yet is made, for your own eyes only. Tables and charts there that are not
    among what was written go; all else stays.

    Raises SettingsError where the environment is not fit for it, HubError when the Hub refuses, and
    HubUnavailableError when it cannot be reached.
    """
    require_repo(repo)
    require_usable_environment()
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi(library_name="laion-pipeline", library_version=__version__)
    names = [*made.files, MANIFEST]
    with _told(repo, api.endpoint):
        api.create_repo(repo, repo_type="dataset", private=True, exist_ok=True)
        there = api.list_repo_files(repo, repo_type="dataset")
        gone = [name for name in there if name.startswith(_OURS) and name not in names]
        commit = api.create_commit(
            repo,
            [
                *(CommitOperationDelete(name) for name in gone),
                *(CommitOperationAdd(name, made.folder / name) for name in names),
            ],
            commit_message=f"Statistics of {made.release} at revision {made.revision}",
            repo_type="dataset",
        )
    return str(commit.commit_url)


@contextmanager
def _told(repo: str, endpoint: str) -> Iterator[None]:
    """Errors of the client as one line that says what to do."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in _NOT_LET_IN:
            raise HubError(
                f"{repo} cannot be written: set HF_TOKEN to a token that may write there (answer"
                f" {status})"
            ) from error
        said = displayable(error.server_message or error.response.reason_phrase, _REASON_CHARACTERS)
        raise HubError(
            f"{repo} cannot be written: {public(endpoint)}: {said} ({status})"
        ) from error
    except (httpx2.HTTPError, OSError) as error:
        raise HubUnavailableError(
            f"{public(endpoint)} cannot be reached ({type(error).__name__}); what was written stays"
        ) from error
