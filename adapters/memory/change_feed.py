"""The change feed, in memory."""

import asyncio
import contextlib
from collections.abc import Collection, Iterator, Sequence
from uuid import UUID

from adapters.memory.storage.tables import Tables
from application.ports.storage.change_feed import STATE, Event, FeedRewound, Mark, MarkPage, Position
from domain.operation.operation import Operation
from domain.operation.transition import Transition


class MemoryChangeFeed:
    """Commits are sequential, so that nothing is ever held back."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._heard = 0

    async def head(self) -> Position:
        return Position.behind(self._tables.log.commits)

    async def read(self, after: Position, limit: int) -> MarkPage:
        if after > await self.head():
            raise FeedRewound("the position is after the last commit")
        marks = sorted(self._marks(), key=lambda mark: mark.position)
        found = [mark for mark in marks if mark.position > after]
        return MarkPage(found[:limit], settled=True)

    async def load(self, marks: Sequence[Mark]) -> list[Event]:
        current = {mark.position for mark in self._marks()}
        return [self._event(mark) for mark in marks if mark.position in current]

    async def gone(self, operation_ids: Collection[UUID]) -> set[UUID]:
        return set(operation_ids) - self._tables.operations.keys()

    async def changed(self, within: float) -> None:
        log = self._tables.log
        if log.commits == self._heard:
            waiter = asyncio.get_running_loop().create_future()
            log.waiting.add(waiter)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(waiter, within)
            log.waiting.discard(waiter)
        self._heard = log.commits

    def _marks(self) -> Iterator[Mark]:
        for operation_id, row in self._tables.operations.items():
            yield Mark(Position(self._tables.log.changed[operation_id], operation_id, STATE), row.tenant)
            for line in self._tables.history[operation_id]:
                commit = self._tables.log.written[operation_id, line.sequence]
                yield Mark(Position(commit, operation_id, line.sequence), row.tenant)

    def _event(self, mark: Mark) -> Event:
        content = self._content(mark.position)
        return Event(mark.position, mark.tenant, content, len(repr(content)))

    def _content(self, position: Position) -> Operation | Transition:
        if position.sequence == STATE:
            return self._tables.operations[position.operation_id]
        return self._tables.history[position.operation_id][position.sequence - 1]
