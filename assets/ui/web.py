"""The web application: Dagster's own, with a release's files beside it, behind one guard.

Dagster's server takes orders from whatever page its user's browser shows. The guard lets through
only what the UI's own pages and programs of this machine ask for.
"""

import mimetypes
import os
from collections.abc import Sequence
from pathlib import Path

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from assets.ui.links import EXPLORE, FILES
from laion_pipeline.common.serving import GUARDS, PAGE_HEADERS
from laion_pipeline.explore.page import explore_route
from laion_pipeline.paths import Paths
from laion_pipeline.report import SCRIPT_SOURCE

_FILE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline';"
        f" font-src 'self' data:; script-src {SCRIPT_SOURCE};"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    **PAGE_HEADERS,
}

# exports/<name>/<file>
_EXPORT_DEPTH = 3

mimetypes.add_type("application/vnd.apache.parquet", ".parquet")


def web_app(dagster: ASGIApp, paths: Paths) -> Starlette:
    """Dagster's application and a release's files, guarded."""
    return Starlette(
        routes=[
            Mount(FILES, ReleaseFiles(paths)),
            explore_route(EXPLORE, paths.search_index),
            Mount("/", dagster),
        ],
        middleware=[*GUARDS, Middleware(NoOrderByGet)],
    )


class ReleaseFiles(StaticFiles):
    """What a release's folder has for readers, and nothing else of it; only to be read."""

    def __init__(self, paths: Paths) -> None:
        super().__init__(directory=paths.root)
        self._root = Path(os.path.realpath(paths.root))
        shown = (paths.report, paths.lineage, paths.charts, paths.tables, paths.data_docs)
        self._shown = {path.name for path in shown}
        self._exports = paths.exports.name

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """The file of a path; none where it is not one of those shown, links followed."""
        file, found = super().lookup_path(path)
        if found is None or not self._is_shown(Path(file).relative_to(self._root).parts):
            return "", None
        return file, found

    def _is_shown(self, parts: Sequence[str]) -> bool:
        # Of an export its own files, and not the images that were downloaded into its folder.
        of_export = len(parts) == _EXPORT_DEPTH and parts[0] == self._exports
        return of_export or bool(self._shown.intersection(parts[:1]))

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The answer; its headers let a page load nothing from elsewhere and run one script."""
        response = await super().get_response(path, scope)
        response.headers.update(_FILE_HEADERS)
        return response


class NoOrderByGet:
    """Refuses a change that is asked for in an address, which any link does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse to."""
        if scope["type"] == "http" and (refusal := _order_by_get(HTTPConnection(scope))):
            await PlainTextResponse(f"refused: {refusal}\n", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _order_by_get(connection: HTTPConnection) -> str:
    """Why a query may not be sent in an address, which any link does; '' where it changes nothing.

    What cannot be parsed is left to Dagster, which parses it in the same way.
    """
    if connection.scope["method"] == "POST":
        return ""
    for query in connection.query_params.getlist("query"):
        try:
            document = parse(query)
        except GraphQLError:
            continue
        for each in document.definitions:
            if isinstance(each, OperationDefinitionNode) and each.operation != OperationType.QUERY:
                return "a mutation has to be sent by POST"
    return ""
