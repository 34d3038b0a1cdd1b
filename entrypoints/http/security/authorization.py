"""Authorizes requests by the scope that each route declares as `scope=`.

A guard checks it before the body is read and before the handler runs. The router's own refusals (404, 405) need no
credentials.
"""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import HTTPScope, WebSocketScope

from application.access.stream_tickets import StreamTicketService
from application.ports.storage.unit_of_work import DatabaseUnavailable
from application.ports.token_verifier import IdentityProviderUnavailable
from domain.access.principal import Principal
from domain.access.scope import Scope, check_scope
from entrypoints.http.requests.headers import header_values
from entrypoints.http.security.authentication import Access
from entrypoints.http.security.host_check import ANY_HOST, check_host
from entrypoints.http.security.tickets import TAKES_TICKETS, take_ticket
from entrypoints.http.services import SERVICES, HttpServices

PUBLIC: Final = "public"
"""Declared instead of a scope by routes that need no credentials."""
ACCESS: Final = "access"
"""Key of the application's state: its Access."""
CALLER: Final = "caller"
"""Option of a route whose caller may be known by other means than the header Authorization: its FindCaller."""
FindCaller = Callable[[HTTPScope | WebSocketScope, Access, bool], Awaitable[Principal]]
"""The last argument: whether the request counts towards the caller's rate limit."""
"""Returns the caller. Raises the errors of `Access.principal`."""


async def authorize(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard of all routes. Raises the errors of `authorized` and `check_own_host`."""
    access: Access = connection.app.state[ACCESS]
    if not handler.opt.get(ANY_HOST):
        check_own_host(connection.scope, access)
    needed = _needed(handler, str(connection.scope.get("method")))
    if needed is None:
        return
    find_caller: FindCaller | None = handler.opt.get(CALLER)
    if find_caller is not None:
        connection.scope["user"] = principal = await find_caller(connection.scope, access, True)
        check_scope(principal.scopes, needed)
        return
    ticket = take_ticket(connection.scope) if handler.opt.get(TAKES_TICKETS) else None
    if ticket is None:
        connection.scope["user"] = await authorized(connection.scope, access, needed)
    else:
        services: HttpServices = connection.app.state[SERVICES]
        connection.scope["user"] = await services.tickets.redeem(ticket)
        connection.scope["auth"] = services.tickets


def check_own_host(scope: HTTPScope | WebSocketScope, access: Access) -> None:
    """Without access control, checks that the host is this machine. Raises MisdirectedRequest."""
    if not access.controlled:
        check_host(header_values(scope, b"host"))


async def authorized(scope: HTTPScope | WebSocketScope, access: Access, needed: Scope) -> Principal:
    """The caller, if it has the scope. Raises MissingScope and the errors of `Access.principal`."""
    principal = await access.principal(header_values(scope, b"authorization"))
    check_scope(principal.scopes, needed)
    return principal


async def recheck(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Rechecks authorization. Raises InvalidCredentials, MissingScope. Passes if the database or the identity provider
    is unavailable."""
    needed = _needed(connection.route_handler, str(connection.scope.get("method")))
    access: Access = connection.app.state[ACCESS]
    tickets: StreamTicketService | None = connection.scope.get("auth")
    if tickets is not None:
        with contextlib.suppress(DatabaseUnavailable):
            await tickets.recheck(connection.user)
    elif needed is not None:
        with contextlib.suppress(DatabaseUnavailable, IdentityProviderUnavailable):
            find_caller: FindCaller | None = connection.route_handler.opt.get(CALLER)
            if find_caller is None:
                principal = await access.still(header_values(connection.scope, b"authorization"))
            else:
                principal = await find_caller(connection.scope, access, False)
            check_scope(principal.scopes, needed)


def _needed(handler: BaseRouteHandler, method: str) -> Scope | None:
    # Litestar answers OPTIONS with the methods of a path, without running a handler of ours.
    declared = PUBLIC if method == "OPTIONS" else handler.opt["scope"]
    return None if declared == PUBLIC else Scope(declared)


def check_declared(app: Litestar) -> None:
    """Checks that every route declares a scope. Raises ValueError, which names the others."""
    undeclared = [f"{method} {path}" for method, path, handler in routes(app) if "scope" not in handler.opt]
    if undeclared:
        raise ValueError(f"no scope= is declared for {', '.join(undeclared)}")


def routes(app: Litestar) -> list[tuple[str, str, HTTPRouteHandler]]:
    """Method, path and handler of each route, without Litestar's OPTIONS."""
    return sorted(
        (method, route.path_format, handler)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS"
    )
