"""Cookies of the dashboard. Over https, browsers enforce the rules of a prefix of their names (RFC 6265bis, 4.1.3)."""

from collections.abc import Sequence
from typing import Literal

from litestar.datastructures import Cookie
from litestar.types import HTTPScope, WebSocketScope

from entrypoints.http.requests.headers import header_values
from entrypoints.http.security.forwarded import base_path


def cookie_values(scope: HTTPScope | WebSocketScope, name: str) -> Sequence[str]:
    """The values of a cookie that `private_cookie` made, the most specific path first (RFC 6265, section 5.4). Cookies
    of other applications on the host may have any form."""
    wanted, found = _sent_name(scope, name), []
    for header in header_values(scope, b"cookie"):
        for pair in header.split(";"):
            given, _, value = pair.partition("=")
            if given.strip() == wanted:
                found.append(value.strip())
    return found


def private_cookie(
    scope: HTTPScope, name: str, value: str, *, max_age: int, same_site: Literal["strict", "lax"]
) -> Cookie:
    """A cookie that no script reads, for the paths of the dashboard. `max_age`: seconds; 0 deletes the cookie."""
    return Cookie(
        _sent_name(scope, name),
        value=value,
        path=_path(scope),
        max_age=max_age,
        httponly=True,
        samesite=same_site,
        secure=_is_secure(scope),
    )


def _sent_name(scope: HTTPScope | WebSocketScope, name: str) -> str:
    """The name with its prefix. `__Host-`: only this host can set the cookie, and only for all of its paths, so a
    sibling subdomain cannot. Below a path prefix, `__Secure-`: only a page with https can set it."""
    if not _is_secure(scope):
        return name
    return f"__Host-{name}" if _path(scope) == "/" else f"__Secure-{name}"


def _path(scope: HTTPScope | WebSocketScope) -> str:
    return f"{base_path(scope)}/"


def _is_secure(scope: HTTPScope | WebSocketScope) -> bool:
    return scope["scheme"] in {"https", "wss"}
