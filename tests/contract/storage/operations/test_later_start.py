"""The contract of operation repositories for operations that start later."""

from datetime import timedelta

import pytest

from adapters.system.clock import SystemClock
from tests.contract.storage.operations.test_operation_queries import with_fields
from tests.contract.storage.operations.test_operation_repository import LEASE, accepted_change, ids
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add
from tests.support.operations import at

HOUR = timedelta(hours=1)


class LaterStartContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_a_claim_by_a_fast_clock_takes_nothing_early(self, store: Store) -> None:
        """The clock of the database decides, also about an operation that is due for another attempt."""
        now = SystemClock().now()
        waiting = accepted_change(1, start_at=now + HOUR)
        await add(
            store,
            waiting,
            with_fields(accepted_change(2), start_at=now + HOUR),
            accepted_change(3, start_at=now - HOUR),
            accepted_change(4),
        )
        async with store.units() as unit:
            assert ids(await unit.operations.claim_due_dispatches(now + 2 * HOUR, LEASE, 10)) == [4, 3]
            row = await unit.operations.get(waiting.operation.id)
            assert row is not None
            assert (row.dispatch, row.revision) == (waiting.operation.dispatch, 1)

    async def test_a_claim_by_a_slow_clock_takes_nothing_early(self, store: Store) -> None:
        """That of the process decides too."""
        await add(store, accepted_change(1, start_at=at(50)))
        for seconds, claimed in ((49, []), (50, [1])):
            async with store.units() as unit:
                assert ids(await unit.operations.claim_due_dispatches(at(seconds), LEASE, 10)) == claimed


class TestMemory(OnMemory, LaterStartContract):
    pass


class TestPostgres(OnPostgres, LaterStartContract):
    pass
