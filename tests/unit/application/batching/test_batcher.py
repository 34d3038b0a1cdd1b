"""Grouping: what hangs or comes too fast holds up nobody for ever, and what is done for many is nobody's own."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from application.batching.batcher import AT_ONCE, GROUP, Grouping, Request, Unsettled
from application.ports.unit_of_work import DatabaseContended, DatabaseUnavailable
from tests.support.commits import begun

REQUEST: ContextVar[str] = ContextVar("request", default="nobody's")


class Settled:
    """Tells every request its own question, once whatever holds it is there."""

    def __init__(self) -> None:
        self.held: dict[int, asyncio.Event] = {}
        """By key."""
        self.groups: list[list[int]] = []
        self.contexts: list[str] = []

    async def __call__(self, group: Sequence[Request[int, Any, Any]]) -> None:
        self.groups.append([request.key for request in group])
        self.contexts.append(REQUEST.get())
        for request in group:
            if request.key in self.held:
                await self.held[request.key].wait()
        for request in group:
            request.tell(request.question)


async def test_groups_that_hang_hold_up_no_other() -> None:
    """A connection that a firewall forgot says nothing for a long time; the pool has others."""
    settled = Settled()
    grouping = Grouping(settled, patience=0.0)
    settled.held = {key: asyncio.Event() for key in range(2 * AT_ONCE)}
    stuck = [task for key in settled.held for task in await begun(grouping.ask(key, key))]
    assert await asyncio.wait_for(grouping.ask(-1, "answer"), 60) == "answer"
    assert not any(task.done() for task in stuck)
    for event in settled.held.values():
        event.set()
    assert await asyncio.gather(*stuck) == list(settled.held)


async def test_who_comes_after_one_that_hangs() -> None:
    """Those with its key go on where it ends, though nobody else comes."""
    settled = Settled()
    grouping = Grouping(settled, patience=0.0)
    settled.held = {1: asyncio.Event()}
    first, second = await begun(grouping.ask(1, "first"), grouping.ask(1, "second"))
    assert not first.done()
    assert not second.done()
    settled.held[1].set()
    assert await asyncio.wait_for(asyncio.gather(first, second), 60) == ["first", "second"]
    assert settled.groups == [[1], [1]]


async def test_groups_that_hung_leave_no_more_at_once() -> None:
    """When they come to their end there are AT_ONCE again."""
    settled = Settled()
    grouping = Grouping(settled, patience=60.0)
    settled.held = {key: asyncio.Event() for key in range(4 * GROUP)}
    stuck = await begun(*(grouping.ask(key, key) for key in settled.held))
    assert len(settled.groups) == AT_ONCE
    for key in range(GROUP):
        settled.held[key].set()
    await asyncio.gather(*stuck[:GROUP])
    await begun()
    assert len(settled.groups) == AT_ONCE + 1
    await grouping.close(within=0)
    await asyncio.gather(*stuck, return_exceptions=True)


async def test_what_waits_for_too_long() -> None:
    """It is told so, and not done: where more comes than the database takes, waiting would have no end."""
    settled = Settled()
    grouping = Grouping(settled)
    settled.held = {key: asyncio.Event() for key in range(AT_ONCE)}
    first = [task for key in settled.held for task in await begun(grouping.ask(key, key))]
    late = await begun(*(grouping.ask(key, key) for key in range(AT_ONCE, AT_ONCE + 3)))
    grouping._longest_wait = -1.0
    for event in settled.held.values():
        event.set()
    assert await asyncio.gather(*first) == list(settled.held)
    outcomes = await asyncio.wait_for(asyncio.gather(*late, return_exceptions=True), 60)
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 3
    assert settled.groups == [[key] for key in settled.held]


@pytest.mark.parametrize(("many", "told"), [(1, DatabaseContended), (2, Unsettled)])
async def test_what_others_are_at(many: int, told: type[Exception]) -> None:
    """One that had a group of its own has waited for them, and would wait no better alone; of several it is not known
    which of them has to."""

    async def contended(group: Sequence[Request[int, Any, Any]]) -> None:
        raise DatabaseContended("a lock")

    grouping = Grouping(contended)
    outcomes = await asyncio.gather(*(grouping.ask(key, key) for key in range(many)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [told] * many


async def test_the_end_of_groups_that_hang() -> None:
    """All are told, also those whose group was begun during the end; no task is left."""
    others = asyncio.all_tasks()
    settled = Settled()
    grouping = Grouping(settled, patience=0.0)
    settled.held = {key: asyncio.Event() for key in range(2 * AT_ONCE * GROUP)}
    stuck = await begun(*(grouping.ask(key, key) for key in settled.held))
    await grouping.close(within=0.01)
    outcomes = await asyncio.wait_for(asyncio.gather(*stuck, return_exceptions=True), 60)
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * len(stuck)
    assert asyncio.all_tasks() <= others


async def test_a_group_belongs_to_no_request() -> None:
    """It is many's: what it logs carries what its maker has bound, not the id of one."""
    settled = Settled()
    REQUEST.set("its maker's")
    grouping = Grouping(settled)
    REQUEST.set("mine")
    await grouping.ask(1, "answer")
    assert settled.contexts == ["its maker's"]
