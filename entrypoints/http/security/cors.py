"""Cross-origin requests of web pages (CORS protocol of the Fetch standard).

The API has no cookies: a page sends its own credentials, and `Access-Control-Allow-Credentials` is never sent.
Litestar's middleware does not cover responses from outside its router, replaces `Vary`, and expands `*` within origins.
"""

from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from entrypoints.settings.proxy import ANY_ORIGIN

METHODS: Final = ("GET", "HEAD", "POST", "DELETE")
REQUEST_HEADERS: Final = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-Request-Id",
    "traceparent",
    "tracestate",
)
EXPOSED: Final = (
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)
_PREFLIGHT_MAX_AGE: Final = b"600"
"""Seconds for which a browser may cache a preflight response."""
_VARY: Final = (b"vary", b"Origin")
_Headers = list[tuple[bytes, bytes]]


class Cors:
    """ASGI middleware. Lets pages of the given origins read every response, including errors and streams."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)
        self._any = ANY_ORIGIN in origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        granted = self._granted(scope)
        if granted and _is_preflight(scope):
            await send({"type": "http.response.start", "status": 204, "headers": [*granted, *_PREFLIGHT]})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        added = [*granted, _EXPOSE] if granted else [] if self._any else [_VARY]

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_with_origin)

    def _granted(self, scope: HTTPScope) -> _Headers:
        """The headers that let the page read the response. Empty without an Origin header and for other origins."""
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if len(origins) != 1:
            return []
        if self._any:
            return [(b"access-control-allow-origin", b"*")]
        return [(b"access-control-allow-origin", origins[0]), _VARY] if origins[0] in self._origins else []


def _is_preflight(scope: HTTPScope) -> bool:
    return scope["method"] == "OPTIONS" and any(n == b"access-control-request-method" for n, _ in scope["headers"])


def _joined(values: tuple[str, ...]) -> bytes:
    return ", ".join(values).encode()


_EXPOSE: Final = (b"access-control-expose-headers", _joined(EXPOSED))
_PREFLIGHT: Final[_Headers] = [
    (b"access-control-allow-methods", _joined(METHODS)),
    (b"access-control-allow-headers", _joined(REQUEST_HEADERS)),
    (b"access-control-max-age", _PREFLIGHT_MAX_AGE),
]
