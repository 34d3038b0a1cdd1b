"""The audit log: one line for each action in the dashboard, with actor, address, action and outcome."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from domain.access.principal import Principal
from entrypoints.http.problems.kinds import Kind
from entrypoints.http.problems.problems import clip_text
from entrypoints.http.requests.headers import header_values
from entrypoints.http.security.origin_check import SAFE_METHODS

AUDITED: Final = "audited"
"""Option of a route: whether its requests are actions. By default those that are not safe are."""
_ACTOR: Final = "opledger_audit_actor"
_DETAIL: Final = "opledger_audit_detail"
_log = logging.getLogger("opledger.audit")


class Audit:
    """ASGI middleware of the dashboard's routes. Writes a line after each action, also after one that was refused."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not _is_action(scope):
            await self._app(scope, receive, send)
            return
        answered: dict[str, Any] = {"status": 0}

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered["status"] = message["status"]
                places = [value.decode("latin-1") for name, value in message["headers"] if name == b"location"]
                answered.update({"location": places[0]} if places else {})
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            _write(scope, answered)


def set_actor(scope: HTTPScope, principal: Principal | None) -> None:
    """Names the actor on a route that needs no credentials, such as sign-in and sign-out."""
    cast(Any, scope)[_ACTOR] = principal


def set_detail(scope: HTTPScope, text: str) -> None:
    """Adds details to the line. The text must contain no secret."""
    cast(Any, scope)[_DETAIL] = text


def set_refusal(scope: HTTPScope, kind: Kind) -> None:
    """Says in the line why the action was refused."""
    set_detail(scope, f"refused: {kind.slug.replace('-', ' ')}")


def write_refusal(scope: HTTPScope, actor: Principal | None, kind: Kind) -> None:
    """Writes the line of an action that was refused before routing. `actor`: who it would have been."""
    set_actor(scope, actor)
    set_refusal(scope, kind)
    _write(scope, {"status": kind.status})


def client_address(scope: HTTPScope) -> str:
    """The address of the client. Behind trusted proxies, the one that they forward."""
    client = scope["client"]
    return "unknown" if client is None else client[0]


def _is_action(scope: HTTPScope) -> bool:
    return bool(scope["route_handler"].opt.get(AUDITED, scope["method"] not in SAFE_METHODS))


def _write(scope: HTTPScope, answered: Mapping[str, Any]) -> None:
    """`answered`: the status, and the target of a redirect: for an action that creates an operation, its page."""
    given: dict[str, Any] = cast(Any, scope)
    actor: Principal | None = given.get(_ACTOR) or given.get("user")
    who = {} if actor is None else {"tenant": actor.tenant, "credential": actor.credential}
    name = (actor and actor.actor) or "anonymous"
    fields = {"actor": name, **who, "client": client_address(scope), **answered, **_origin(scope, answered["status"])}
    detail = f": {given[_DETAIL]}" if _DETAIL in given else ""
    _log.info("%s %s%s", scope["method"], scope["path"], detail, extra=fields)


def _origin(scope: HTTPScope, status: int) -> Mapping[str, str]:
    """The origin that sent a form which was not allowed."""
    given = header_values(scope, b"origin") if status == HTTPStatus.FORBIDDEN else []
    return {"origin": clip_text(given[0])} if given else {}
