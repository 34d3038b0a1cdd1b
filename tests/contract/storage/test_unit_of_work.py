"""The contract of units of work."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from domain.operation.lifecycle import complete, note, start
from tests.contract.storage.operations.test_operation_repository import ID_1, accepted_change, add_running
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, Stored, add, save, stored
from tests.contract.storage.test_idempotency_keys import record
from tests.support.operations import at, cause


async def advance(store: Store, seconds: float) -> None:
    """Advances the watermark and commits."""
    async with store.units() as unit:
        await unit.watermarks.advance(at(seconds))
        await unit.commit()


async def watermark(store: Store) -> datetime | None:
    """Returns the committed watermark."""
    async with store.units() as unit:
        return await unit.watermarks.get()


class UnitOfWorkContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_row_history_and_key_become_visible_together(self, store: Store) -> None:
        """At the commit."""
        async with store.units() as unit:
            await unit.idempotency_keys.claim(record("k"), at(0))
            await unit.operations.add(accepted_change())
            assert await store.peek(ID_1) is None
            assert await store.keys() == set()
            assert await store.queries("default").get(ID_1) is None
            await unit.commit()
        assert await store.peek(ID_1) == Stored("ACCEPTED", 1, [1])
        assert await store.keys() == {("default", "k")}

    async def test_leaving_without_commit_stores_nothing(self, store: Store) -> None:
        """Hazard 1: no row is half stored."""
        async with store.units() as unit:
            await unit.idempotency_keys.claim(record("k"), at(0))
            await unit.operations.add(accepted_change())
            assert await unit.operations.get(ID_1) is not None
        assert await store.peek(ID_1) is None
        assert await store.keys() == set()

    async def test_an_exception_rolls_back_and_propagates(self, store: Store) -> None:
        """It is the caller's own exception."""
        await add(store, accepted_change())
        operation = await stored(store, ID_1)

        async def failing() -> None:
            async with store.units() as unit:
                await unit.operations.save(start(operation, cause(2)))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await failing()
        assert await store.peek(ID_1) == Stored("ACCEPTED", 1, [1])

    async def test_cancellation_rolls_back_and_releases_the_connection(self, store: Store) -> None:
        """The same id can then be added."""
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

    async def test_every_exit_releases_the_connection(self, store: Store) -> None:
        """With and without commit."""
        for number in range(1, 60):
            async with store.units() as unit:
                await unit.operations.add(accepted_change(number))
                if number % 2:
                    await unit.commit()
        async with store.units() as unit:
            assert await unit.operations.get(ID_1) is not None

    async def test_a_unit_reads_what_others_commit(self, store: Store) -> None:
        """Each statement reads what is committed by then."""
        await add(store, accepted_change())
        async with store.units() as unit:
            before = await unit.operations.get(ID_1)
            await save(store, start(await stored(store, ID_1), cause(2)))
            after = await unit.operations.get(ID_1)
        assert before is not None
        assert after is not None
        assert (before.version, after.version) == (1, 2)

    async def test_the_second_writer_waits_for_the_first(self, store: Store) -> None:
        """Whether its save is stale is known when the first unit has ended."""
        await add(store, accepted_change())
        operation = await stored(store, ID_1)
        async with store.units() as first:
            await first.operations.save(note(operation, cause(2)))
            second = asyncio.create_task(save(store, note(operation, cause(3))))
            done, _ = await asyncio.wait({second}, timeout=0.1)
            assert not done
        assert (await second).revision == 2

    # The watermark

    async def test_the_watermark_never_moves_back(self, store: Store) -> None:
        """Initially there is none."""
        assert await watermark(store) is None
        for to, expected in ((10, 10), (20, 20), (5, 20), (20, 20), (21, 21)):
            await advance(store, to)
            assert await watermark(store) == at(expected)

    async def test_an_advance_beyond_the_database_clock_stops_at_it(self, store: Store) -> None:
        """Hazard 33: a caller's clock may be ahead."""
        async with store.units() as unit:
            before = await unit.watermarks.now()
            await unit.watermarks.advance(before + timedelta(days=365))
            known = await unit.watermarks.get()
            after = await unit.watermarks.now()
            await unit.commit()
        assert known is not None
        assert before <= known <= after
        assert await watermark(store) == known

    async def test_a_watermark_in_the_future_moves_back(self, store: Store) -> None:
        """Whatever put it there."""
        await store.set_watermark(datetime(2199, 1, 1, tzinfo=UTC))
        await advance(store, 10)
        assert await watermark(store) == at(10)

    async def test_an_advance_is_visible_in_its_unit_and_to_others_after_the_commit(self, store: Store) -> None:
        """Together with the unit's other changes."""
        async with store.units() as unit:
            await unit.operations.add(accepted_change())
            await unit.watermarks.advance(at(10))
            await unit.watermarks.advance(at(5))
            assert await unit.watermarks.get() == at(10)
            assert await watermark(store) is None
            await unit.commit()
        assert await watermark(store) == at(10)
        assert await store.peek(ID_1) is not None

    async def test_an_uncommitted_advance_is_rolled_back(self, store: Store) -> None:
        """Otherwise the pass would skip what the unit did not store."""
        for known in (None, at(10)):
            async with store.units() as unit:
                await unit.watermarks.advance(at(20))
            assert await watermark(store) == known
            await advance(store, 10)

    @pytest.mark.parametrize("known", [[], [1]])
    @pytest.mark.parametrize(("first", "second"), [(10, 20), (20, 10)])
    async def test_of_two_concurrent_advances_the_later_moment_stays(
        self, store: Store, known: list[float], first: float, second: float
    ) -> None:
        """The second waits for the first."""
        for seconds in known:
            await advance(store, seconds)
        async with store.units() as unit:
            await unit.watermarks.advance(at(first))
            waiting = asyncio.create_task(advance(store, second))
            done, _ = await asyncio.wait({waiting}, timeout=0.1)
            assert not done
            await unit.commit()
        await waiting
        assert await watermark(store) == at(20)

    async def test_oldest_unfinished_is_the_earliest_acceptance_of_a_dispatched_operation(self, store: Store) -> None:
        """Unfinished, of any tenant."""
        async with store.units() as unit:
            assert await unit.watermarks.oldest_unfinished() is None
        await add(store, accepted_change(1, -50))
        first, second = await add_running(store, 2, -20), await add_running(store, 3, -30)
        async with store.units() as unit:
            assert await unit.watermarks.oldest_unfinished() == second.accepted_at == at(-30)
            await unit.operations.save(complete(second, 1, cause(9)))
            assert await unit.watermarks.oldest_unfinished() == first.accepted_at
            await unit.operations.save(complete(first, 1, cause(9)))
            assert await unit.watermarks.oldest_unfinished() is None


class TestMemory(OnMemory, UnitOfWorkContract):
    pass


class TestPostgres(OnPostgres, UnitOfWorkContract):
    pass
