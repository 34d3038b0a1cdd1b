"""The contract of change feeds."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings

from application.ports.storage.change_feed import STATE, Event, FeedRewound, Mark, Position
from application.ports.storage.operation_view import OperationView
from domain.operation.lifecycle import complete, start
from domain.operation.operation import Change, Operation
from domain.operation.report import Progress
from domain.operation.transition import Transition
from domain.scheduling.schedule import FollowUp
from entrypoints.response_bodies import json_bytes, operation_body
from tests.contract.storage.operations.test_operation_repository import LEASE, SHARED, accepted_change
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add, save, shown, stored
from tests.contract.storage.strategies import changes
from tests.support.operations import at, cause

ID_1, ID_2, ID_3 = (UUID(int=number) for number in (1, 2, 3))
LONG = 60.0
"""Timeout in seconds that no test reaches."""


async def marks_after(store: Store, after: Position, *, limit: int = 2) -> list[Mark]:
    """Returns all marks after the position, read in small pages until nothing is held back."""
    found: list[Mark] = []
    while True:
        page = await store.feed.read(found[-1].position if found else after, limit)
        found += page.marks
        if not page.marks and page.settled:
            return found


async def events_after(store: Store, after: Position) -> list[Event]:
    """Returns the events after the position."""
    return await store.feed.load(await marks_after(store, after))


def pairs(events: list[Event]) -> list[tuple[UUID, int]]:
    """Returns a line's sequence, or an operation's version as a negative number."""
    return [
        (
            event.operation_id,
            event.content.sequence if isinstance(event.content, Transition) else -event.content.version,
        )
        for event in events
    ]


def as_operation(event: Event) -> OperationView:
    """Returns the content, which is an operation."""
    assert not isinstance(event.content, Transition)
    return event.content


def progressed(operation: Operation, fraction: float) -> Change:
    """A change without a history line."""
    return Change(replace(operation, progress=Progress(fraction, None)))


class ChangeFeedContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_a_commit_gives_each_history_line_and_then_the_operation(self, store: Store) -> None:
        """Its marks are adjacent."""
        before = await store.feed.head()
        await add(store, accepted_change(1))
        assert pairs(await events_after(store, before)) == [(ID_1, 1), (ID_1, -1)]
        operation = await stored(store, ID_1)
        started = start(operation, cause(1))
        await save(store, started.then(complete(started.operation, {"a": [1]}, cause(2))))
        events = await events_after(store, before)
        assert pairs(events) == [(ID_1, 1), (ID_1, 2), (ID_1, 3), (ID_1, -2)]
        assert [event.tenant for event in events] == [operation.tenant] * 4
        assert shown(as_operation(events[-1])) == shown(await stored(store, ID_1))
        assert [event.content for event in events[:3]] == await store.queries(operation.tenant).transitions(ID_1)

    @settings(deadline=None, max_examples=60, suppress_health_check=SHARED)
    @given(changes())
    async def test_an_operation_in_the_feed_equals_a_read(self, store: Store, change: Change) -> None:
        """To the byte, as entity tags promise for responses with one version."""
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

    async def test_events_have_the_weight_of_their_content(self, store: Store) -> None:
        """Mostly input and result; details for a line."""
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

    async def test_marks_are_read_in_order_of_unique_positions(self, store: Store) -> None:
        """Positions ascend."""
        before = await store.feed.head()
        await add(store, accepted_change(2), accepted_change(1))
        await add(store, accepted_change(3))
        places = [mark.position for mark in await marks_after(store, before)]
        assert places == sorted(set(places))
        assert len(places) == 6

    async def test_head_is_after_every_committed_change(self, store: Store) -> None:
        """A reader that starts at the head gets later changes only."""
        await add(store, accepted_change(1))
        assert await marks_after(store, await store.feed.head()) == []

    async def test_progress_gives_a_mark_without_a_line(self, store: Store) -> None:
        """Progress is no history, but a new version."""
        await add(store, accepted_change(1))
        before = await store.feed.head()
        await save(store, progressed(await stored(store, ID_1), 0.5))
        assert pairs(await events_after(store, before)) == [(ID_1, -2)]

    async def test_a_claim_gives_no_mark(self, store: Store) -> None:
        """Clients see no difference."""
        await add(store, accepted_change(1))
        before = await store.feed.head()
        async with store.units() as unit:
            assert await unit.operations.claim_due_dispatches(at(1), LEASE, 1)
            await unit.commit()
        assert await marks_after(store, before) == []

    async def test_internal_plans_give_no_mark(self, store: Store) -> None:
        """They leave the version unchanged."""
        await add(store, accepted_change(1))
        before = await store.feed.head()
        async with store.units() as unit:
            await unit.operations.set_follow_up(await stored(store, ID_1), FollowUp(at(5), 1))
            await unit.commit()
        assert await marks_after(store, before) == []

    async def test_rolled_back_changes_give_no_mark(self, store: Store) -> None:
        """A unit of work that ends without a commit leaves nothing."""
        before = await store.feed.head()
        async with store.units() as unit:
            await unit.operations.add(accepted_change(1))
        assert await marks_after(store, before) == []

    async def test_a_mark_that_was_superseded_before_loading_gives_nothing(self, store: Store) -> None:
        """The operation has one event, at its later position."""
        before = await store.feed.head()
        await add(store, accepted_change(1))
        marks = await marks_after(store, before)
        await save(store, progressed(await stored(store, ID_1), 0.5))
        assert pairs(await store.feed.load(marks)) == [(ID_1, 1)]
        assert pairs(await events_after(store, marks[-1].position)) == [(ID_1, -2)]

    async def test_each_mark_has_its_tenant(self, store: Store) -> None:
        """P8: readers separate tenants by it."""
        before = await store.feed.head()
        await add(store, accepted_change(1, tenant="a"), accepted_change(2, tenant="b"))
        marks = await marks_after(store, before)
        assert [(mark.position.operation_id, mark.tenant) for mark in marks] == [(ID_1, "a")] * 2 + [(ID_2, "b")] * 2
        assert [event.tenant for event in await store.feed.load(marks)] == ["a", "a", "b", "b"]

    async def test_gone_returns_the_ids_that_do_not_exist(self, store: Store) -> None:
        """It returns only ids that were given."""
        assert await store.feed.gone([]) == set()
        await add(store, accepted_change(1), accepted_change(2))
        assert await store.feed.gone([ID_1, ID_3]) == {ID_3}

    async def test_a_position_after_the_last_commit_raises_feed_rewound(self, store: Store) -> None:
        """It is another database's, or a later state's: nothing would ever come after it."""
        await add(store, accepted_change(1))
        head = await store.feed.head()
        assert await marks_after(store, head) == []
        with pytest.raises(FeedRewound):
            await store.feed.read(Position.behind(head.transaction + 1_000_000), 1)

    async def test_position_before_names_no_operation(self, store: Store) -> None:
        """Everything of its transaction is after it."""
        before = await store.feed.head()
        await add(store, accepted_change(1))
        marks = await marks_after(store, before)
        assert await marks_after(store, marks[-1].position.before) == marks
        assert marks[-1].position.before.operation_id not in {ID_1, ID_2, ID_3}

    async def test_no_marks_load_no_events(self, store: Store) -> None:
        """Nor do marks of operations that never existed."""
        assert await store.feed.load([]) == []
        nowhere = [Mark(Position(1, ID_3, sequence), "t") for sequence in (1, STATE)]
        assert await store.feed.load(nowhere) == []

    async def test_a_commit_ends_a_wait(self, store: Store) -> None:
        """Also if it happens between two waits."""
        await asyncio.wait_for(self._until(store, 1), LONG)
        await asyncio.wait_for(self._until(store, 2), LONG)

    async def test_a_wait_ends_at_its_timeout(self, store: Store) -> None:
        """Nothing has changed."""
        for _ in range(3):
            await store.feed.changed(0.01)

    async def _until(self, store: Store, number: int) -> None:
        before = await store.feed.head()
        writing = asyncio.create_task(add(store, accepted_change(number)))
        while not (await store.feed.read(before, 1)).marks:
            await store.feed.changed(LONG)
        await writing


class TestMemoryChangeFeed(OnMemory, ChangeFeedContract):
    """The feed in memory."""


class TestPostgresChangeFeed(OnPostgres, ChangeFeedContract):
    """The feed in PostgreSQL."""
