"""Streams the events of one operation, or of all operations of a tenant."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

from application.ports.storage.change_feed import STATE, ChangeFeed, Event, Position
from application.ports.storage.operation_view import OperationView
from application.watch.change_hub import ChangeHub
from application.watch.change_signal import ChangeSignal
from application.watch.read import ReadOperations
from application.watch.subscription import ReaderTooSlow, Subscription, SubscriptionEnded, Wants
from domain.operation.transition import Transition

HEARTBEAT: Final = 15.0
"""Seconds without an event after which a stream sends a heartbeat."""
CATCH_UP_PAGE: Final = 2_000
"""Marks of all tenants that are read at a time for a subscriber that resumes."""
CATCH_UP_LOAD: Final = 10
"""Events that are held at a time for a subscriber that resumes: each may be large, and is kept until it is sent."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a subscriber of one operation is."""

    version: int
    lines: int
    """Length of the history that it has."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamItem:
    """An event of one operation, and the cursor of a subscriber that has it."""

    cursor: Cursor
    event: Event


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """There is no event. `position`: where to resume, if that has moved."""

    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Resync:
    """The stream ends because the subscriber reads too slowly. It resumes behind its last event."""


class StreamEvents:
    """Loses and repeats nothing: each history line comes once, and each operation at its current version.

    An operation that changes again before it is read comes once, at its last version. If two transactions change an
    operation at the same time, a tenant's stream may send the operation before its last history line.
    """

    def __init__(self, read: ReadOperations, feed: ChangeFeed, hub: ChangeHub, *, heartbeat: float = HEARTBEAT) -> None:
        """`heartbeat`: seconds."""
        self._read = read
        self._feed = feed
        self._hub = hub
        self._heartbeat = heartbeat

    async def head(self) -> Position:
        """Returns the position behind everything that a stream can send now."""
        return await self._feed.head()

    async def of_operation(
        self, tenant: str, operation_id: UUID, cursor: Cursor | None
    ) -> AsyncGenerator[StreamItem | Heartbeat | Resync]:
        """Yields the operation as it is now, or what happened after `cursor`, and then its events until it is done or
        deleted. Raises OperationNotFound."""
        async with self._hub.subscribe(tenant, operation_id) as changes:
            operation = await self._read.get(tenant, operation_id)
            cursor = cursor or Cursor(0, operation.history_length)
            event: Event | Heartbeat = _event(operation)
            try:
                while True:
                    if isinstance(event, Heartbeat):
                        yield event
                    else:
                        for item in await self._items(event, cursor):
                            cursor = item.cursor
                            yield item
                        if not isinstance(event.content, Transition) and event.content.done:
                            return
                    event = await self._next(changes)
            except ReaderTooSlow:
                yield Resync()
            except SubscriptionEnded:
                return

    def changes(self, tenant: str | None) -> AbstractAsyncContextManager[ChangeSignal]:
        """Returns a context with a signal that is set after each change; None: it only says when the process ends.
        Raises DatabaseUnavailable on entry."""
        return self._hub.signal(tenant)

    async def is_far_behind(self, after: Position) -> bool:
        """Returns whether more has changed since the position, in all tenants, than CATCH_UP_PAGE. Raises
        FeedRewound."""
        return len((await self._feed.read(after, CATCH_UP_PAGE)).marks) == CATCH_UP_PAGE

    async def of_tenant(
        self, tenant: str, after: Position | None, wants: Wants | None = None
    ) -> AsyncGenerator[Event | Heartbeat | Resync]:
        """Yields the events of all the tenant's operations, from now or behind `after`; with `wants`, those that it
        accepts. Raises FeedRewound."""
        if after is not None:
            # Most of it before the subscription, whose queue could overflow meanwhile.
            async with aclosing(self._missed(tenant, after, wants)) as missed:
                async for item in missed:
                    after = item.position or after
                    yield item
        async with self._hub.subscribe(tenant, wants=wants) as changes:
            if after is None:
                after = await self._feed.head()
                yield Heartbeat(after)
            async with aclosing(self._missed(tenant, after, wants)) as missed:
                async for item in missed:
                    after = item.position or after
                    yield item
            try:
                while True:
                    event = await self._next(changes)
                    if isinstance(event, Heartbeat):
                        reached = self._hub.position.before if self._hub.position and changes.empty else after
                        yield Heartbeat(reached) if reached > after else event
                        after = max(reached, after)
                    elif event.position > after:
                        after = event.position
                        yield event
            except ReaderTooSlow:
                yield Resync()
            except SubscriptionEnded:
                return

    async def _missed(self, tenant: str, after: Position, wants: Wants | None) -> AsyncGenerator[Event | Heartbeat]:
        """Yields the tenant's events that are behind `after` already; with `wants`, those that it accepts. The feed
        holds the events of all tenants: a heartbeat says how far it was read, so that a subscriber that disconnects
        resumes there."""
        sent = after
        while True:
            page = await self._feed.read(after, CATCH_UP_PAGE)
            marks = [mark for mark in page.marks if mark.tenant == tenant]
            for start in range(0, len(marks), CATCH_UP_LOAD):
                for event in await self._feed.load(marks[start : start + CATCH_UP_LOAD]):
                    if wants is None or wants(event):
                        sent = event.position
                        yield event
            if len(page.marks) < CATCH_UP_PAGE:
                return
            after = page.marks[-1].position
            if after.before > sent:
                sent = after.before
                yield Heartbeat(sent)

    async def _items(self, event: Event, cursor: Cursor) -> list[StreamItem]:
        """Returns what is new in the event after the cursor, with history lines that the feed has not sent yet."""
        content = event.content
        if isinstance(content, Transition):
            missed = await self._lines(event, cursor.lines, content.sequence - 1)
            last = [_item(event, cursor.version, content.sequence)] if content.sequence > cursor.lines else []
            return [*(_item(line, cursor.version, line.position.sequence) for line in missed), *last]
        if content.version <= cursor.version:
            return []
        missed = await self._lines(event, cursor.lines, content.history_length)
        return [
            *(_item(line, cursor.version, line.position.sequence) for line in missed),
            _item(event, content.version, max(cursor.lines, content.history_length)),
        ]

    async def _lines(self, event: Event, after: int, last: int) -> list[Event]:
        """Returns the history lines behind number `after` up to number `last`. If two transactions changed the
        operation at the same time, the feed can have a later line first."""
        if last <= after:
            return []
        lines = await self._read.transitions(event.tenant, event.operation_id)
        return [_line(event, line) for line in lines if after < line.sequence <= last]

    async def _next(self, changes: Subscription) -> Event | Heartbeat:
        """Waits for the next event, at most for the heartbeat's interval. Raises SubscriptionEnded."""
        try:
            return await changes.next(asyncio.get_running_loop().time() + self._heartbeat)
        except TimeoutError:
            return Heartbeat()


@lru_cache(maxsize=32)
def _item(event: Event, version: int, lines: int) -> StreamItem:
    """Cached: all subscribers of the event share it."""
    return StreamItem(Cursor(version, lines), event)


def _event(operation: OperationView) -> Event:
    """An operation that was read from the table, as an event. It has no position in the feed."""
    return Event(Position(0, operation.id, STATE), operation.tenant, operation)


def _line(event: Event, line: Transition) -> Event:
    """A history line that was read from the table, as an event of the same operation."""
    return Event(Position(0, event.operation_id, line.sequence), event.tenant, line)
