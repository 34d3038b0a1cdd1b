"""Limit how many wait and follow events at the same time: each holds a connection and memory for long."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import OpledgerError


class TooManyWaiting(OpledgerError):
    """So many waits and streams are open with this credential as may be at the same time: let one of them end first."""


class WaitingRoomFull(OpledgerError):
    """So many waits and streams are open in this process as it takes at the same time: try again, or another one."""


class WaitingRoom:
    """Counts in this process's memory, as the rate limit does."""

    def __init__(self, places: int, each: int) -> None:
        """`places`: for all together; `each`: for one client."""
        self._places = places
        self._each = each
        self._taken = 0
        self._of: Counter[str] = Counter()

    @contextmanager
    def place(self, client: str | None) -> Iterator[None]:
        """One of them, until the block ends. `client` None: nobody knows who it is, and it counts for all alone. Raises
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
        """Whether nobody is there, and nobody is remembered."""
        return self._taken == 0 and not self._of

    def _count(self, client: str | None, more: int) -> None:
        self._taken += more
        if client is not None:
            self._of[client] += more
            if self._of[client] == 0:
                del self._of[client]
