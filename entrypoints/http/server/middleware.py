"""Middleware around every request, also those that no route matches: request id, HEAD, security headers, access log."""

import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import Final, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from entrypoints.http.server.request_body import Lingering, RequestBody
from entrypoints.http.server.tracing import in_trace_of
from entrypoints.logs import REQUEST_ID

_log = logging.getLogger("opledger.access")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_DEBUG_ROUTES: Final = {"/livez", "/readyz", "/metrics"}
IS_HEAD: Final = "opledger_head"
"""Set in the scope of a HEAD, which is handled as a GET without a body."""
HEADERS: Final = {
    b"x-content-type-options": b"nosniff",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
}
"""Headers of every response that does not set them."""
Answered = Callable[[str, str, int, float], None]
"""Called after each request with method, route, status and seconds."""


class RequestMiddleware:
    """ASGI middleware around the router, because Litestar's middleware does not see what the router refuses."""

    def __init__(self, app: ASGIApp, answered: Answered) -> None:
        self._app = app
        self._answered = answered
        self._lingering = Lingering()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, RequestBody(scope, receive, self._lingering), send)
        token = REQUEST_ID.set(exchange.request_id)
        try:
            with in_trace_of(scope["headers"]):
                await self._app(exchange.scope, exchange.body.receive, exchange.send)
        finally:
            self._answered(*exchange.log())
            REQUEST_ID.reset(token)


class _Exchange:
    """One request and its response. A HEAD is handled as a GET, and its body is dropped."""

    def __init__(self, scope: HTTPScope, body: RequestBody, send: Send) -> None:
        self.body = body
        self._send = send
        self._lingers = False
        self._started = time.perf_counter()
        self._method = str(scope["method"])
        self._status = 0
        self.request_id = _request_id(scope)
        self.scope = scope
        if self._method == "HEAD":
            self.scope = cast(HTTPScope, {**scope, "method": "GET", IS_HEAD: True})

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._lingers = self.body.unread
            message["headers"] = self._headers(list(message["headers"]))
        elif message["type"] == "http.response.body":
            if self._method == "HEAD":
                message["body"] = b""
            if self._lingers and not message.get("more_body", False):
                await self._send({"type": "http.response.body", "body": message["body"], "more_body": True})
                await self.body.drop()
                message["body"] = b""
        await self._send(message)

    def _headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        given = {name.lower() for name, _ in headers}
        if b"allow" in given:
            headers = [(name, self._allowed(value) if name.lower() == b"allow" else value) for name, value in headers]
        headers += [header for header in HEADERS.items() if header[0] not in given]
        if self._lingers:
            headers.append((b"connection", b"close"))
        return [*headers, (b"x-request-id", self.request_id.encode())]

    def _allowed(self, methods: bytes) -> bytes:
        """Adds the methods that Litestar omits: those of a path's second handler on OPTIONS, and HEAD."""
        allowed = {method.strip() for method in methods.decode().split(",")}
        template = self.scope.get("path_template")
        if template is not None:
            for route in self.scope["litestar_app"].routes:
                allowed |= set(route.methods) if route.path_format == template else set()
        return ", ".join(sorted(allowed | {"HEAD"} if "GET" in allowed else allowed)).encode()

    def log(self) -> tuple[str, str, int, float]:
        """Writes the access log line. Returns method, route, status and seconds."""
        seconds = time.perf_counter() - self._started
        route = self.scope.get("path_template") or "-"
        level = logging.DEBUG if route in _DEBUG_ROUTES and self._status < 500 else logging.INFO
        fields = {
            "method": self._method,
            "route": route,
            "status": self._status,
            "duration_ms": round(seconds * 1000, 2),
            "request_id": self.request_id,
        }
        _log.log(level, "%s %s %d", self._method, route, self._status, extra=fields)
        return self._method, route, self._status, seconds


def _request_id(scope: HTTPScope) -> str:
    """The client's id if it sent one that is safe to log, else a new id."""
    given = [value for name, value in scope["headers"] if name.lower() == b"x-request-id"]
    return given[0].decode("ascii") if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]) else secrets.token_hex(16)
