"""Streams of events: of one operation, and of all that a tenant has."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from application.ports.change_feed import STATE, ChangeFeed, Event, Position
from application.ports.operation_view import OperationView
from application.services.change_hub import ChangeHub
from application.services.read import ReadOperations
from application.services.subscription import ReaderTooSlow, Subscription, SubscriptionEnded
from domain.transition import Transition

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


@dataclass(frozen=True, slots=True)
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
            async with aclosing(self._live(changes, _event(operation, operation))) as items:
                async for item in items:
                    if not isinstance(item, Event):
                        yield item
                        continue
                    for step in await self._steps(item, seen):
                        seen = step.seen
                        yield step
                    if not isinstance(item.content, Transition) and item.content.done:
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
            async with aclosing(self._live(changes)) as items:
                async for item in items:
                    if isinstance(item, Event):
                        if item.position > after:
                            after = item.position
                            yield item
                    elif isinstance(item, Quiet):
                        come_to = self._hub.position.before if self._hub.position and changes.empty else after
                        yield Quiet(come_to) if come_to > after else item
                        after = max(come_to, after)
                    else:
                        yield item

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
            follows = content.sequence == seen.lines + 1
            return [Step(Seen(seen.version, content.sequence), event)] if follows else []
        if content.version <= seen.version:
            return []
        missed: list[Transition] = []
        if seen.lines < content.history_length:
            lines = await self._read.transitions(event.tenant, event.operation_id)
            missed = [line for line in lines if seen.lines < line.sequence <= content.history_length]
        return [
            *(Step(Seen(seen.version, line.sequence), _event(content, line)) for line in missed),
            Step(Seen(content.version, content.history_length), event),
        ]

    async def _live(self, changes: Subscription, first: Event | None = None) -> AsyncGenerator[Event | Quiet | Resync]:
        """What is told, behind what is known already."""
        if first is not None:
            yield first
        loop = asyncio.get_running_loop()
        spoke = loop.time()
        # One timer, which goes on for what is left: a new one for each event would cost more than the event.
        timer = loop.call_later(self._heartbeat, changes.nudge)
        try:
            while True:
                try:
                    event = await changes.next()
                except TimeoutError:
                    if loop.time() - spoke >= self._heartbeat:
                        spoke = loop.time()
                        yield Quiet()
                    timer = loop.call_at(spoke + self._heartbeat, changes.nudge)
                except ReaderTooSlow:
                    yield Resync()
                    return
                except SubscriptionEnded:
                    return
                else:
                    spoke = loop.time()
                    yield event
        finally:
            timer.cancel()


def _event(operation: OperationView, content: OperationView | Transition) -> Event:
    """What was read from the tables, as an event. It has no place in the feed."""
    sequence = content.sequence if isinstance(content, Transition) else STATE
    return Event(Position(0, operation.id, sequence), operation.tenant, content)
