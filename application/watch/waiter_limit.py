"""Limits concurrent waits and streams: each holds a connection and memory for long."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import OpledgerError


class ClientWaiterLimitReached(OpledgerError):
    """The credential has as many open waits and streams as it may have: end one first."""


class WaiterLimitReached(OpledgerError):
    """The process has as many open waits and streams as it takes: try again, or another process."""


class WaiterLimit:
    """Limits the waiters of this process, in total and per client. The counts are in memory."""

    def __init__(self, total: int, each: int) -> None:
        """`total`: most waiters of all clients; `each`: most waiters of one client."""
        self._total = total
        self._each = each
        self._waiters = 0
        self._waiters_of: Counter[str] = Counter()

    @contextmanager
    def acquire(self, client: str | None) -> Iterator[None]:
        """Counts one waiter until the block ends. An unknown client, None, counts against `total` only. Raises
        ClientWaiterLimitReached, WaiterLimitReached."""
        if client is not None and self._waiters_of[client] >= self._each:
            raise ClientWaiterLimitReached
        if self._waiters >= self._total:
            raise WaiterLimitReached
        self._add(client, 1)
        try:
            yield
        finally:
            self._add(client, -1)

    @property
    def empty(self) -> bool:
        """Whether there is no waiter, and no client is remembered."""
        return self._waiters == 0 and not self._waiters_of

    def _add(self, client: str | None, number: int) -> None:
        self._waiters += number
        if client is not None:
            self._waiters_of[client] += number
            if self._waiters_of[client] == 0:
                del self._waiters_of[client]
