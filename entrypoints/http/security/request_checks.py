"""Checks that every request passes before it is routed, on the fast path as on the framework's."""

from collections.abc import Collection
from typing import Any

from litestar import Litestar, Request
from litestar.enums import ScopeType
from litestar.exceptions import NotFoundException
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from entrypoints.http.requests.canonical_path import CanonicalPaths
from entrypoints.http.requests.single_headers import check_single_headers
from entrypoints.http.responses.errors import answer
from entrypoints.http.security.origin_check import check_origin


class RequestChecks:
    """ASGI middleware: the path's spelling, repeated headers, and the origin of a change."""

    def __init__(self, app: ASGIApp, routes: Litestar, origins: Collection[str]) -> None:
        """`origins`: those other than the API's own whose pages may change operations."""
        self._app = app
        self._paths = CanonicalPaths(routes)
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            try:
                self._check(scope)
            except Exception as error:
                request = Request[Any, Any, Any](scope)
                await answer(request, error).to_asgi_response(None, request)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: HTTPScope) -> None:
        if not self._paths.has(scope):
            raise NotFoundException
        check_single_headers(scope)
        check_origin(scope, self._origins)
