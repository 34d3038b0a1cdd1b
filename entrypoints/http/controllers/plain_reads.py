"""The request that is made most: one operation, as it stands.

It is answered before the web framework, which would take more time over it than all else together. Whatever else is in
such a request (a query, a wish to wait, a body) makes it the framework's; to the client there is no difference.
"""

import re
from typing import Any, Final, cast
from uuid import UUID

from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Send
from litestar.types import Scope as AsgiScope

from application.tenant_ledger import LedgerServices
from domain.access.scope import Scope
from entrypoints.http.requests.conditional import entity_tag, matches
from entrypoints.http.requests.parameters import PATH, PREFIX
from entrypoints.http.responses.errors import answer
from entrypoints.http.responses.responses import current_headers, raw_headers, rendered
from entrypoints.http.security.authentication import Access
from entrypoints.http.security.authorization import admitted, check_own_host, header_values

_PLACE: Final = f"{PREFIX}{PATH}/"
_ROUTE: Final = f"{_PLACE}{{operation_id}}"
_PATH: Final = re.compile(_PLACE + r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_MORE: Final = frozenset({b"prefer", b"content-length", b"transfer-encoding"})
"""Headers that ask for more."""
_HOST: Final = re.compile(rb"[0-9A-Za-z.:\[\]-]*")


class PlainReads:
    """ASGI middleware around the framework's router."""

    def __init__(self, app: ASGIApp, ledger: LedgerServices, access: Access) -> None:
        self._app = app
        self._ledger = ledger
        self._access = access

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        operation_id = _asked(scope)
        if operation_id is None:
            await self._app(scope, receive, send)
            return
        try:
            status, headers, body = await self._read(cast(HTTPScope, scope), operation_id)
        except Exception as error:
            request = Request[Any, Any, Any](scope)
            await answer(request, error).to_asgi_response(None, request)(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _read(self, scope: HTTPScope, operation_id: UUID) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        scope["path_template"] = _ROUTE
        check_own_host(scope, self._access)
        principal = await admitted(scope, self._access, Scope.READ)
        operation = await self._ledger.of(principal).get(operation_id)
        if matches(header_values(scope, b"if-none-match"), entity_tag(operation)):
            return 304, raw_headers(current_headers(operation)), b""
        return 200, *rendered(operation)


def _asked(scope: AsgiScope) -> UUID | None:
    """The operation that is asked for, and nothing besides."""
    if scope["type"] != ScopeType.HTTP or scope["method"] != "GET" or scope["query_string"]:
        return None
    match = _PATH.fullmatch(scope["path"])
    return None if match is None or any(map(_more, scope["headers"])) else UUID(match[1])


def _more(header: tuple[bytes, bytes]) -> bool:
    name, value = header
    return name in _MORE or (name == b"host" and not _HOST.fullmatch(value))
