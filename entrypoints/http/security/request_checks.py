"""Checks of every request before routing."""

from collections.abc import Collection

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.exceptions import NotFoundException
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from entrypoints.http.responses.errors import send_problem
from entrypoints.http.security.canonical_path import CanonicalPaths
from entrypoints.http.security.origin_check import check_origin
from entrypoints.http.security.single_headers import check_single_headers


class RequestChecks:
    """ASGI middleware. Checks the spelling of the path, repeated headers, and the origin of changes."""

    def __init__(self, app: ASGIApp, routes: Litestar, origins: Collection[str]) -> None:
        """`origins`: further origins whose pages may change operations."""
        self._app = app
        self._paths = CanonicalPaths(routes)
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            try:
                self._check(scope)
            except Exception as error:
                await send_problem(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: HTTPScope) -> None:
        if not self._paths.has(scope):
            raise NotFoundException
        check_single_headers(scope)
        check_origin(scope, self._origins)
