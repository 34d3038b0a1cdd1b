"""What every change feed keeps to."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings

from application.ports.change_feed import STATE, Event, FeedRewound, Mark, Position
from application.ports.operation_view import OperationView
from domain.operation.lifecycle import complete, start
from domain.operation.operation import Change, Operation
from domain.operation.report import Progress
from domain.operation.transition import Transition
from domain.scheduling.schedule import FollowUp
from entrypoints.http.responses.responses import json_bytes
from entrypoints.http.responses.schemas import operation_body
from tests.contract.stores import OnMemory, OnPostgres, Store, add, save, shown, stored
from tests.contract.strategies import changes
from tests.contract.test_operation_repository import LEASE, SHARED, accepted_change
from tests.support.operations import at, cause

ID_1, ID_2, ID_3 = (UUID(int=number) for number in (1, 2, 3))
LONG = 60.0
"""Seconds that no test waits for."""


async def marks_after(store: Store, after: Position, *, limit: int = 2) -> list[Mark]:
    """All marks behind the place, read in small pages until nothing is held back."""
    found: list[Mark] = []
    while True:
        page = await store.feed.read(found[-1].position if found else after, limit)
        found += page.marks
        if not page.marks and page.settled:
            return found


async def events_after(store: Store, after: Position) -> list[Event]:
    """What is behind the place."""
    return await store.feed.load(await marks_after(store, after))


def told(events: list[Event]) -> list[tuple[UUID, int]]:
    """Of a line its sequence; of an operation its version, as a negative number."""
    return [
        (
            event.operation_id,
            event.content.sequence if isinstance(event.content, Transition) else -event.content.version,
        )
        for event in events
    ]


def as_operation(event: Event) -> OperationView:
    """What it is about, which is no history line."""
    assert not isinstance(event.content, Transition)
    return event.content


def progressed(operation: Operation, fraction: float) -> Change:
    """A change without a history line."""
    return Change(replace(operation, progress=Progress(fraction, None)))


class ChangeFeedContract:
    """Subclasses give the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_lines_then_the_operation(self, store: Store) -> None:
        """What one commit did to an operation comes together: each history line, then how it stands."""
        before = await store.feed.head()
        await add(store, accepted_change(1))
        assert told(await events_after(store, before)) == [(ID_1, 1), (ID_1, -1)]
        operation = await stored(store, ID_1)
        started = start(operation, cause(1))
        await save(store, started.then(complete(started.operation, {"a": [1]}, cause(2))))
        events = await events_after(store, before)
        assert told(events) == [(ID_1, 1), (ID_1, 2), (ID_1, 3), (ID_1, -2)]
        assert [event.tenant for event in events] == [operation.tenant] * 4
        assert shown(as_operation(events[-1])) == shown(await stored(store, ID_1))
        assert [event.content for event in events[:3]] == await store.queries(operation.tenant).transitions(ID_1)

    @settings(deadline=None, max_examples=60, suppress_health_check=SHARED)
    @given(changes())
    async def test_an_operation_looks_as_when_it_is_read(self, store: Store, change: Change) -> None:
        """To the byte, which is what the entity tag says of all answers with the same version."""
        operation, before = change.operation, await store.feed.head()
        queries = store.queries(operation.tenant)
        async with store.units() as unit:
            if await unit.operations.get(operation.id) is not None:
                return
        await add(store, change)
        found = await queries.get(operation.id)
        assert found is not None
        told_of = as_operation((await events_after(store, before))[-1])
        assert json_bytes(operation_body(told_of)) == json_bytes(operation_body(found))

    async def test_each_has_its_weight(self, store: Store) -> None:
        """So much as is in it, above all input and result; of a line, its details."""
        before = await store.feed.head()
        await add(
            store, Change(replace(accepted_change(1).operation, input="x" * 50_000), accepted_change(1).transitions)
        )
        line, operation = await events_after(store, before)
        assert 0 < line.weight < 10_000
        assert 50_000 < operation.weight < 60_000
        started = start(await stored(store, ID_1), cause(1))
        await save(store, started.then(complete(started.operation, {"a": "x" * 30_000}, cause(2))))
        assert 80_000 < (await events_after(store, before))[-1].weight < 90_000

    async def test_positions_ascend(self, store: Store) -> None:
        """Each mark has its own place, and they are read in order."""
        before = await store.feed.head()
        await add(store, accepted_change(2), accepted_change(1))
        await add(store, accepted_change(3))
        places = [mark.position for mark in await marks_after(store, before)]
        assert places == sorted(set(places))
        assert len(places) == 6

    async def test_the_head_is_behind_all(self, store: Store) -> None:
        """Who begins now hears of what comes, and of nothing before."""
        await add(store, accepted_change(1))
        assert await marks_after(store, await store.feed.head()) == []

    async def test_a_change_without_a_line(self, store: Store) -> None:
        """Progress is no history, and yet a new version."""
        await add(store, accepted_change(1))
        before = await store.feed.head()
        await save(store, progressed(await stored(store, ID_1), 0.5))
        assert told(await events_after(store, before)) == [(ID_1, -2)]

    async def test_a_claim_is_no_change(self, store: Store) -> None:
        """Clients see no difference, so that they have nothing to hear of."""
        await add(store, accepted_change(1))
        before = await store.feed.head()
        async with store.units() as unit:
            assert await unit.operations.claim_due_dispatches(at(1), LEASE, 1)
            await unit.commit()
        assert await marks_after(store, before) == []

    async def test_what_is_no_change(self, store: Store) -> None:
        """Plans of the ledger's own work leave the version as it is."""
        await add(store, accepted_change(1))
        before = await store.feed.head()
        async with store.units() as unit:
            await unit.operations.set_follow_up(await stored(store, ID_1), FollowUp(at(5), 1))
            await unit.commit()
        assert await marks_after(store, before) == []

    async def test_what_is_undone(self, store: Store) -> None:
        """A unit of work that ends without a commit was never there."""
        before = await store.feed.head()
        async with store.units() as unit:
            await unit.operations.add(accepted_change(1))
        assert await marks_after(store, before) == []

    async def test_changed_again_before_it_was_loaded(self, store: Store) -> None:
        """The older mark gives nothing; the version comes at its own, later place, once."""
        before = await store.feed.head()
        await add(store, accepted_change(1))
        marks = await marks_after(store, before)
        await save(store, progressed(await stored(store, ID_1), 0.5))
        assert told(await store.feed.load(marks)) == [(ID_1, 1)]
        assert told(await events_after(store, marks[-1].position)) == [(ID_1, -2)]

    async def test_each_mark_says_whose_it_is(self, store: Store) -> None:
        """P8: readers tell tenants apart by it."""
        before = await store.feed.head()
        await add(store, accepted_change(1, tenant="a"), accepted_change(2, tenant="b"))
        marks = await marks_after(store, before)
        assert [(mark.position.operation_id, mark.tenant) for mark in marks] == [(ID_1, "a")] * 2 + [(ID_2, "b")] * 2
        assert [event.tenant for event in await store.feed.load(marks)] == ["a", "a", "b", "b"]

    async def test_what_is_gone(self, store: Store) -> None:
        """Of the ids that are asked about."""
        assert await store.feed.gone([]) == set()
        await add(store, accepted_change(1), accepted_change(2))
        assert await store.feed.gone([ID_1, ID_3]) == {ID_3}

    async def test_a_place_that_was_not_reached(self, store: Store) -> None:
        """It is of another database, or of a later state of this one: nothing is behind it for ever, which is said."""
        await add(store, accepted_change(1))
        head = await store.feed.head()
        assert await marks_after(store, head) == []
        with pytest.raises(FeedRewound):
            await store.feed.read(Position.behind(head.transaction + 1_000_000), 1)

    async def test_the_place_before(self, store: Store) -> None:
        """It names no operation, and everything of the transaction is behind it."""
        before = await store.feed.head()
        await add(store, accepted_change(1))
        marks = await marks_after(store, before)
        assert await marks_after(store, marks[-1].position.before) == marks
        assert marks[-1].position.before.operation_id not in {ID_1, ID_2, ID_3}

    async def test_nothing_to_load(self, store: Store) -> None:
        """No marks, no events; nor for what was never there."""
        assert await store.feed.load([]) == []
        nowhere = [Mark(Position(1, ID_3, sequence), "t") for sequence in (1, STATE)]
        assert await store.feed.load(nowhere) == []

    async def test_a_commit_is_heard_of(self, store: Store) -> None:
        """A wait ends when something was committed, also between two waits."""
        await asyncio.wait_for(self._until(store, 1), LONG)
        await asyncio.wait_for(self._until(store, 2), LONG)

    async def test_waiting_ends_by_itself(self, store: Store) -> None:
        """Where nothing happens, the time ends the wait."""
        for _ in range(3):
            await store.feed.changed(0.01)

    async def _until(self, store: Store, number: int) -> None:
        before = await store.feed.head()
        writing = asyncio.create_task(add(store, accepted_change(number)))
        while not (await store.feed.read(before, 1)).marks:
            await store.feed.changed(LONG)
        await writing


class TestMemoryChangeFeed(OnMemory, ChangeFeedContract):
    """The fake."""


class TestPostgresChangeFeed(OnPostgres, ChangeFeedContract):
    """The real one."""
