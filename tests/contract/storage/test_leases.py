"""The contract of leases: one holder at a time by the database's clock, and a mark that never passes it."""

import asyncio
from datetime import timedelta

import pytest

from application.ports.storage.leases import Lease
from tests.contract.storage.stores import OnMemory, OnPostgres, Store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OVER = timedelta()


async def acquire(store: Store, lasts: timedelta = HOUR, name: str = "work") -> Lease | None:
    """Acquires the lease and commits."""
    async with store.units() as unit:
        lease = await unit.leases.acquire(name, lasts)
        await unit.commit()
    return lease


async def extend(store: Store, lasts: timedelta) -> None:
    """Extends the lease and commits."""
    async with store.units() as unit:
        await unit.leases.extend("work", lasts)
        await unit.commit()


async def marked(store: Store, by: timedelta) -> Lease:
    """Returns the lease after moving its mark that far past the database's present."""
    lease = await acquire(store, OVER)
    assert lease is not None
    async with store.units() as unit:
        await unit.leases.advance("work", lease.now + by)
        await unit.commit()
    after = await acquire(store, OVER)
    assert after is not None
    return after


class LeasesContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_a_lease_has_one_holder(self, store: Store) -> None:
        """Leases of other names are separate."""
        lease = await acquire(store)
        assert lease is not None
        assert lease.mark is None
        assert await acquire(store) is None
        assert await acquire(store, name="other work") is not None

    async def test_an_expired_lease_can_be_acquired(self, store: Store) -> None:
        """A holder can extend it or give it up."""
        assert await acquire(store, OVER) is not None
        assert await acquire(store) is not None
        await extend(store, OVER)
        assert await acquire(store) is not None
        await extend(store, HOUR)
        assert await acquire(store) is None

    async def test_one_of_many_concurrent_requests_gets_the_lease(self, store: Store) -> None:
        """The others get None."""
        leases = await asyncio.gather(*(acquire(store) for _ in range(8)))
        assert sum(lease is not None for lease in leases) == 1

    async def test_an_uncommitted_lease_is_not_held(self, store: Store) -> None:
        """The process may end before its commit."""
        async with store.units() as unit:
            assert await unit.leases.acquire("work", HOUR) is not None
        assert await acquire(store) is not None

    async def test_a_lease_beyond_its_longest_end_is_taken_over(self, store: Store) -> None:
        """The clock was set back."""
        assert await acquire(store, DAY) is not None
        assert await acquire(store, HOUR) is not None

    async def test_the_mark_never_moves_back(self, store: Store) -> None:
        """An earlier moment is ignored."""
        first = await marked(store, -HOUR)
        assert first.mark is not None
        second = await marked(store, -DAY)
        assert second.mark == first.mark
        third = await marked(store, -HOUR / 2)
        assert third.mark is not None
        assert third.mark > first.mark

    async def test_the_mark_never_passes_the_database_clock(self, store: Store) -> None:
        """Hazard 33: whatever a caller's clock says."""
        lease = await marked(store, DAY)
        assert lease.mark is not None
        assert lease.mark <= lease.now


class TestMemory(OnMemory, LeasesContract):
    """The store in memory."""


class TestPostgres(OnPostgres, LeasesContract):
    """The store in PostgreSQL."""
