"""The contract of operation repositories for work that is late."""

from datetime import timedelta

import pytest

from domain.operation.lifecycle import request_cancel
from domain.operation.operation import Operation
from domain.scheduling.schedule import DueWork
from tests.contract.storage.operations.test_operation_repository import (
    LEASE,
    accepted_change,
    add_running,
    dispatched_change,
)
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add, save
from tests.support.operations import at, cause

DISPATCH, FOLLOW_UP, _ = DueWork


async def kinds_of(store: Store, seconds: float) -> set[DueWork]:
    """The kinds of work that have been due since this second."""
    async with store.units() as unit:
        return {kind for kind in DueWork if await unit.operations.any_due(kind, at(seconds))}


async def claim_all(store: Store, seconds: float) -> list[Operation]:
    """Claims and commits work of all kinds."""
    async with store.units() as unit:
        claimed = await unit.operations.claim_due_dispatches(at(seconds), LEASE, 10)
        claimed += await unit.operations.claim_due_follow_ups(at(seconds), LEASE, 10)
        claimed += await unit.operations.claim_due_cancellations(at(seconds), LEASE, 10)
        await unit.commit()
    return claimed


class DueWorkContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_nothing_is_due_without_operations(self, store: Store) -> None:
        assert await kinds_of(store, 9**6) == set()

    async def test_each_kind_is_looked_at_alone(self, store: Store) -> None:
        """An operation is due from its time on."""
        await add(store, accepted_change(1, seconds=3))
        assert [await kinds_of(store, second) for second in (2, 3)] == [set(), {DISPATCH}]
        new = accepted_change(2, seconds=1)
        await add(store, new.then(dispatched_change(new.operation, follow_up=4)))
        assert [await kinds_of(store, second) for second in (2, 5)] == [set(), {DISPATCH, FOLLOW_UP}]
        row = await add_running(store, 3, seconds=1)
        await add(store, accepted_change(4, seconds=99, parent_id=row.id))
        await save(store, request_cancel(row, reason=None, force=False, cause=cause(2)))
        assert await kinds_of(store, 5) == {*DueWork}

    async def test_what_is_claimed_is_due_again_after_its_lease(self, store: Store) -> None:
        """A cancellation request without children to pass it on to is never due again."""
        await add(store, accepted_change(1))
        row = await add_running(store, 2)
        await save(store, request_cancel(row, reason=None, force=False, cause=cause(2)))
        assert len(await claim_all(store, 9)) == 3
        assert await kinds_of(store, 9) == set()
        assert await kinds_of(store, 9 + LEASE.total_seconds()) == {DISPATCH, FOLLOW_UP}

    async def test_a_later_start_is_not_due(self, store: Store) -> None:
        """It becomes due at its time."""
        await add(store, accepted_change(1, start_at=at(0) + timedelta(days=1)))
        assert await kinds_of(store, 9) == set()


class TestDueWorkInMemory(OnMemory, DueWorkContract):
    """In memory."""


class TestDueWorkOnPostgres(OnPostgres, DueWorkContract):
    """In PostgreSQL."""
