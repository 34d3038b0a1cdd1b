"""The contract of leases (turns): one holder at a time by the database's clock, and a mark that never passes it."""

import asyncio
from datetime import timedelta

import pytest

from application.ports.turns import Turn
from tests.contract.stores import OnMemory, OnPostgres, Store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OVER = timedelta()


async def take(store: Store, lasts: timedelta = HOUR, name: str = "work") -> Turn | None:
    """Takes the lease and commits."""
    async with store.units() as unit:
        turn = await unit.turns.take(name, lasts)
        await unit.commit()
    return turn


async def keep(store: Store, lasts: timedelta) -> None:
    """Extends the lease and commits."""
    async with store.units() as unit:
        await unit.turns.keep("work", lasts)
        await unit.commit()


async def marked(store: Store, by: timedelta) -> Turn:
    """Returns the lease after moving its mark that far past the database's present."""
    turn = await take(store, OVER)
    assert turn is not None
    async with store.units() as unit:
        await unit.turns.advance("work", turn.now + by)
        await unit.commit()
    after = await take(store, OVER)
    assert after is not None
    return after


class TurnsContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_a_lease_has_one_holder(self, store: Store) -> None:
        """Leases of other names are separate."""
        turn = await take(store)
        assert turn is not None
        assert turn.mark is None
        assert await take(store) is None
        assert await take(store, name="other work") is not None

    async def test_an_expired_lease_can_be_taken(self, store: Store) -> None:
        """A holder can extend it or give it up."""
        assert await take(store, OVER) is not None
        assert await take(store) is not None
        await keep(store, OVER)
        assert await take(store) is not None
        await keep(store, HOUR)
        assert await take(store) is None

    async def test_one_of_many_concurrent_takers_gets_the_lease(self, store: Store) -> None:
        """The others get None."""
        turns = await asyncio.gather(*(take(store) for _ in range(8)))
        assert sum(turn is not None for turn in turns) == 1

    async def test_an_uncommitted_take_takes_nothing(self, store: Store) -> None:
        """The taker may die before its commit."""
        async with store.units() as unit:
            assert await unit.turns.take("work", HOUR) is not None
        assert await take(store) is not None

    async def test_a_lease_beyond_its_longest_end_is_taken_over(self, store: Store) -> None:
        """The clock was set back."""
        assert await take(store, DAY) is not None
        assert await take(store, HOUR) is not None

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
        turn = await marked(store, DAY)
        assert turn.mark is not None
        assert turn.mark <= turn.now


class TestMemory(OnMemory, TurnsContract):
    """The store in memory."""


class TestPostgres(OnPostgres, TurnsContract):
    """The store in PostgreSQL."""
