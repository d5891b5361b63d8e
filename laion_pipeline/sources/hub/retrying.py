"""How often and after how long a request to the Hub is tried again."""

import logging
from functools import partial

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from laion_pipeline.errors import HubUnavailableError

logger = logging.getLogger(__name__)

ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 300.0

_backoff = wait_random_exponential(multiplier=0.5, max=8)


def hub_retrying(what: str, attempts: int = ATTEMPTS) -> Retrying:
    """Tries for `what` some times where there is no answer, and once where it is refused.

    Waits as long as the Hub asks, up to LONGEST_WAIT_SECONDS, or else longer each time, at random.
    """
    return Retrying(
        retry=retry_if_exception(_is_worth_retrying),
        stop=stop_after_attempt(attempts),
        wait=_wait,
        before_sleep=partial(_say, what),
        reraise=True,
    )


def _is_worth_retrying(error: BaseException) -> bool:
    return (
        isinstance(error, HubUnavailableError) and error.retry_after_seconds <= LONGEST_WAIT_SECONDS
    )


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_seconds if isinstance(error, HubUnavailableError) else 0.0
    return max(asked, _backoff(state))


def _say(what: str, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    seconds = state.next_action.sleep if state.next_action else 0.0
    logger.info("%s: %s; trying again in %.1f s", what, error, seconds)
