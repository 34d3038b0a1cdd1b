"""Refuses changes that a page of another site sends through a visitor's browser.

A page may send a POST without a body anywhere, and without access control that is all that a change needs. The rules
are those of Go's http.CrossOriginProtection: browsers say by Sec-Fetch-Site, or else by Origin, where a request comes
from, and other clients send neither.
"""

from typing import Final

from litestar.types import HTTPScope

from entrypoints.http.problems.problems import ForeignOrigin
from entrypoints.http.requests.headers import header_values

ANY_ORIGIN: Final = "*"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITE: Final = frozenset({"same-origin", "none"})


def check_origin(scope: HTTPScope, allowed: frozenset[str]) -> None:
    """Raises ForeignOrigin. `allowed`: other origins whose pages may change operations, or `*`: any."""
    if scope["method"] in _SAFE:
        return
    origins, sites = header_values(scope, b"origin"), header_values(scope, b"sec-fetch-site")
    if origins and (ANY_ORIGIN in allowed or allowed.issuperset(origins)):
        return
    if sites and not _OWN_SITE.issuperset(sites):
        raise ForeignOrigin("Sec-Fetch-Site")
    if not sites and any(not _is_own(origin, header_values(scope, b"host")) for origin in origins):
        raise ForeignOrigin("Origin")


def _is_own(origin: str, hosts: list[str]) -> bool:
    """The scheme is not compared: a proxy may have ended TLS."""
    scheme, _, authority = origin.partition("://")
    return scheme in {"http", "https"} and [authority.lower()] == [host.lower() for host in hosts]
