"""Restores the address that the client used behind proxies."""

import ipaddress
from typing import Any, Final, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from entrypoints.settings.proxy import ProxyRules, is_prefix

_BASE: Final = "opledger_base"
_HOST: Final = b"x-forwarded-host"
_PREFIX: Final = b"x-forwarded-prefix"
_UNROUTED: Final = "/"
"""A path without a route."""


def base_path(scope: Any) -> str:
    """The path prefix under which the client reaches the API, for links: empty, or without a trailing slash."""
    return str(scope.get(_BASE, ""))


class Forwarded:
    """Outermost ASGI middleware. Applies X-Forwarded-Host, -Prefix, -Proto and -For of trusted proxies, and removes the
    root path, so that routes match without it. Of several values the last one counts, written by the nearest proxy.
    """

    def __init__(self, app: ASGIApp, rules: ProxyRules) -> None:
        self._rules = rules
        self._public_path = rules.public_path
        self._app = app if rules.https_host is None else _PublicScheme(app, rules.https_host)
        if rules.trusted:
            trusted = [str(network) for network in rules.trusted]
            self._app = cast(ASGIApp, ProxyHeadersMiddleware(cast(Any, self._app), trusted))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            self._apply(scope)
        await self._app(scope, receive, send)

    def _apply(self, scope: HTTPScope) -> None:
        prefix = ""
        if self._rules.trusted and self._is_trusted(scope):
            _replace_host(scope)
            prefix = _forwarded_prefix(scope)
        root = _remove_root(scope, self._rules.root_path)
        cast(Any, scope)[_BASE] = prefix + root if self._public_path is None else self._public_path

    def _is_trusted(self, scope: HTTPScope) -> bool:
        client = scope["client"]
        if client is None:
            return False
        try:
            address = ipaddress.ip_address(client[0])
        except ValueError:
            return False
        return any(address in network for network in self._rules.trusted)


class _PublicScheme:
    """ASGI middleware behind that of the proxy's headers. A request for the host of an https public URL came over
    https, whatever the nearest proxy says: another one in front of it may have ended TLS."""

    def __init__(self, app: ASGIApp, host: bytes) -> None:
        self._app = app
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and _host(scope) == self._host:
            scope["scheme"] = "https"
        await self._app(scope, receive, send)


def _host(scope: HTTPScope) -> bytes:
    return dict(scope["headers"]).get(b"host", b"").lower()


def _replace_host(scope: HTTPScope) -> None:
    host = _last(scope, _HOST)
    if host:
        others = [header for header in scope["headers"] if header[0] != b"host"]
        scope["headers"] = [(b"host", host), *others]


def _forwarded_prefix(scope: HTTPScope) -> str:
    """The prefix that the proxy removed from the path; empty if it is not a plain path."""
    prefix = (_last(scope, _PREFIX) or b"").decode("latin-1").rstrip("/")
    return prefix if is_prefix(prefix) else ""


def _remove_root(scope: HTTPScope, configured: str) -> str:
    """Removes the root path from the path and returns it. Paths outside a configured root path match no route. Without
    configuration, the root path is that of the application in which this one is mounted."""
    root = configured or str(scope.get("root_path") or "").rstrip("/")
    scope["root_path"] = ""
    if not root:
        return ""
    raw_path = scope.get("raw_path") or scope["path"].encode()
    if scope["path"].startswith(f"{root}/") and raw_path.startswith(f"{root}/".encode()):
        scope["path"], scope["raw_path"] = scope["path"][len(root) :], raw_path[len(root) :]
    elif configured:
        scope["path"], scope["raw_path"] = _UNROUTED, _UNROUTED.encode()
    return root


def _last(scope: HTTPScope, name: bytes) -> bytes | None:
    values = [value for given, value in scope["headers"] if given == name]
    return values[-1].rpartition(b",")[2].strip() if values else None
