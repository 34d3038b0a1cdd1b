"""Limits concurrent waits and streams: each holds a connection and memory for long."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import OpledgerError


class TooManyWaiting(OpledgerError):
    """The credential has as many open waits and streams as it may have: end one first."""


class WaitingRoomFull(OpledgerError):
    """The process has as many open waits and streams as it takes: try again, or another process."""


class WaitingRoom:
    """Counts in the memory of this process, as the rate limit does."""

    def __init__(self, places: int, each: int) -> None:
        """`places`: of all clients; `each`: of one client."""
        self._places = places
        self._each = each
        self._taken = 0
        self._of: Counter[str] = Counter()

    @contextmanager
    def place(self, client: str | None) -> Iterator[None]:
        """Takes a place until the block ends. An unknown client, None, counts against `places` alone. Raises
        TooManyWaiting, WaitingRoomFull."""
        if client is not None and self._of[client] >= self._each:
            raise TooManyWaiting
        if self._taken >= self._places:
            raise WaitingRoomFull
        self._count(client, 1)
        try:
            yield
        finally:
            self._count(client, -1)

    @property
    def empty(self) -> bool:
        """Whether no place is taken, and no client remembered."""
        return self._taken == 0 and not self._of

    def _count(self, client: str | None, more: int) -> None:
        self._taken += more
        if client is not None:
            self._of[client] += more
            if self._of[client] == 0:
                del self._of[client]
