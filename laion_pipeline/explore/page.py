"""The page that searches: plain HTML, complete without a script, read-only.

What it shows is strangers' text; images are fetched only when their button is pressed.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from urllib.parse import urlencode

from jinja2 import Template
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from laion_pipeline.common.serving import GUARDS, PAGE_HEADERS
from laion_pipeline.errors import SettingsError, WarehouseError
from laion_pipeline.explore.asked import MOST_PAGES, PAGE_PAIRS, SAFE, SIDE, Asked, orders_of
from laion_pipeline.explore.index import IndexFacts
from laion_pipeline.explore.search import COMMON_SHARE, Explorer, Found, Look
from laion_pipeline.images import Thumbnail, fetch_all
from laion_pipeline.images.requests import Network
from laion_pipeline.releases.columns import SCORES
from laion_pipeline.report import BLURRED_FROM, Card, page_environment

_HEADERS = {
    **PAGE_HEADERS,
    # With no referrer at all, a browser does not say whose form it sends.
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
}
_OK, _BAD_REQUEST, _NOT_FOUND, _FAILED = 200, 400, 404, 500
_NOTHING = "nothing to search yet: set LAION_EXPLORE=true, and materialize search_index"


def explore_route(path: str, place: Path, network: Network | None = None) -> Route:
    """The page at `path`, which searches the index in the folder `place`."""
    return Route(path, _Page(Explorer(place), network or Network()).answer, methods=["GET", "POST"])


def explore_app(place: Path, network: Network | None = None) -> Starlette:
    """The page by itself, for this machine's user only."""
    return Starlette(routes=[explore_route("/", place, network)], middleware=GUARDS)


class _Page:
    """Answers requests: one that is posted fetches the images of what it finds, too."""

    def __init__(self, explorer: Explorer, network: Network) -> None:
        self._explorer, self._network = explorer, network
        self._fetching = Lock()  # for one page at a time

    def answer(self, request: Request) -> HTMLResponse:
        """The page for what a request asks for."""
        given = dict(request.query_params)
        try:
            look = self._explorer.look()
            if look is None:
                return _response(_NOT_FOUND, given, wrong=_NOTHING)
            return self._found(look, given, fetches=request.method == "POST")
        except WarehouseError as error:
            return _response(_FAILED, given, wrong=str(error))

    def _found(self, look: Look, given: Mapping[str, str], *, fetches: bool) -> HTMLResponse:
        try:
            asked = Asked.read(given, look.facts)
        except SettingsError as error:
            return _response(_BAD_REQUEST, given, facts=look.facts, wrong=str(error))
        found = look.find(asked) if given else None
        fetched = self._images(found) if found and fetches else {}
        return _response(_OK, given, facts=look.facts, asked=asked, found=found, fetched=fetched)

    def _images(self, found: Found) -> Mapping[str, Thumbnail]:
        with self._fetching:
            return fetch_all([str(row["url"]) for row in found.rows], self._network)


def _response(
    status: int,
    given: Mapping[str, str],
    *,
    facts: IndexFacts | None = None,
    asked: Asked | None = None,
    found: Found | None = None,
    fetched: Mapping[str, Thumbnail] | None = None,
    wrong: str = "",
) -> HTMLResponse:
    scores = [score for score in SCORES.values() if facts and score.name in facts.scores]
    cards = [Card(row, (fetched or {}).get(str(row["url"]))) for row in found.rows] if found else []
    page = _template().render(
        facts=facts,
        asked=asked,
        found=found,
        cards=cards,
        wrong=wrong,
        said=lambda name: {"punsafe_to": f"{SAFE:g}", **given}.get(name, ""),
        link=lambda **changed: "?" + urlencode({**given, **changed}),
        toml=asked.toml(facts) if asked and facts else "",
        ranges=[*((score.name, score.label) for score in scores), (SIDE, "shorter side, in px")],
        orders=orders_of(facts) if facts else [],
        scores=[score.name for score in scores],
        unsafe=facts.unsafe_from if facts else 0,
        blurred_from=BLURRED_FROM,
        page_pairs=PAGE_PAIRS,
        most_pages=MOST_PAGES,
        common_share=COMMON_SHARE,
    )
    return HTMLResponse(page, status, _HEADERS)


@cache
def _template() -> Template:
    return page_environment("explore").get_template("explore.html")
