"""The contract of operation repositories for close poll and start watch."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.operation.follow_up import dispatched
from domain.operation.lifecycle import complete, start
from domain.operation.operation import Change, Operation
from domain.operation.start.creation import accept, adopt, record_start
from domain.operation.transition import Source
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add, save, stored
from tests.support.operations import at, cause

LEASE = timedelta(seconds=30)


def numbered(number: int) -> UUID:
    return UUID(int=number)


async def accepted(store: Store, number: int, type_name: str = "work") -> Operation:
    """An operation, accepted at second `number`."""
    change = accept(numbered(number), tenant="t", type_name=type_name, value=1, labels={}, cause=cause(number))
    await add(store, change)
    return await stored(store, numbered(number))


async def waiting(store: Store, number: int, type_name: str = "work", *, calls_back: bool = False) -> Operation:
    """An operation, dispatched a second later."""
    row = await accepted(store, number, type_name)
    change = dispatched(row, follow_up_at=at(9**6), now=at(number + 1), calls_back=calls_back)
    return await save(store, change)


def given(kind: str) -> dict[str, Any]:
    return {"tenant": "t", "type_name": kind, "value": 1, "labels": {}}


def found_elsewhere(number: int, kind: str) -> Change:
    """An operation that adopts an execution."""
    return adopt(
        numbered(number),
        workflow_id=f"w-{number}",
        first_run_id="run",
        started_at=at(number),
        follow_up_at=at(99),
        cause=cause(number, Source.ADOPTION),
        **given(kind),
    )


async def ends(store: Store, types: list[str], each_end: int, seconds: float = 1000) -> dict[str, set[UUID]]:
    async with store.units() as unit:
        found = await unit.operations.waiting(types, at(seconds), each_end)
    assert all(len(chains) == len(set(chains)) for chains in found.values())
    return {kind: {chain.operation_id for chain in chains} for kind, chains in found.items()}


async def oldest(store: Store) -> object:
    async with store.units() as unit:
        return await unit.operations.oldest_without_callback()


class WatchingContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_waiting_returns_both_ends_of_each_queue(self, store: Store) -> None:
        """The longest and shortest waits, each once, of the given types only."""
        for number in range(1, 8):
            await waiting(store, number)
        for number in range(11, 14):
            await waiting(store, number, "other")
        await waiting(store, 20, "third")
        found = await ends(store, ["work", "other", "no such type"], 2)
        assert found == {
            "work": {numbered(number) for number in (1, 2, 6, 7)},
            "other": {numbered(number) for number in (11, 12, 13)},
        }
        assert await ends(store, ["work"], 2, seconds=4) == {"work": {numbered(number) for number in (1, 2, 3)}}
        assert await ends(store, [], 2) == {}

    async def test_undispatched_and_running_operations_do_not_wait(self, store: Store) -> None:
        """They are left out."""
        await accepted(store, 1)
        await save(store, start(await waiting(store, 2), cause(5)))
        assert await ends(store, ["work"], 5) == {}

    async def test_oldest_without_callback_is_dispatched_and_unfinished(self, store: Store) -> None:
        """It may be running."""
        await accepted(store, 1)
        await waiting(store, 2, calls_back=True)
        assert await oldest(store) is None
        running = await save(store, start(await waiting(store, 3), cause(5)))
        await waiting(store, 4)
        assert await oldest(store) == at(3)
        await save(store, complete(running, 1, cause(6)))
        assert await oldest(store) == at(4)

    async def test_types_of_open_operations_that_others_start(self, store: Store) -> None:
        """Each once; of adopted and recorded ones, and not of those that are done."""

        async def types(limit: int = 9) -> list[str]:
            async with store.units() as unit:
                return sorted(await unit.operations.types_started_elsewhere(limit))

        await waiting(store, 1, "ledgers")
        assert await types() == []
        for number, kind in enumerate(("b", "a", "Ä", "b"), start=2):
            await add(store, found_elsewhere(number, kind))
        recorded = record_start(numbered(7), workflow_id="w", follow_up_at=at(9), cause=cause(1), **given("c"))
        await add(store, recorded)
        assert await types() == ["a", "b", "c", "Ä"]
        assert len(await types(2)) == 2
        for number in (3, 5):
            row = await save(store, start(await stored(store, numbered(number)), cause(20)))
            await save(store, complete(row, 1, cause(21)))
        assert await types() == ["b", "c", "Ä"]

    async def test_types_of_finished_operations_that_others_start(self, store: Store) -> None:
        """After those of open ones; of the operations that have finished since the time."""

        async def types(seconds: float, limit: int = 9) -> list[str]:
            async with store.units() as unit:
                return await unit.operations.types_started_elsewhere(limit, at(seconds))

        running = await save(store, start(await waiting(store, 1, "ledgers"), cause(20)))
        await save(store, complete(running, 1, cause(50)))
        for number, kind in enumerate(("c", "a", "b", "b", "c"), start=2):
            await add(store, found_elsewhere(number, kind))
        for number, end in ((3, 30), (4, 31), (5, 40), (6, 40)):
            row = await save(store, start(await stored(store, numbered(number)), cause(20)))
            await save(store, complete(row, 1, cause(end)))
        assert await types(30) == ["c", "a", "b"]
        assert await types(31) == ["c", "b"]
        assert await types(40) == ["c", "b"]
        assert await types(41) == ["c"]
        assert await types(30, limit=2) == ["c", "a"]

    async def test_dispatch_noted_after_a_report_stores_its_callback(self, store: Store) -> None:
        """Until then the close poll covers the operation."""
        await accepted(store, 1)
        async with store.units() as unit:
            [claimed] = await unit.operations.claim_due_dispatches(at(2), LEASE, 1)
            await unit.commit()
        row = await save(store, start(claimed, cause(3)))
        assert await oldest(store) == at(1)
        noted = dispatched(row, follow_up_at=at(9), now=at(4), calls_back=True)
        assert (await save(store, noted)).dispatch.calls_back
        assert await oldest(store) is None


class TestMemory(OnMemory, WatchingContract):
    """The store in memory."""


class TestPostgres(OnPostgres, WatchingContract):
    """The store in PostgreSQL."""
