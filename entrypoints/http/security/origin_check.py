"""Refuses cross-origin changes, which a page of another site sends through a visitor's browser.

A page may send a POST without a body to any server, and without access control that suffices for a change. The rules
are those of Go's http.CrossOriginProtection: browsers send Sec-Fetch-Site or Origin, and other clients send neither.
"""

from typing import Final

from litestar.types import HTTPScope

from entrypoints.http.problems.problems import ForeignOrigin
from entrypoints.http.requests.headers import header_values

ANY_ORIGIN: Final = "*"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods of requests that change nothing."""
_OWN_SITE: Final = frozenset({"same-origin", "none"})


def check_origin(scope: HTTPScope, allowed: frozenset[str]) -> None:
    """Raises ForeignOrigin. `allowed`: further origins whose pages may change operations; `*`: any origin."""
    if scope["method"] in SAFE_METHODS:
        return
    origins, sites = header_values(scope, b"origin"), header_values(scope, b"sec-fetch-site")
    if origins and (ANY_ORIGIN in allowed or allowed.issuperset(origins)):
        return
    if sites and not _OWN_SITE.issuperset(sites):
        raise ForeignOrigin("Sec-Fetch-Site")
    if not sites and any(not _is_own(origin, header_values(scope, b"host")) for origin in origins):
        raise ForeignOrigin("Origin")


def _is_own(origin: str, hosts: list[str]) -> bool:
    """The scheme is not compared, because a proxy may terminate TLS."""
    scheme, _, authority = origin.partition("://")
    return scheme in {"http", "https"} and [authority.lower()] == [host.lower() for host in hosts]
