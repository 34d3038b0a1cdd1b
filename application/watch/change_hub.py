"""Reads the change feed once per process and distributes its events to all subscribers."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from application.batching.single_flight import SingleFlight
from application.ports.clock import Clock
from application.ports.monitoring.metrics import Metrics
from application.ports.storage.change_feed import ChangeFeed, Event, Mark, Position
from application.ports.storage.unit_of_work import DatabaseUnavailable
from application.watch.change_signal import ChangeSignal
from application.watch.feed_lag import FeedDelay
from application.watch.subscription import (
    MAX_QUEUE,
    MAX_QUEUE_WEIGHT,
    OperationGone,
    ServiceStopping,
    Subscription,
    SubscriptionEnded,
    Wants,
)
from domain.operation.transition import Transition

PAGE_SIZE: Final = 200
FIRST_LOAD: Final = 25
"""Events of a page that are loaded first: their size is known only then."""
MAX_LOAD: Final = MAX_QUEUE_WEIGHT // 4
"""Characters, about, that are loaded and distributed before subscribers get time to take them."""
MIN_WEIGHT: Final = MAX_QUEUE_WEIGHT // MAX_QUEUE
"""Characters that an event counts for at least: the number of events in a queue is limited too."""
MAX_TURNS: Final = MAX_QUEUE
"""Turns of the event loop in which a subscriber that keeps up has taken its events."""
CHUNK: Final = 100
"""Subscriptions that are served in one turn of the event loop."""
POLL_INTERVAL: Final = 1.0
"""Seconds between two reads without a notification: a writer can be killed between its commit and its notification."""
MIN_POLL_INTERVAL: Final = 0.01
"""Seconds until the next read while a transaction holds events back; doubled up to POLL_INTERVAL."""
DELETION_CHECK_INTERVAL: Final = 10.0
"""Seconds between two checks for deleted operations, which the feed does not report."""
_log = logging.getLogger(__name__)

Interest = tuple[str, UUID | None]
"""A tenant, and one of its operations; None stands for all of them."""


class ChangeHub:
    """Reads while there are subscribers. A subscriber costs memory alone: no connection and no query of its own."""

    def __init__(self, feed: ChangeFeed, clock: Clock, metrics: Metrics) -> None:
        self._feed = feed
        self._clock = clock
        self._metrics = metrics
        self._delay = FeedDelay(metrics)
        self._subscriptions: defaultdict[Interest, set[Subscription]] = defaultdict(set)
        self._signals: defaultdict[str | None, set[ChangeSignal]] = defaultdict(set)
        self._waiting = 0
        self._position: Position | None = None
        self._untaken = 0
        """Characters that were distributed since subscribers last got time to take them."""
        self._starting = SingleFlight(self._begin)
        self._reading: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def position(self) -> Position | None:
        """Everything up to this position was distributed."""
        return self._position

    @asynccontextmanager
    async def subscribe(
        self, tenant: str, operation_id: UUID | None = None, wants: Wants | None = None
    ) -> AsyncIterator[Subscription]:
        """Subscribes to the events of one operation, or of all operations of the tenant, or to those of them that
        `wants` accepts. The subscription has every event that cannot be read from the database when the block starts,
        and may have earlier ones. Raises DatabaseUnavailable."""
        interest, subscription = (tenant, operation_id), Subscription(wants)
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

    @asynccontextmanager
    async def signal(self, tenant: str | None) -> AsyncIterator[ChangeSignal]:
        """Yields a signal that is set after each change of an operation of the tenant. None: it only ends with the
        process. Raises DatabaseUnavailable."""
        signal = ChangeSignal()
        self._signals[tenant].add(signal)
        self._count(1)
        try:
            if self._closed:
                signal.end(ServiceStopping())
            if tenant is not None:
                await self._start()
            yield signal
        finally:
            self._signals[tenant].discard(signal)
            if not self._signals[tenant]:
                del self._signals[tenant]
            self._count(-1)

    def close(self) -> None:
        """Ends every subscription, later ones too."""
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
            _log.exception("reading the change feed failed; all subscriptions end")
            self._end_all(SubscriptionEnded())

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        pause, checked_at = MIN_POLL_INTERVAL, loop.time()
        while self._subscriptions or self._signals.keys() - {None}:
            assert self._position is not None
            try:
                page = await self._feed.read(self._position, PAGE_SIZE)
                self._set_signals({mark.tenant for mark in page.marks})
                await self._publish([mark for mark in page.marks if self._watched(mark)])
                if page.marks:
                    self._position = page.marks[-1].position
                if loop.time() - checked_at >= DELETION_CHECK_INTERVAL:
                    checked_at = loop.time()
                    await self._end_deleted()
            except DatabaseUnavailable as error:
                _log.warning("cannot read the change feed, trying again: %s", error)
                await self._feed.changed(POLL_INTERVAL)
                continue
            self._delay.note(not page.settled and not page.marks, loop.time())
            if len(page.marks) < PAGE_SIZE:
                pause = POLL_INTERVAL if page.settled else min(2 * pause, POLL_INTERVAL)
                await self._feed.changed(pause)
                pause = MIN_POLL_INTERVAL if page.settled or page.marks else pause

    async def _publish(self, marks: Sequence[Mark]) -> None:
        """Loads the events of the marks and distributes them, a limited amount at a time."""
        size = FIRST_LOAD
        while marks:
            chunk, marks = marks[:size], marks[size:]
            events = await self._feed.load(chunk)
            loaded: list[Event] = []
            for event in events:
                loaded.append(event)
                self._untaken += max(event.weight, MIN_WEIGHT)
                if self._untaken >= MAX_LOAD:
                    await self._distribute(loaded)
                    loaded, self._untaken = [], 0
                    await self._let_subscribers_take()
            await self._distribute(loaded)
            self._position = chunk[-1].position
            size = max(1, MAX_LOAD * len(chunk) // (sum(event.weight for event in events) + 1))

    async def _let_subscribers_take(self) -> None:
        """Waits until all subscribers have taken their events, or had time to."""
        behind = [subscription for several in self._subscriptions.values() for subscription in several]
        for _ in range(MAX_TURNS):
            while behind and behind[-1].empty:
                behind.pop()
            if not behind:
                return
            await asyncio.sleep(0)

    def _watched(self, mark: Mark) -> bool:
        return any(interest in self._subscriptions for interest in _interests(mark.tenant, mark.position.operation_id))

    async def _distribute(self, events: Sequence[Event]) -> None:
        """Distributes events in chunks: the first subscribers send theirs before the last ones get them."""
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
            self._metrics.notified(self._clock.now() - at)

    def _set_signals(self, tenants: Collection[str]) -> None:
        for tenant in tenants:
            for signal in self._signals.get(tenant, ()):
                signal.set()

    def _offer(self, subscription: Subscription, events: Sequence[Event]) -> None:
        for event in events:
            if not subscription.offer(event):
                self._metrics.resynced()

    async def _end_deleted(self) -> None:
        watched = {operation_id for _, operation_id in self._subscriptions if operation_id is not None}
        gone = await self._feed.gone(watched) if watched else set()
        for (_, operation_id), subscriptions in self._subscriptions.items():
            for subscription in subscriptions if operation_id in gone else ():
                subscription.end(OperationGone())

    def _end_all(self, reason: SubscriptionEnded) -> None:
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.end(reason)
        for signals in self._signals.values():
            for signal in signals:
                signal.end(reason)

    def _count(self, more: int) -> None:
        self._waiting += more
        self._metrics.waiting(self._waiting)


def _interests(tenant: str, operation_id: UUID) -> tuple[Interest, Interest]:
    return (tenant, operation_id), (tenant, None)
