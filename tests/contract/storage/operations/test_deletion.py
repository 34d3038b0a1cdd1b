"""The contract of stores for deleting operations."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from application.ports.storage.operation_repository import StaleOperation
from domain.errors import OperationNotDone
from domain.operation.lifecycle import complete, note, start
from domain.operation.operation import Change
from domain.operation.status import OperationStatus
from domain.retention import Cutoffs
from tests.contract.storage.operations.test_operation_queries import EVERYTHING, change_to
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add, save, stored
from tests.contract.storage.test_idempotency_keys import record, submit
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
    return await purge_by(store, Cutoffs(at(seconds)), limit)


async def purge_by(store: Store, cutoffs: Cutoffs, limit: int = 10) -> int:
    """Purges operations that may be deleted, and commits."""
    async with store.units() as unit:
        purged = await unit.operations.delete_all(await unit.operations.expired(cutoffs, limit))
        await unit.commit()
    return len(purged)


async def expired(store: Store, cutoffs: Cutoffs, limit: int = 10) -> dict[UUID, int]:
    """Returns the revisions of operations that may be deleted."""
    async with store.units() as unit:
        return await unit.operations.expired(cutoffs, limit)


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
        """One commit removes them. Other operations keep theirs."""
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
        """A purge removes the same rows as a deletion."""
        async with store.units() as unit:
            await unit.idempotency_keys.claim(record("k", 1), at(0))
            await unit.operations.add(change_to(F, 1))
            await unit.commit()
        assert await purge(store, 1000) == 1
        assert await store.keys() == set()
        assert await store.queries("default").transitions(UUID(int=1)) == []

    async def test_purge_never_removes_unfinished_operations(self, store: Store) -> None:
        """Neither age nor tenant matters."""
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

    async def test_purge_leaves_out_operations_whose_key_is_locked(self, store: Store) -> None:
        """By a request that repeats the one before, or takes over an expired key. It does not wait."""
        for key, number, until in (("used", 1, 100), ("expired", 2, 10), ("free", 3, 100), ("other", 4, 100)):
            await submit(store, record(key, number, until=until))
            began = start(await stored(store, UUID(int=number)), cause(1))
            await save(store, began.then(complete(began.operation, None, cause(2))))
        due = await expired(store, Cutoffs(at(1000)))
        async with store.units() as other, store.units() as purging:
            await other.idempotency_keys.claim_all([record("expired", 9), record("used", 8)], at(20))
            assert await purging.operations.delete_all(due) == {UUID(int=3), UUID(int=4)}
            await purging.commit()
        async with store.units() as unit:
            assert await unit.operations.delete_all(due) == {UUID(int=1), UUID(int=2)}
            await unit.commit()
        assert await store.keys() == set()

    async def test_concurrent_purges_do_not_wait_for_each_other(self, store: Store) -> None:
        """Each operation is removed once."""
        await add(store, *(change_to(C, number, number) for number in range(1, 6)))
        due = await expired(store, Cutoffs(at(1000)))
        async with store.units() as one, store.units() as two:
            first = {key: due[key] for key in list(due)[:3]}
            assert await one.operations.delete_all(first) == set(first)
            assert await two.operations.delete_all(due) == set(due) - set(first)
            await one.commit()
            await two.commit()
        assert await left(store, range(1, 6)) == []

    async def test_purge_requires_the_revision_that_was_due(self, store: Store) -> None:
        """An operation that has changed since is not deleted unseen."""
        await add(store, change_to(C, 1), change_to(F, 2))
        due = await expired(store, Cutoffs(at(1000)))
        await save(store, note(await stored(store, UUID(int=1)), cause(9)))
        async with store.units() as unit:
            assert await unit.operations.delete_all(due) == {UUID(int=2)}
            await unit.commit()
        assert await left(store, range(1, 3)) == [1]

    async def test_histories_are_read_together(self, store: Store) -> None:
        """Each in its order, of any tenant, without operations that do not exist."""
        await add(store, change_to(C, 1), change_to(A, 2, tenant="other"), change_to(R, 3))
        async with store.units() as unit:
            found = await unit.operations.histories([UUID(int=number) for number in (1, 2, 9)])
        assert found.keys() == {UUID(int=1), UUID(int=2)}
        for operation_id, tenant in ((UUID(int=1), "default"), (UUID(int=2), "other")):
            assert found[operation_id] == await store.queries(tenant).transitions(operation_id)

    async def test_each_type_and_outcome_has_its_own_time(self, store: Store) -> None:
        """The general time counts for the others, and for types that no file declares."""
        ends = {1: ("a", C), 2: ("a", F), 3: ("b", C), 4: ("b", F), 5: ("c", C), 6: ("c", F)}
        await add(store, *(change_to(status, number, type_name=kind) for number, (kind, status) in ends.items()))
        later = Cutoffs(at(1000), {("a", C): None, ("b", F): at(1), ("nobody's", C): at(1)})
        assert {found.int for found in await expired(store, later)} == {2, 3, 5, 6}
        earlier = Cutoffs(at(1), {("a", C): at(1000), ("c", F): at(1000)})
        assert {found.int for found in await expired(store, earlier)} == {1, 6}
        alone = Cutoffs(None, {("b", C): at(1000), ("b", F): None})
        assert {found.int for found in await expired(store, alone)} == {3}
        assert await expired(store, Cutoffs(None)) == {}
        assert await purge_by(store, later) == 4
        assert await left(store, range(1, 7)) == [1, 4]

    async def test_the_limit_counts_for_all_types_together(self, store: Store) -> None:
        """Oldest first of each type and outcome."""
        await add(store, *(change_to(C, number, number, type_name=f"t{number % 3}") for number in range(1, 10)))
        due = await expired(store, Cutoffs(at(1000)), limit=4)
        assert sorted(found.int for found in due) == [1, 3, 6, 9]

    async def test_many_are_deleted_in_one_statement(self, store: Store) -> None:
        """Those that are done, kept or not, with the given revision. None is not found, and no error."""
        await add(store, *(change_to(status, number) for number, status in enumerate((C, F, C, R, A), 1)))
        rows = [await stored(store, UUID(int=number)) for number in range(1, 6)]
        kept = await save(store, Change(replace(rows[0], keep=True)))
        revisions = {row.id: row.revision for row in [kept, *rows[1:]]} | {UUID(int=9): 1}
        revisions[UUID(int=3)] += 1
        async with store.units() as unit:
            assert await unit.operations.delete_all(revisions, kept=True) == {UUID(int=1), UUID(int=2)}
            assert await unit.operations.delete_all({}, kept=True) == set()
            await unit.commit()
        assert await left(store, range(1, 6)) == [3, 4, 5]
        assert await store.queries("default").transitions(UUID(int=1)) == []

    async def test_kept_operations_are_not_purged(self, store: Store) -> None:
        """Neither found nor removed, however old they are; a deletion removes them."""
        await add(store, change_to(C, 1), change_to(F, 2), change_to(C, 3))
        due = await expired(store, Cutoffs(at(1000)))
        for number in (1, 2):
            kept = replace(await stored(store, UUID(int=number)), keep=True)
            revision = (await save(store, Change(kept))).revision
            due[UUID(int=number)] = revision
        assert set(await expired(store, Cutoffs(at(1000)))) == {UUID(int=3)}
        async with store.units() as unit:
            assert await unit.operations.delete_all(due) == {UUID(int=3)}
            await unit.commit()
        assert await left(store, range(1, 4)) == [1, 2]
        await save(store, Change(replace(await stored(store, UUID(int=1)), keep=False)))
        assert set(await expired(store, Cutoffs(at(1000)))) == {UUID(int=1)}
        await delete(store, 2)
        assert await left(store, range(1, 4)) == [1]


async def _waits(task: asyncio.Task[Any]) -> None:
    done, _ = await asyncio.wait({task}, timeout=0.1)
    assert not done


class TestMemory(OnMemory, DeletionContract):
    pass


class TestPostgres(OnPostgres, DeletionContract):
    pass
