"""What one who waits is told, and why there is no more of it."""

import asyncio
from collections import deque
from typing import Final

from application.ports.change_feed import Event
from domain.errors import OpledgerError

LONGEST_QUEUE: Final = 256
"""Events that are kept for one who does not take them."""
HEAVIEST_QUEUE: Final = 16 * 1024 * 1024
"""Characters of them, where there is more than one."""


class SubscriptionEnded(OpledgerError):
    """There will be no more events: reading them cannot go on."""


class ReaderTooSlow(SubscriptionEnded):
    """Events came faster than they were taken. What was not taken can be read from the feed."""


class OperationGone(SubscriptionEnded):
    """The operation was removed, maybe before its end was told."""


class ServiceStopping(SubscriptionEnded):
    """The process is on its way out."""


class Subscription:
    """The events of one who waits, in order."""

    __slots__ = ("_ended", "_events", "_timer", "_waiter", "_weight")

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._weight = 0
        self._ended: SubscriptionEnded | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def next(self, until: float) -> Event:
        """The next event, when there is one. Raises SubscriptionEnded, and TimeoutError at that time of the event
        loop's, which is never earlier than it was the last time."""
        while not self._events:
            if self._ended is not None:
                raise self._ended
            loop = asyncio.get_running_loop()
            if loop.time() >= until:
                raise TimeoutError
            # One timer, which goes on for what is left: a new one for each event would cost more than the event.
            self._timer = self._timer or loop.call_at(until, self._time_is_up)
            self._waiter = loop.create_future()
            await self._waiter
        event = self._events.popleft()
        self._weight -= event.weight
        return event

    @property
    def empty(self) -> bool:
        """Whether everything was taken."""
        return not self._events

    def offer(self, event: Event) -> bool:
        """Keep the event until it is taken; False: it is one too many, and now none is kept."""
        if self._ended is not None:
            return True
        weight = self._weight + event.weight
        if len(self._events) >= LONGEST_QUEUE or (self._events and weight > HEAVIEST_QUEUE):
            self._events.clear()
            self.end(ReaderTooSlow())
            return False
        self._events.append(event)
        self._weight = weight
        self._wake()
        return True

    def end(self, reason: SubscriptionEnded) -> None:
        """No more events after those that are waiting."""
        self._ended = self._ended or reason
        self._wake()

    def close(self) -> None:
        """Nobody takes any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _time_is_up(self) -> None:
        self._timer = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
