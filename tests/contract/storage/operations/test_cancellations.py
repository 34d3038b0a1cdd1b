"""The contract of operation repositories for cancellation requests that are passed on."""

from dataclasses import replace
from uuid import UUID

import pytest

from domain.errors import InvalidTransition
from domain.operation.follow_up import passed_on
from domain.operation.lifecycle import complete, request_cancel
from domain.operation.operation import Change, Operation
from tests.contract.storage.operations.test_operation_repository import LEASE, accepted_change, add_running, ids
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add, save, stored
from tests.support.operations import at, cause


async def cancelled(store: Store, number: int) -> Operation:
    """A running operation with an open child, which is cancelled at second `number`."""
    row = await add_running(store, number)
    await add(store, accepted_change(100 + number, parent_id=row.id))
    return await save(store, request_cancel(row, reason="no need", force=False, cause=cause(number)))


async def claim(store: Store, seconds: float, limit: int = 10) -> list[Operation]:
    """Claims and commits."""
    async with store.units() as unit:
        claimed = await unit.operations.claim_due_cancellations(at(seconds), LEASE, limit)
        await unit.commit()
    return claimed


class CancellationContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_a_claim_changes_only_the_due_time(self, store: Store) -> None:
        """Neither version nor revision. It is due again after the lease, until the request is passed on."""
        before = await cancelled(store, 5)
        assert before.cancel_children_due_at == at(5)
        assert await claim(store, 4) == []
        [claimed] = await claim(store, 6)
        assert claimed == replace(before, cancel_children_due_at=at(6) + LEASE)
        assert claimed == await stored(store, before.id)
        assert [len(await claim(store, second)) for second in (35, 36)] == [0, 1]
        row = await stored(store, before.id)
        saved = await save(store, passed_on(row, row.cancel_children_due_at))
        assert (saved.version, saved.updated_at) == (before.version, before.updated_at)
        assert await claim(store, 999) == []

    async def test_claims_take_the_longest_due_operations(self, store: Store) -> None:
        """They skip what another claimant holds (hazard 26)."""
        for number in (2, 5, 1, 4, 3):
            await cancelled(store, number)
        async with store.units() as one, store.units() as other:
            taken = await one.operations.claim_due_cancellations(at(60), LEASE, 2)
            rest = await other.operations.claim_due_cancellations(at(60), LEASE, 2)
            assert [ids(taken), ids(rest)] == [[1, 2], [3, 4]]

    async def test_the_request_of_an_operation_that_is_done_is_passed_on(self, store: Store) -> None:
        """The rest of the row stays final."""
        done = await save(store, complete(await cancelled(store, 1), 1, cause(9)))
        await add(store, accepted_change(2), accepted_change(3, parent_id=UUID(int=2)))
        never = await save(
            store, request_cancel(await stored(store, UUID(int=2)), reason=None, force=True, cause=cause(2))
        )
        assert ids(await claim(store, 60)) == [1, 2]
        for operation_id in (done.id, never.id):
            row = await stored(store, operation_id)
            assert row.done
            assert (await save(store, passed_on(row, row.cancel_children_due_at))).cancel_children_due_at is None
        assert await claim(store, 999) == []

    async def test_without_open_children_nothing_is_left_to_pass_on(self, store: Store) -> None:
        """The operation is claimed once, and its due time is taken away. A child that is done does not count."""
        parent = await cancelled(store, 1)
        await save(store, request_cancel(await stored(store, UUID(int=101)), reason=None, force=True, cause=cause(2)))
        await add(store, accepted_change(9, parent_id=UUID(int=8)))
        assert ids(await claim(store, 60)) == [1, 101]
        row = await stored(store, parent.id)
        assert row == replace(parent, cancel_children_due_at=None)
        assert await claim(store, 999) == []

    async def test_without_a_request_nothing_is_passed_on(self, store: Store) -> None:
        """The database refuses it."""
        row = await add_running(store)
        with pytest.raises(InvalidTransition):
            await save(store, Change(replace(row, cancel_children_due_at=at(9))))


class TestCancellationsInMemory(OnMemory, CancellationContract):
    """In memory."""


class TestCancellationsOnPostgres(OnPostgres, CancellationContract):
    """In PostgreSQL."""
