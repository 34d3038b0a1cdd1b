"""One reader of the change feed in a process, for everybody who waits in it."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from application.batching.single_flight import SingleFlight
from application.ports.change_feed import ChangeFeed, Event, Mark, Position
from application.ports.clock import Clock
from application.ports.metrics import Metrics
from application.ports.unit_of_work import DatabaseUnavailable
from application.watch.feed_lag import FeedDelay
from application.watch.subscription import (
    MAX_QUEUE,
    MAX_QUEUE_WEIGHT,
    OperationGone,
    ServiceStopping,
    Subscription,
    SubscriptionEnded,
)
from domain.operation.transition import Transition

PAGE_SIZE: Final = 200
FIRST_LOAD: Final = 25
"""Events of a page that are loaded first: how large they are is known only then."""
MAX_LOAD: Final = MAX_QUEUE_WEIGHT // 4
"""Characters that are loaded at once from then on, about, and handed out before readers get time to take them."""
MIN_WEIGHT: Final = MAX_QUEUE_WEIGHT // MAX_QUEUE
"""What an event counts for at least when it is handed out: a queue is also full by their number."""
MAX_TURNS: Final = MAX_QUEUE
"""Of the event loop, within which a reader that keeps up has taken them."""
CHUNK: Final = 100
"""Subscriptions that are told in one turn of the event loop."""
POLL_INTERVAL: Final = 1.0
"""Seconds between two looks where nothing is heard: a writer can be killed between its commit and its announcement."""
MIN_POLL_INTERVAL: Final = 0.01
"""Seconds until the next look where something is held back; doubled until it is POLL_INTERVAL."""
DELETION_CHECK_INTERVAL: Final = 10.0
"""Seconds between two looks for operations that were removed, which the feed does not tell."""
_log = logging.getLogger(__name__)

Interest = tuple[str, UUID | None]
"""A tenant, and one of its operations; None: all of them."""


class ChangeHub:
    """Reads while somebody is subscribed. A waiter costs memory alone: no connection, no query of its own."""

    def __init__(self, feed: ChangeFeed, clock: Clock, metrics: Metrics) -> None:
        self._feed = feed
        self._clock = clock
        self._metrics = metrics
        self._delay = FeedDelay(metrics)
        self._subscriptions: defaultdict[Interest, set[Subscription]] = defaultdict(set)
        self._waiting = 0
        self._position: Position | None = None
        self._untaken = 0
        """What was handed out since readers last got time to take it."""
        self._starting = SingleFlight(self._begin)
        self._reading: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def position(self) -> Position | None:
        """Up to where everything was handed out."""
        return self._position

    @asynccontextmanager
    async def subscribe(self, tenant: str, operation_id: UUID | None = None) -> AsyncIterator[Subscription]:
        """Events of the tenant's operation, or of all of its operations: everything that cannot be read from the
        database when the block begins, and maybe some of what can. Raises DatabaseUnavailable."""
        interest, subscription = (tenant, operation_id), Subscription()
        self._subscriptions[interest].add(subscription)
        self._count(1)
        try:
            if self._closed:
                subscription.end(ServiceStopping())
            await self._start()
            yield subscription
        finally:
            subscription.close()
            self._subscriptions[interest].discard(subscription)
            if not self._subscriptions[interest]:
                del self._subscriptions[interest]
            self._count(-1)

    def close(self) -> None:
        """End every subscription, also those that are still to come."""
        self._closed = True
        self._end_all(ServiceStopping())
        if self._reading is not None:
            self._reading.cancel()

    async def _start(self) -> None:
        """Starts the reader unless it runs. Raises DatabaseUnavailable."""
        if not self._closed and (self._reading is None or self._reading.done()):
            await self._starting.get()

    async def _begin(self) -> None:
        position = await self._feed.head()
        if not self._closed:
            self._position = position
            self._reading = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._read()
        except Exception:
            _log.exception("reading the change feed failed")
            self._end_all(SubscriptionEnded())

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        pause, looked = MIN_POLL_INTERVAL, loop.time()
        while self._subscriptions:
            assert self._position is not None
            try:
                page = await self._feed.read(self._position, PAGE_SIZE)
                await self._tell([mark for mark in page.marks if self._watched(mark)])
                if page.marks:
                    self._position = page.marks[-1].position
                if loop.time() - looked >= DELETION_CHECK_INTERVAL:
                    looked = loop.time()
                    await self._end_gone()
            except DatabaseUnavailable as error:
                _log.warning("the change feed cannot be read just now: %s", error)
                await self._feed.changed(POLL_INTERVAL)
                continue
            self._delay.note(not page.settled and not page.marks, loop.time())
            if len(page.marks) < PAGE_SIZE:
                pause = POLL_INTERVAL if page.settled else min(2 * pause, POLL_INTERVAL)
                await self._feed.changed(pause)
                pause = MIN_POLL_INTERVAL if page.settled or page.marks else pause

    async def _tell(self, marks: Sequence[Mark]) -> None:
        """Load what they are about and hand it out, not all of it at once where it is much."""
        bite = FIRST_LOAD
        while marks:
            some, marks = marks[:bite], marks[bite:]
            events = await self._feed.load(some)
            told: list[Event] = []
            for event in events:
                told.append(event)
                self._untaken += max(event.weight, MIN_WEIGHT)
                if self._untaken >= MAX_LOAD:
                    await self._hand_out(told)
                    told, self._untaken = [], 0
                    await self._let_take()
            await self._hand_out(told)
            self._position = some[-1].position
            bite = max(1, MAX_LOAD * len(some) // (sum(event.weight for event in events) + 1))

    async def _let_take(self) -> None:
        """Until all have taken what they were told, or have had the time for it."""
        behind = [subscription for several in self._subscriptions.values() for subscription in several]
        for _ in range(MAX_TURNS):
            while behind and behind[-1].empty:
                behind.pop()
            if not behind:
                return
            await asyncio.sleep(0)

    def _watched(self, mark: Mark) -> bool:
        return any(interest in self._subscriptions for interest in _interests(mark.tenant, mark.position.operation_id))

    async def _hand_out(self, events: Sequence[Event]) -> None:
        """In portions: what the first are told is sent before the last are told."""
        of: defaultdict[Interest, list[Event]] = defaultdict(list)
        for event in events:
            for interest in _interests(event.tenant, event.operation_id):
                of[interest].append(event)
        for interest, concerned in of.items():
            subscriptions = list(self._subscriptions.get(interest, ()))
            for start in range(0, len(subscriptions), CHUNK):
                for subscription in subscriptions[start : start + CHUNK]:
                    self._offer(subscription, concerned)
                await asyncio.sleep(0)
        for event in events:
            content = event.content
            at = content.at if isinstance(content, Transition) else content.updated_at
            self._metrics.told(self._clock.now() - at)

    def _offer(self, subscription: Subscription, events: Sequence[Event]) -> None:
        for event in events:
            if not subscription.offer(event):
                self._metrics.resynced()

    async def _end_gone(self) -> None:
        watched = {operation_id for _, operation_id in self._subscriptions if operation_id is not None}
        gone = await self._feed.gone(watched) if watched else set()
        for (_, operation_id), subscriptions in self._subscriptions.items():
            for subscription in subscriptions if operation_id in gone else ():
                subscription.end(OperationGone())

    def _end_all(self, reason: SubscriptionEnded) -> None:
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.end(reason)

    def _count(self, more: int) -> None:
        self._waiting += more
        self._metrics.waiting(self._waiting)


def _interests(tenant: str, operation_id: UUID) -> tuple[Interest, Interest]:
    return (tenant, operation_id), (tenant, None)
