"""What every store keeps to in turns: one holder at a time by the database's clock, and a mark that never passes it."""

import asyncio
from datetime import timedelta

import pytest

from application.ports.turns import Turn
from tests.contract.stores import OnMemory, OnPostgres, Store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OVER = timedelta()


async def take(store: Store, lasts: timedelta = HOUR, name: str = "work") -> Turn | None:
    """Committed."""
    async with store.units() as unit:
        turn = await unit.turns.take(name, lasts)
        await unit.commit()
    return turn


async def keep(store: Store, lasts: timedelta) -> None:
    """Committed."""
    async with store.units() as unit:
        await unit.turns.keep("work", lasts)
        await unit.commit()


async def marked(store: Store, by: timedelta) -> Turn:
    """The turn after the mark was moved to that long after the database's present."""
    turn = await take(store, OVER)
    assert turn is not None
    async with store.units() as unit:
        await unit.turns.advance("work", turn.now + by)
        await unit.commit()
    after = await take(store, OVER)
    assert after is not None
    return after


class TurnsContract:
    """Subclasses give the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_one_at_a_time(self, store: Store) -> None:
        """While it lasts no other worker can take it; turns of other names are separate."""
        turn = await take(store)
        assert turn is not None
        assert turn.mark is None
        assert await take(store) is None
        assert await take(store, name="other work") is not None

    async def test_over(self, store: Store) -> None:
        """Then the next one has it, and it can be kept for longer, or given up."""
        assert await take(store, OVER) is not None
        assert await take(store) is not None
        await keep(store, OVER)
        assert await take(store) is not None
        await keep(store, HOUR)
        assert await take(store) is None

    async def test_many_at_once(self, store: Store) -> None:
        """One of them gets it."""
        turns = await asyncio.gather(*(take(store) for _ in range(8)))
        assert sum(turn is not None for turn in turns) == 1

    async def test_not_committed(self, store: Store) -> None:
        """A taker that dies before its commit has taken nothing."""
        async with store.units() as unit:
            assert await unit.turns.take("work", HOUR) is not None
        assert await take(store) is not None

    async def test_clock_that_was_set_back(self, store: Store) -> None:
        """A turn of a later time than any taker would take is no turn."""
        assert await take(store, DAY) is not None
        assert await take(store, HOUR) is not None

    async def test_mark_moves_forward(self, store: Store) -> None:
        """To an earlier moment it does not move."""
        first = await marked(store, -HOUR)
        assert first.mark is not None
        second = await marked(store, -DAY)
        assert second.mark == first.mark
        third = await marked(store, -HOUR / 2)
        assert third.mark is not None
        assert third.mark > first.mark

    async def test_mark_never_passes_the_database_s_present(self, store: Store) -> None:
        """Hazard 33: a caller whose clock is ahead moves it no further."""
        turn = await marked(store, DAY)
        assert turn.mark is not None
        assert turn.mark <= turn.now


class TestMemory(OnMemory, TurnsContract):
    """The store in memory keeps the contract."""


class TestPostgres(OnPostgres, TurnsContract):
    """PostgreSQL keeps the contract."""
