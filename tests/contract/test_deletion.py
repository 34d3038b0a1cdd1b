"""The contract of stores for deleting operations."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from application.ports.operation_repository import StaleOperation
from domain.errors import OperationNotDone
from domain.operation.lifecycle import note
from domain.operation.status import OperationStatus
from tests.contract.stores import OnMemory, OnPostgres, Store, add, save, stored
from tests.contract.test_idempotency_keys import record, submit
from tests.contract.test_operation_queries import EVERYTHING, change_to
from tests.support.operations import at, cause

A, R, C, F = OperationStatus


async def delete(store: Store, number: int, *, revision: int | None = None) -> None:
    """Deletes the operation and commits."""
    operation = await stored(store, UUID(int=number))
    async with store.units() as unit:
        await unit.operations.delete(replace(operation, revision=revision or operation.revision))
        await unit.commit()


async def purge(store: Store, seconds: float, limit: int = 10) -> int:
    """Purges operations that were done before then, and commits."""
    async with store.units() as unit:
        purged = await unit.operations.purge(at(seconds), limit)
        await unit.commit()
    return purged


async def left(store: Store, numbers: range) -> list[int]:
    """Returns which of them exist."""
    return [number for number in numbers if await store.peek(UUID(int=number)) is not None]


class DeletionContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    @pytest.mark.parametrize("status", [C, F])
    async def test_deletion_removes_row_history_and_idempotency_key(
        self, store: Store, status: OperationStatus
    ) -> None:
        """In one commit. Other operations keep theirs."""
        for number in (1, 2):
            async with store.units() as unit:
                await unit.idempotency_keys.claim(record(f"k{number}", number), at(0))
                await unit.operations.add(change_to(status, number))
                await unit.commit()
        async with store.units() as unit:
            await unit.operations.delete(await stored(store, UUID(int=1)))
            assert await unit.operations.get(UUID(int=1)) is None
            assert await left(store, range(1, 3)) == [1, 2]
            await unit.commit()
        assert await left(store, range(1, 3)) == [2]
        assert await store.keys() == {("default", "k2")}
        queries = store.queries("default")
        assert await queries.transitions(UUID(int=1)) == []
        assert len(await queries.transitions(UUID(int=2))) == 3
        page = await queries.page(EVERYTHING, newest_first=True, after=None, limit=9)
        assert [row.id.int for row in page.items] == [2]
        assert sum((await queries.counts()).values()) == 1

    async def test_uncommitted_deletion_removes_nothing(self, store: Store) -> None:
        """The unit of work rolls back."""
        await add(store, change_to(C, 1))
        async with store.units() as unit:
            await unit.operations.delete(await stored(store, UUID(int=1)))
        assert len(await store.queries("default").transitions(UUID(int=1))) == 3

    @pytest.mark.parametrize("status", [A, R])
    async def test_unfinished_operation_is_not_deleted(self, store: Store, status: OperationStatus) -> None:
        """Whatever the caller has checked."""
        await add(store, change_to(status, 1))
        with pytest.raises(OperationNotDone):
            await delete(store, 1)
        assert await left(store, range(1, 2)) == [1]

    async def test_deletion_requires_the_current_revision(self, store: Store) -> None:
        """A second deletion is stale."""
        await add(store, change_to(C, 1))
        operation = await stored(store, UUID(int=1))
        await save(store, note(operation, cause(9)))
        async with store.units() as unit:
            with pytest.raises(StaleOperation):
                await unit.operations.delete(operation)
        current = await stored(store, UUID(int=1))
        await delete(store, 1)
        async with store.units() as unit:
            with pytest.raises(StaleOperation):
                await unit.operations.delete(current)
            with pytest.raises(StaleOperation):
                await unit.operations.save(note(current, cause(10)))

    async def test_deletion_frees_the_idempotency_key(self, store: Store) -> None:
        """The next request with the key creates a new operation."""
        async with store.units() as unit:
            await unit.idempotency_keys.claim(record("k", 1), at(0))
            await unit.operations.add(change_to(C, 1))
            await unit.commit()
        await delete(store, 1)
        async with store.units() as unit:
            assert await unit.idempotency_keys.claim(record("k", 2), at(1)) == record("k", 2)

    @pytest.mark.parametrize("commits", [True, False])
    async def test_a_change_waits_for_the_deletion(self, store: Store, commits: bool) -> None:
        """It finds nothing to change, or the operation if the deletion was rolled back."""
        await add(store, change_to(C, 1))
        operation = await stored(store, UUID(int=1))
        async with store.units() as deleting:
            await deleting.operations.delete(operation)
            saving = asyncio.create_task(save(store, note(operation, cause(9))))
            await _waits(saving)
            if commits:
                await deleting.commit()
        if commits:
            with pytest.raises(StaleOperation):
                await saving
        else:
            assert (await saving).revision == operation.revision + 1

    @pytest.mark.parametrize("commits", [True, False])
    async def test_a_claim_of_its_key_waits_for_the_deletion(self, store: Store, commits: bool) -> None:
        """The key is free once the operation is gone."""
        async with store.units() as unit:
            await unit.idempotency_keys.claim(record("k", 1), at(0))
            await unit.operations.add(change_to(C, 1))
            await unit.commit()
        async with store.units() as deleting:
            await deleting.operations.delete(await stored(store, UUID(int=1)))
            claiming = asyncio.create_task(submit(store, record("k", 2), 1))
            await _waits(claiming)
            if commits:
                await deleting.commit()
        assert await claiming == record("k", 2 if commits else 1)

    # Purging

    async def test_purge_takes_the_earliest_finished_operations(self, store: Store) -> None:
        """Ordered by finish, not by acceptance. The time is exclusive, the limit per call."""
        ends = {1: 50, 2: 10, 3: 30, 4: 40, 5: 20}
        await add(store, *(change_to([C, F][number % 2], number, end - 2) for number, end in ends.items()))
        assert await purge(store, 40, limit=2) == 2
        assert await left(store, range(1, 6)) == [1, 3, 4]
        assert await purge(store, 40, limit=2) == 1
        assert await left(store, range(1, 6)) == [1, 4]
        assert await purge(store, 40, limit=2) == 0

    async def test_purge_removes_history_and_key(self, store: Store) -> None:
        """As a deletion does."""
        async with store.units() as unit:
            await unit.idempotency_keys.claim(record("k", 1), at(0))
            await unit.operations.add(change_to(F, 1))
            await unit.commit()
        assert await purge(store, 1000) == 1
        assert await store.keys() == set()
        assert await store.queries("default").transitions(UUID(int=1)) == []

    async def test_purge_never_removes_unfinished_operations(self, store: Store) -> None:
        """Of any age and tenant."""
        await add(
            store, *(change_to([A, R, C, F][number % 4], number, tenant=f"t{number % 3}") for number in range(24))
        )
        assert await purge(store, 10**8, limit=100) == 12
        assert [number % 4 for number in await left(store, range(24))] == [0, 1] * 6

    async def test_purge_skips_locked_operations(self, store: Store) -> None:
        """The next call removes them."""
        await add(store, change_to(C, 1), change_to(C, 2))
        operation = await stored(store, UUID(int=1))
        async with store.units() as other:
            await other.operations.save(note(operation, cause(9)))
            assert await purge(store, 1000) == 1
            await other.commit()
        assert await left(store, range(1, 3)) == [1]
        assert await purge(store, 1000) == 1

    async def test_concurrent_purges_remove_different_operations(self, store: Store) -> None:
        """Neither waits for the other."""
        await add(store, *(change_to(C, number, number) for number in range(1, 6)))
        async with store.units() as one, store.units() as two:
            assert await one.operations.purge(at(1000), 3) == 3
            assert await two.operations.purge(at(1000), 3) == 2
            await one.commit()
            await two.commit()
        assert await left(store, range(1, 6)) == []


async def _waits(task: asyncio.Task[Any]) -> None:
    done, _ = await asyncio.wait({task}, timeout=0.1)
    assert not done


class TestMemory(OnMemory, DeletionContract):
    pass


class TestPostgres(OnPostgres, DeletionContract):
    pass
