"""Where everybody may do everything: only for who asks for this machine by a name that no one else can have.

A web page can have its own name lead to a loopback address (DNS rebinding), and then ask whatever listens there as if
that were its own server. What it cannot do is name another host than its own.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from entrypoints.http.problems.problems import MisdirectedRequest
from entrypoints.settings.access import is_loopback

ANY_HOST: Final = "any_host"
"""Among a route's options: it has credentials of its own."""
_HOST = re.compile(r"(?:\[(?P<literal>[^\]]*)\]|(?P<name>[^:]*))(?::[0-9]*)?")


def check_host(hosts: Iterable[str]) -> None:
    """The request's Host headers, where there is no access control. Raises MisdirectedRequest. A request without one is
    no browser's."""
    if not all(map(_is_own, hosts)):
        raise MisdirectedRequest


@lru_cache(maxsize=64)
def _is_own(host: str) -> bool:
    match = _HOST.fullmatch(host)
    return match is not None and is_loopback((match["literal"] or match["name"] or "").lower())
