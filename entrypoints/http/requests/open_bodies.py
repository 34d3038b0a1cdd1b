"""Limits the request bodies of one client that are still arriving: each holds a connection and memory."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from litestar.types import Scope

from entrypoints.http.problems.problems import TooManyOpenBodies

OPEN_BODIES: Final = "open_bodies"
"""Key of the application's state: its OpenBodies."""
MAX_OPEN: Final = 100
"""Bodies of one client at the same time."""


class OpenBodies:
    """Counts per process and credential; without access control, per peer. A body that has arrived completely does not
    count, because it is read at once."""

    def __init__(self, limit: int = MAX_OPEN) -> None:
        self._limit = limit
        self._of: Counter[tuple[str, str]] = Counter()

    @property
    def open(self) -> int:
        """Number of bodies that are arriving."""
        return self._of.total()

    @contextmanager
    def counted(self, scope: Scope) -> Iterator[None]:
        """Counts one body until the block ends. Raises TooManyOpenBodies."""
        client = _client(scope)
        if self._of[client] >= self._limit:
            raise TooManyOpenBodies
        self._of[client] += 1
        try:
            yield
        finally:
            self._of[client] -= 1
            if not self._of[client]:
                del self._of[client]


def _client(scope: Any) -> tuple[str, str]:
    """The credential, else the peer. A callback has no user: it counts by path, for which its token is valid."""
    user = scope.get("user")
    if user is None:
        return "path", scope["path"]
    if user.credential is None:
        return "peer", str((scope.get("client") or ("",))[0])
    return "credential", user.credential
