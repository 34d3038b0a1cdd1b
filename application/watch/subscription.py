"""The queue of events of one subscriber, and the reasons why it ends."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from application.ports.storage.change_feed import Event
from domain.errors import OpledgerError

MAX_QUEUE: Final = 256
"""Events that are kept for a subscriber that does not take them."""
MAX_QUEUE_WEIGHT: Final = 16 * 1024 * 1024
"""Characters in a queue of more than one event."""


Wants = Callable[[Event], bool]
"""Whether a subscriber needs the event. Must be quick: it is called for each event and subscriber."""


class SubscriptionEnded(OpledgerError):
    """No more events come: the feed cannot be read."""


class ReaderTooSlow(SubscriptionEnded):
    """The queue overflowed. The events can be read from the feed."""


class OperationGone(SubscriptionEnded):
    """The operation was deleted, maybe before its end was sent."""


class ServiceStopping(SubscriptionEnded):
    """The process is shutting down."""


class Subscription:
    """The events of one subscriber, in order."""

    __slots__ = ("_ended", "_events", "_timer", "_waiter", "_wants", "_weight")

    def __init__(self, wants: Wants | None = None) -> None:
        """`wants`: None: the subscriber needs every event."""
        self._wants = wants
        self._events: deque[Event] = deque()
        self._weight = 0
        self._ended: SubscriptionEnded | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def next(self, until: float) -> Event:
        """Waits for the next event. Raises SubscriptionEnded, and TimeoutError at `until`, in the event loop's time.
        `until` never lies before that of the last call."""
        while not self._events:
            if self._ended is not None:
                raise self._ended
            loop = asyncio.get_running_loop()
            if loop.time() >= until:
                raise TimeoutError
            # One timer, which is started again for the rest: a new one for each event would cost more than the event.
            self._timer = self._timer or loop.call_at(until, self._time_is_up)
            self._waiter = loop.create_future()
            await self._waiter
        event = self._events.popleft()
        self._weight -= event.weight
        return event

    @property
    def empty(self) -> bool:
        """Whether the subscriber has taken every event."""
        return not self._events

    def offer(self, event: Event) -> bool:
        """Queues the event, if the subscriber needs it. Returns False if the queue overflows: then it is cleared and
        ends with ReaderTooSlow."""
        if self._ended is not None or (self._wants is not None and not self._wants(event)):
            return True
        weight = self._weight + event.weight
        if len(self._events) >= MAX_QUEUE or (self._events and weight > MAX_QUEUE_WEIGHT):
            self._events.clear()
            self.end(ReaderTooSlow())
            return False
        self._events.append(event)
        self._weight = weight
        self._wake()
        return True

    def end(self, reason: SubscriptionEnded) -> None:
        """Ends the subscription after the events that are queued."""
        self._ended = self._ended or reason
        self._wake()

    def close(self) -> None:
        """Releases the timer: the subscriber has left."""
        if self._timer is not None:
            self._timer.cancel()

    def _time_is_up(self) -> None:
        self._timer = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
