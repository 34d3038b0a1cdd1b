"""What every unit of work keeps to."""

import asyncio

import pytest

from domain.lifecycle import note, start
from tests.contract.stores import OnMemory, OnPostgres, Store, Stored, add, save, stored
from tests.contract.test_idempotency_keys import record
from tests.contract.test_operation_repository import ID_1, accepted_change
from tests.support.operations import at, cause


class UnitOfWorkContract:
    """Subclasses give the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_commit(self, store: Store) -> None:
        """Row, history and idempotency key become visible together."""
        async with store.units() as unit:
            await unit.idempotency_keys.claim(record("k"), at(0))
            await unit.operations.add(accepted_change())
            assert await store.peek(ID_1) is None
            assert await store.keys() == set()
            assert await store.queries("default").get(ID_1) is None
            await unit.commit()
        assert await store.peek(ID_1) == Stored("ACCEPTED", 1, [1])
        assert await store.keys() == {("default", "k")}

    async def test_leaving_without_commit(self, store: Store) -> None:
        """Nothing of it stays (hazard 1: there is no row that was not committed, nor half of one)."""
        async with store.units() as unit:
            await unit.idempotency_keys.claim(record("k"), at(0))
            await unit.operations.add(accepted_change())
            assert await unit.operations.get(ID_1) is not None
        assert await store.peek(ID_1) is None
        assert await store.keys() == set()

    async def test_leaving_by_an_exception(self, store: Store) -> None:
        """Nothing of it stays, and the exception is the caller's own."""
        await add(store, accepted_change())
        operation = await stored(store, ID_1)

        async def failing() -> None:
            async with store.units() as unit:
                await unit.operations.save(start(operation, cause(2)))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await failing()
        assert await store.peek(ID_1) == Stored("ACCEPTED", 1, [1])

    async def test_leaving_by_cancellation(self, store: Store) -> None:
        """A caller that is cancelled undoes its unit, and gives back what it held."""
        entered = asyncio.Event()

        async def interrupted() -> None:
            async with store.units() as unit:
                await unit.operations.add(accepted_change())
                entered.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(interrupted())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await add(store, accepted_change())

    async def test_many_one_after_another(self, store: Store) -> None:
        """A unit gives back whatever it took, in each of the ways out of it."""
        for number in range(1, 60):
            async with store.units() as unit:
                await unit.operations.add(accepted_change(number))
                if number % 2:
                    await unit.commit()
        async with store.units() as unit:
            assert await unit.operations.get(ID_1) is not None

    async def test_sees_what_others_commit(self, store: Store) -> None:
        """A long unit does not work on an old picture: each statement reads what is committed by then."""
        await add(store, accepted_change())
        async with store.units() as unit:
            before = await unit.operations.get(ID_1)
            await save(store, start(await stored(store, ID_1), cause(2)))
            after = await unit.operations.get(ID_1)
        assert before is not None
        assert after is not None
        assert (before.version, after.version) == (1, 2)

    async def test_the_second_writer_waits_for_the_first(self, store: Store) -> None:
        """Whether a save is stale is known when the other unit has ended, and only then."""
        await add(store, accepted_change())
        operation = await stored(store, ID_1)
        async with store.units() as first:
            await first.operations.save(note(operation, cause(2)))
            second = asyncio.create_task(save(store, note(operation, cause(3))))
            done, _ = await asyncio.wait({second}, timeout=0.1)
            assert not done
        assert (await second).version == 2


class TestMemory(OnMemory, UnitOfWorkContract):
    pass


class TestPostgres(OnPostgres, UnitOfWorkContract):
    pass
