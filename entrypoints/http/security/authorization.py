"""What a request may do, and whose operations it is about.

Every route says beside itself, as `scope=`, what it takes to call it. A guard sees to that before a byte of the body is
read and before any handler runs; what the router refuses (404, 405) it refuses to everybody.
"""

import contextlib
from typing import Any, Final

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import HTTPScope, WebSocketScope

from application.access.stream_tickets import StreamTicketOffice
from application.ports.token_verifier import IdentityProviderUnavailable
from application.ports.unit_of_work import DatabaseUnavailable
from domain.access.principal import Principal
from domain.access.scope import Scope, check_scope
from entrypoints.http.requests.headers import header_values
from entrypoints.http.security.authentication import Access
from entrypoints.http.security.host_check import ANY_HOST, check_host
from entrypoints.http.security.tickets import TAKES_TICKETS, take_ticket
from entrypoints.http.services import SERVICES, HttpServices

ANYBODY: Final = "anybody"
"""In place of a scope: the route asks for no client's credentials."""
ACCESS: Final = "access"
"""Under this name the application's state holds its Access."""


async def authorize(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard of all routes. Raises what `admitted` and `check_own_host` do."""
    access: Access = connection.app.state[ACCESS]
    if not handler.opt.get(ANY_HOST):
        check_own_host(connection.scope, access)
    needed = _needed(handler, str(connection.scope.get("method")))
    if needed is None:
        return
    ticket = take_ticket(connection.scope) if handler.opt.get(TAKES_TICKETS) else None
    if ticket is None:
        connection.scope["user"] = await admitted(connection.scope, access, needed)
    else:
        services: HttpServices = connection.app.state[SERVICES]
        connection.scope["user"] = await services.tickets.redeem(ticket)
        connection.scope["auth"] = services.tickets


def check_own_host(scope: HTTPScope | WebSocketScope, access: Access) -> None:
    """That whoever is asked for no credentials asks for this machine. Raises MisdirectedRequest."""
    if not access.controlled:
        check_host(header_values(scope, b"host"))


async def admitted(scope: HTTPScope | WebSocketScope, access: Access, needed: Scope) -> Principal:
    """Whom the request is answered as. Raises what `Access.principal` does, and MissingScope."""
    principal = await access.principal(header_values(scope, b"authorization"))
    check_scope(principal.scopes, needed)
    return principal


async def check_still(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """That whoever was let in would be now. Raises InvalidCredentials, MissingScope; where that cannot be told just
    now, nothing."""
    needed = _needed(connection.route_handler, str(connection.scope.get("method")))
    access: Access = connection.app.state[ACCESS]
    tickets: StreamTicketOffice | None = connection.scope.get("auth")
    if tickets is not None:
        with contextlib.suppress(DatabaseUnavailable):
            await tickets.recheck(connection.user)
    elif needed is not None:
        with contextlib.suppress(DatabaseUnavailable, IdentityProviderUnavailable):
            principal = await access.still(header_values(connection.scope, b"authorization"))
            check_scope(principal.scopes, needed)


def _needed(handler: BaseRouteHandler, method: str) -> Scope | None:
    # Litestar's own answer to OPTIONS names a path's methods, and runs nothing of ours.
    declared = ANYBODY if method == "OPTIONS" else handler.opt["scope"]
    return None if declared == ANYBODY else Scope(declared)


def check_declared(app: Litestar) -> None:
    """That every route says who may call it. Raises ValueError, which names those that do not."""
    silent = [f"{method} {path}" for method, path, handler in routes(app) if "scope" not in handler.opt]
    if silent:
        raise ValueError(f"no scope= is declared for {', '.join(silent)}")


def routes(app: Litestar) -> list[tuple[str, str, HTTPRouteHandler]]:
    """Method, path and handler of each of our routes, Litestar's own OPTIONS apart."""
    return sorted(
        (method, route.path_format, handler)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS"
    )
