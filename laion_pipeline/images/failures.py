"""Why there is no image at an address: the one error that everything about an image ends in."""

from typing import Literal

from laion_pipeline.text import displayable

# dead: nobody answers, or says that there is nothing. opted out: its owner wants no such use.
# refused: we do not ask there. unusable: what came is no image that can be shown.
Failure = Literal["dead", "opted out", "refused", "unusable"]
_CHARACTERS = 200


class NoImageError(Exception):
    """There is no image, of which kind of `failure`, and why in words fit to be shown.

    `status` is that of HTTP, where an answer's status is why.
    """

    def __init__(self, failure: Failure, reason: str, status: int | None = None) -> None:
        self.reason = displayable(reason, _CHARACTERS)
        super().__init__(f"{failure}: {self.reason}")
        self.failure: Failure = failure
        self.status = status
