"""Checks of every request before routing."""

from collections.abc import Awaitable, Callable, Collection

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.exceptions import NotFoundException
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from entrypoints.http.security.canonical_path import CanonicalPaths
from entrypoints.http.security.origin_check import check_origin
from entrypoints.http.security.single_headers import check_single_headers

SendError = Callable[[Exception, Scope, Receive, Send], Awaitable[None]]


class RequestChecks:
    """ASGI middleware. Checks the spelling of the path, repeated headers, and the origin of changes."""

    def __init__(self, app: ASGIApp, routes: Litestar, origins: Collection[str], refuse: SendError) -> None:
        """`origins`: further origins whose pages may change operations. `refuse` sends the response for an error."""
        self._app = app
        self._paths = CanonicalPaths(routes)
        self._origins = frozenset(origins)
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            try:
                self._check(scope)
            except Exception as error:
                await self._refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: HTTPScope) -> None:
        if not self._paths.has(scope):
            raise NotFoundException
        check_single_headers(scope)
        check_origin(scope, self._origins)
