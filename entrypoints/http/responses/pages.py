"""Web pages of the service: their routes, and pages for errors outside of these routes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, Router
from litestar.exceptions import MethodNotAllowedException, NotFoundException
from litestar.types import HTTPScope, Receive, Scope, Send

from entrypoints.http.requests.headers import header_values, media_type
from entrypoints.http.requests.parameters import PREFIX
from entrypoints.http.responses.errors import problem_response, send_problem

ErrorPage = Callable[[Request[Any, Any, Any], Exception], Response[Any]]


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of an application."""

    router: Callable[[], Router]
    """Makes the routes."""
    error_page: ErrorPage
    """The page for an error of a request that has no route of the router."""
    state: Mapping[str, Any]
    """What the pages need in the application's state."""


class ErrorResponses:
    """Responds to errors outside of the pages' routes: with a page for browsers, else with a problem document. A
    request of the API never gets a page."""

    def __init__(self, pages: Pages | None) -> None:
        self._page = None if pages is None else pages.error_page

    async def send(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response for an exception that the framework does not see."""
        request = Request[Any, Any, Any](scope)
        if self._page is None or not _wants_page(request.scope):
            await send_problem(error, scope, receive, send)
        else:
            await self._page(request, error).to_asgi_response(None, request)(scope, receive, send)

    def of_router(self, request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        """Returns the response for an exception that the framework handles. It is a page only if no handler ran:
        handlers outside of the pages respond with problem documents."""
        unrouted = isinstance(error, NotFoundException | MethodNotAllowedException)
        if self._page is not None and unrouted and _wants_page(request.scope):
            return self._page(request, error)
        return problem_response(request, error)


def _wants_page(scope: HTTPScope) -> bool:
    """Whether the request names HTML among what it accepts, as browsers do for pages, and is not for the API."""
    path = scope["path"]
    if path == PREFIX or path.startswith(f"{PREFIX}/"):
        return False
    ranges = ",".join(header_values(scope, b"accept")).split(",")
    return any(found is not None and found[0] == "text/html" for found in map(media_type, ranges))
