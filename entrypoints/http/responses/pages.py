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
    note_refusal: Callable[[HTTPScope, Exception], None]
    """Logs that a request was refused before routing. It is not called for requests of the API."""
    state: Mapping[str, Any]
    """What the pages need in the application's state."""


class ErrorResponses:
    """Responds to errors outside of the pages' routes: with a page for browsers, else with a problem document. A
    request of the API never gets a page."""

    def __init__(self, pages: Pages | None) -> None:
        self._pages = pages

    async def send(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response for an exception that the framework does not see."""
        request = Request[Any, Any, Any](scope)
        if self._pages is not None and not _is_of_api(request.scope):
            self._pages.note_refusal(request.scope, error)
        page = self._page(request, error)
        if page is None:
            await send_problem(error, scope, receive, send)
        else:
            await page.to_asgi_response(None, request)(scope, receive, send)

    def of_router(self, request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        """Returns the response for an exception that the framework handles. It is a page only if no handler ran:
        handlers outside of the pages respond with problem documents."""
        unrouted = isinstance(error, NotFoundException | MethodNotAllowedException)
        page = self._page(request, error) if unrouted else None
        return problem_response(request, error) if page is None else page

    def _page(self, request: Request[Any, Any, Any], error: Exception) -> Response[Any] | None:
        """The page, if there are pages and the request wants one."""
        if self._pages is None or _is_of_api(request.scope) or not _accepts_html(request.scope):
            return None
        return self._pages.error_page(request, error)


def _is_of_api(scope: HTTPScope) -> bool:
    path = scope["path"]
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def _accepts_html(scope: HTTPScope) -> bool:
    """Whether the request names HTML among what it accepts, as browsers do for pages."""
    ranges = ",".join(header_values(scope, b"accept")).split(",")
    return any(found is not None and found[0] == "text/html" for found in map(media_type, ranges))
