"""One reader of the change feed in a process, for everybody who waits in it."""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from application.ports.change_feed import ChangeFeed, Event, Mark, Position
from application.ports.unit_of_work import DatabaseUnavailable
from domain.errors import OpledgerError

PAGE: Final = 200
POLL: Final = 1.0
"""Seconds between two looks where nothing is heard: a writer can be killed between its commit and its announcement."""
SOON: Final = 0.01
"""Seconds until the next look where something is held back; doubled until it is POLL."""
LONGEST_QUEUE: Final = 256
"""Events that are kept for one who does not take them."""
_log = logging.getLogger(__name__)


class SubscriptionEnded(OpledgerError):
    """There will be no more events: the service is stopping, or cannot go on reading."""


class ReaderTooSlow(SubscriptionEnded):
    """Events came faster than they were taken. What was not taken can be read from the feed."""


class Subscription:
    """The events of one who waits, in order."""

    __slots__ = ("_ended", "_events", "_nudged", "_waiter")

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._ended: SubscriptionEnded | None = None
        self._nudged = False
        self._waiter: asyncio.Future[None] | None = None

    async def next(self) -> Event:
        """The next event, when there is one. Raises SubscriptionEnded, ReaderTooSlow; TimeoutError after a `nudge`."""
        while not self._events:
            if self._ended is not None:
                raise self._ended
            if self._nudged:
                self._nudged = False
                raise TimeoutError
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._events.popleft()

    def nudge(self) -> None:
        """Let nobody wait for the next event any longer."""
        self._nudged = True
        self._wake()

    @property
    def empty(self) -> bool:
        """Whether everything was taken."""
        return not self._events

    def offer(self, event: Event) -> None:
        """Keep the event until it is taken; too many, and none is kept."""
        if self._ended is not None:
            return
        if len(self._events) >= LONGEST_QUEUE:
            self._events.clear()
            self.end(ReaderTooSlow())
            return
        self._events.append(event)
        self._wake()

    def end(self, reason: SubscriptionEnded) -> None:
        """No more events after those that are waiting."""
        self._ended = self._ended or reason
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


Interest = tuple[str, UUID | None]
"""A tenant, and one of its operations; None: all of them."""


class ChangeHub:
    """Reads while somebody is subscribed. A waiter costs memory alone: no connection, no query of its own."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed
        self._subscriptions: defaultdict[Interest, set[Subscription]] = defaultdict(set)
        self._position: Position | None = None
        self._reading: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    @property
    def position(self) -> Position | None:
        """Up to where everything was handed out."""
        return self._position

    @asynccontextmanager
    async def subscribe(self, tenant: str, operation_id: UUID | None = None) -> AsyncIterator[Subscription]:
        """Events of the tenant's operation, or of all of its operations: everything that cannot be read from the
        database when the block begins, and maybe some of what can. Raises DatabaseUnavailable."""
        await self._start()
        subscription = Subscription()
        if self._closed:
            subscription.end(SubscriptionEnded())
        interest = (tenant, operation_id)
        self._subscriptions[interest].add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions[interest].discard(subscription)
            if not self._subscriptions[interest]:
                del self._subscriptions[interest]

    def close(self) -> None:
        """End every subscription, also those that are still to come."""
        self._closed = True
        self._end_all()
        if self._reading is not None:
            self._reading.cancel()

    async def _start(self) -> None:
        async with self._starting:
            if not self._closed and (self._reading is None or self._reading.done()):
                self._position = await self._feed.head()
                self._reading = asyncio.get_running_loop().create_task(self._run(self._position))

    async def _run(self, position: Position) -> None:
        try:
            await self._read(position)
        except Exception:
            _log.exception("reading the change feed failed")
            self._end_all()

    async def _read(self, position: Position) -> None:
        pause = SOON
        while self._subscriptions:
            try:
                page = await self._feed.read(position, PAGE)
                watched = [mark for mark in page.marks if self._watched(mark)]
                events = await self._feed.load(watched) if watched else []
            except DatabaseUnavailable as error:
                _log.warning("the change feed cannot be read just now: %s", error)
                await self._feed.changed(POLL)
                continue
            for event in events:
                self._hand_out(event)
            if page.marks:
                self._position = position = page.marks[-1].position
            if len(page.marks) < PAGE:
                pause = POLL if page.settled else min(2 * pause, POLL)
                await self._feed.changed(pause)
                pause = SOON if page.settled or page.marks else pause

    def _watched(self, mark: Mark) -> bool:
        return any(interest in self._subscriptions for interest in _interests(mark.tenant, mark.position.operation_id))

    def _hand_out(self, event: Event) -> None:
        for interest in _interests(event.tenant, event.operation_id):
            for subscription in self._subscriptions.get(interest, ()):
                subscription.offer(event)

    def _end_all(self) -> None:
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.end(SubscriptionEnded())


def _interests(tenant: str, operation_id: UUID) -> tuple[Interest, Interest]:
    return (tenant, operation_id), (tenant, None)
