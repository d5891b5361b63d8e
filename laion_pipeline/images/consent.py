"""What a server says against the use of its images in training, in the headers of an answer."""

from collections.abc import Iterable, Iterator

from laion_pipeline import __version__

# How we call ourselves, and so what a rule for us alone would name.
AGENT = "laion-pipeline"
USER_AGENT = f"{AGENT}/{__version__} (small copies of a few images, to audit a dataset)"

# The usage that training is, of the IETF's AI preferences.
TRAIN = "train-ai"
_AGAINST = frozenset({"noai", "noimageai", "noindex", "noml", "none"})
# Directives of X-Robots-Tag with a value after a colon, where others have a program's name before.
_WITH_VALUE = ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")


def refusal(headers: Iterable[tuple[str, str]]) -> str:
    """The header by which an answer's images are not to be used so; '' where none says that.

    Directives of `X-Robots-Tag` count that are for all, or for us by name; of `Content-Usage`, the
    IETF's AI preferences, `train-ai=n`; of `TDM-Reservation` 1, that the rights to mine it are
    reserved.
    """
    for name, value in headers:
        match name.casefold():
            case "x-robots-tag" if against := _AGAINST.intersection(_directives(value)):
                return f"X-Robots-Tag: {min(against)}"
            case "content-usage" if reserves(value):
                return f"Content-Usage: {TRAIN}=n"
            case "tdm-reservation" if value.strip() == "1":
                return "TDM-Reservation: 1"
    return ""


def _directives(value: str) -> Iterator[str]:
    """The directives that are for us, in small letters."""
    ours = True
    for part in value.casefold().split(","):
        before, colon, after = part.partition(":")
        directive = part.strip()
        if colon and before.strip() not in _WITH_VALUE:
            ours = before.strip() in (AGENT, "*")
            directive = after.strip()
        if ours:
            yield directive


def reserves(usages: str) -> bool:
    """Whether usages, as `Content-Usage` has them, are against training.

    Parameters say nothing of it, and of several members the last counts (RFC 9651).
    """
    settings = {}
    for member in usages.casefold().split(","):
        usage, _, setting = member.partition(";")[0].partition("=")
        settings[usage.strip()] = setting.strip()
    return settings.get(TRAIN) == "n"
