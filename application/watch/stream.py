"""Streams of events: of one operation, and of all that a tenant has."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

from application.ports.change_feed import STATE, ChangeFeed, Event, Position
from application.ports.operation_view import OperationView
from application.watch.change_hub import ChangeHub
from application.watch.read import ReadOperations
from application.watch.subscription import ReaderTooSlow, Subscription, SubscriptionEnded
from domain.operation.transition import Transition

HEARTBEAT: Final = 15.0
"""Seconds after which a stream that has nothing to say says so."""
LOOKS_BACK: Final = 2_000
"""Marks of all tenants that are read at once for one who resumes."""
BITE: Final = 10
"""Events that are held for one who resumes: each may be large, and is kept until it was sent."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How far somebody is who follows one operation."""

    version: int
    lines: int
    """Of the history."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """An event of one operation, and how far whoever has it is."""

    seen: Seen
    event: Event


@dataclass(frozen=True, slots=True)
class Quiet:
    """There is nothing to say. `position`: up to where that holds, where it is new."""

    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Resync:
    """The stream ends because it was not read fast enough: resume behind the last event."""


class StreamEvents:
    """Nothing lost, nothing twice: each history line once, and the operation as it stands. An operation that changes
    again before it was read is told of once, at its last version. Where two transactions were at one operation at the
    same time, a tenant's stream may tell of it before it has told the last line."""

    def __init__(self, read: ReadOperations, feed: ChangeFeed, hub: ChangeHub, *, heartbeat: float = HEARTBEAT) -> None:
        """`heartbeat`: seconds."""
        self._read = read
        self._feed = feed
        self._hub = hub
        self._heartbeat = heartbeat

    async def head(self) -> Position:
        """Behind everything that a stream of now could tell."""
        return await self._feed.head()

    async def of_operation(
        self, tenant: str, operation_id: UUID, seen: Seen | None
    ) -> AsyncGenerator[Step | Quiet | Resync]:
        """What happens to the operation until it is done, from how it stands now, or from `seen`; until it is removed,
        where that comes first. Raises OperationNotFound."""
        async with self._hub.subscribe(tenant, operation_id) as changes:
            operation = await self._read.get(tenant, operation_id)
            seen = seen or Seen(0, operation.history_length)
            told: Event | Quiet = _event(operation)
            try:
                while True:
                    if isinstance(told, Quiet):
                        yield told
                    else:
                        for step in await self._steps(told, seen):
                            seen = step.seen
                            yield step
                        if not isinstance(told.content, Transition) and told.content.done:
                            return
                    told = await self._next(changes)
            except ReaderTooSlow:
                yield Resync()
            except SubscriptionEnded:
                return

    async def of_tenant(self, tenant: str, after: Position | None) -> AsyncGenerator[Event | Quiet | Resync]:
        """What happens to any of the tenant's operations, from now, or behind `after`. Raises FeedRewound."""
        if after is not None:
            # Most of it before there is a queue that could overflow.
            async with aclosing(self._missed(tenant, after)) as missed:
                async for told in missed:
                    after = told.position or after
                    yield told
        async with self._hub.subscribe(tenant) as changes:
            if after is None:
                after = await self._feed.head()
                yield Quiet(after)
            async with aclosing(self._missed(tenant, after)) as missed:
                async for told in missed:
                    after = told.position or after
                    yield told
            try:
                while True:
                    item = await self._next(changes)
                    if isinstance(item, Quiet):
                        come_to = self._hub.position.before if self._hub.position and changes.empty else after
                        yield Quiet(come_to) if come_to > after else item
                        after = max(come_to, after)
                    elif item.position > after:
                        after = item.position
                        yield item
            except ReaderTooSlow:
                yield Resync()
            except SubscriptionEnded:
                return

    async def _missed(self, tenant: str, after: Position) -> AsyncGenerator[Event | Quiet]:
        """What is behind the place already. The feed is everybody's: how far it was read is told, so that whoever is
        cut off on the way does not begin anew."""
        told = after
        while True:
            page = await self._feed.read(after, LOOKS_BACK)
            marks = [mark for mark in page.marks if mark.tenant == tenant]
            for start in range(0, len(marks), BITE):
                for event in await self._feed.load(marks[start : start + BITE]):
                    told = event.position
                    yield event
            if len(page.marks) < LOOKS_BACK:
                return
            after = page.marks[-1].position
            if after.before > told:
                told = after.before
                yield Quiet(told)

    async def _steps(self, event: Event, seen: Seen) -> list[Step]:
        """What is new in the event to somebody who has seen so much."""
        content = event.content
        if isinstance(content, Transition):
            missed = await self._lines(event, seen.lines, content.sequence - 1)
            last = [_step(event, seen.version, content.sequence)] if content.sequence > seen.lines else []
            return [*(_step(line, seen.version, line.position.sequence) for line in missed), *last]
        if content.version <= seen.version:
            return []
        missed = await self._lines(event, seen.lines, content.history_length)
        return [
            *(_step(line, seen.version, line.position.sequence) for line in missed),
            _step(event, content.version, max(seen.lines, content.history_length)),
        ]

    async def _lines(self, event: Event, seen: int, last: int) -> list[Event]:
        """The history lines after those that were seen, as far as `last`. Where two transactions were at the operation
        at the same time, the feed can have a later line first."""
        if last <= seen:
            return []
        lines = await self._read.transitions(event.tenant, event.operation_id)
        return [_line(event, line) for line in lines if seen < line.sequence <= last]

    async def _next(self, changes: Subscription) -> Event | Quiet:
        """What is told next, if it is not silence for too long. Raises SubscriptionEnded."""
        try:
            return await changes.next(asyncio.get_running_loop().time() + self._heartbeat)
        except TimeoutError:
            return Quiet()


@lru_cache(maxsize=32)
def _step(event: Event, version: int, lines: int) -> Step:
    """The same for all who are told of it: made once."""
    return Step(Seen(version, lines), event)


def _event(operation: OperationView) -> Event:
    """An operation that was read from the table, as an event. It has no place in the feed."""
    return Event(Position(0, operation.id, STATE), operation.tenant, operation)


def _line(event: Event, line: Transition) -> Event:
    """A history line that was read from the table, of the operation of an event."""
    return Event(Position(0, event.operation_id, line.sequence), event.tenant, line)
