"""Checks the Host header without access control, against DNS rebinding.

A web page can point its own name to a loopback address and then send requests to this server as to its own. But it
cannot send another Host than its own name, so only localhost and loopback addresses are served.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from domain.access.confidential_url import is_loopback
from entrypoints.http.problems.problems import MisdirectedRequest

ANY_HOST: Final = "any_host"
"""Option of a route that has its own credentials and skips this check."""
_HOST = re.compile(r"(?:\[(?P<literal>[^\]]*)\]|(?P<name>[^:]*))(?::[0-9]*)?")


def check_host(hosts: Iterable[str]) -> None:
    """Raises MisdirectedRequest for a host that is not this machine. Passes without a Host header, because browsers
    always send one."""
    if not all(map(_is_own, hosts)):
        raise MisdirectedRequest


@lru_cache(maxsize=64)
def _is_own(host: str) -> bool:
    match = _HOST.fullmatch(host)
    return match is not None and is_loopback((match["literal"] or match["name"] or "").lower())
