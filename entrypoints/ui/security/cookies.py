"""Cookies of requests and responses."""

from collections.abc import Mapping, Sequence
from typing import Literal

from litestar.datastructures import Cookie
from litestar.types import HTTPScope, WebSocketScope

from entrypoints.http.requests.headers import header_values
from entrypoints.http.security.forwarded import base_path


def cookies(scope: HTTPScope | WebSocketScope) -> Mapping[str, Sequence[str]]:
    """The cookies of a request: the values of each name, the most specific path first (RFC 6265, section 5.4). Those of
    other applications on the host may have any form."""
    found: dict[str, list[str]] = {}
    for header in header_values(scope, b"cookie"):
        for pair in header.split(";"):
            name, _, value = pair.partition("=")
            found.setdefault(name.strip(), []).append(value.strip())
    return found


def private_cookie(
    scope: HTTPScope, name: str, value: str, *, max_age: int, same_site: Literal["strict", "lax"], path: str = "/"
) -> Cookie:
    """A cookie that no script reads, for paths of the dashboard that begin with this one. `max_age`: seconds; 0 deletes
    the cookie."""
    return Cookie(
        name,
        value=value,
        path=base_path(scope) + path,
        max_age=max_age,
        httponly=True,
        samesite=same_site,
        secure=scope["scheme"] == "https",
    )
