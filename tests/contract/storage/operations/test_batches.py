"""The contract of stores for several operations at once."""

import asyncio
from uuid import UUID

import pytest

from application.ports.storage.unit_of_work import DatabaseContended
from domain.errors import InvalidInput, InvalidTransition
from domain.operation.operation import Change
from tests.contract.storage.operations.test_operation_repository import accepted_change
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, Stored, add, stored
from tests.contract.storage.test_idempotency_keys import record, submit
from tests.support.operations import at

MANY = range(1, 501)


async def add_all(store: Store, *changes: Change) -> None:
    """Adds operations together and commits."""
    async with store.units() as unit:
        await unit.operations.add_all(changes)
        await unit.commit()


class BatchContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_500_operations_come_back_as_added(self, store: Store) -> None:
        """Each with its history. Nothing is visible before the commit."""
        changes = [accepted_change(number, number, labels={"n": str(number)}) for number in MANY]
        async with store.units() as unit:
            await unit.operations.add_all(changes)
            assert await store.peek(UUID(int=1)) is None
            await unit.commit()
        async with store.units() as unit:
            found = await unit.operations.get_all([UUID(int=number) for number in range(501)])
        assert found == {change.operation.id: change.operation for change in changes}
        assert await store.peek(UUID(int=500)) == Stored("ACCEPTED", 1, [1])

    async def test_empty_batch_adds_claims_and_finds_nothing(self, store: Store) -> None:
        """None of the calls fails."""
        async with store.units() as unit:
            await unit.operations.add_all([])
            assert await unit.idempotency_keys.claim_all([], at(0)) == []
            assert await unit.operations.get_all([]) == {}

    @pytest.mark.parametrize(
        ("change", "error"),
        [(accepted_change(3), InvalidTransition), (accepted_change(2, tenant="x" * 256), InvalidInput)],
        ids=["there already", "tenant too long"],
    )
    async def test_one_invalid_operation_fails_the_whole_batch(
        self, store: Store, change: Change, error: type[Exception]
    ) -> None:
        """None of the batch is stored."""
        await add(store, accepted_change(3))
        with pytest.raises(error):
            await add_all(store, accepted_change(1), change)
        assert await store.peek(UUID(int=1)) is None

    async def test_each_key_of_a_batch_is_claimed_by_itself(self, store: Store) -> None:
        """The claim wins free keys, returns the holder of held keys, and takes over expired ones."""
        await submit(store, record("held", 1, until=100))
        await submit(store, record("expired", 2, until=10))
        await submit(store, record("held", 3, tenant="other"))
        claims = [record("new", 4), record("held", 5), record("expired", 6), record("held", 7, tenant="another")]
        async with store.units() as unit:
            assert await unit.idempotency_keys.claim_all(claims, at(10)) == [
                *(claims[0], record("held", 1, until=100), claims[2], claims[3])
            ]
            await unit.operations.add_all([accepted_change(number) for number in (4, 6, 7)])
            await unit.commit()
        assert await submit(store, record("expired", 8), 20) == claims[2]

    @pytest.mark.parametrize("key", ["", "\x00", "x" * 256], ids=repr)
    async def test_invalid_key_raises_invalid_input(self, store: Store, key: str) -> None:
        """No key of the batch is claimed."""
        async with store.units() as unit:
            with pytest.raises(InvalidInput):
                await unit.idempotency_keys.claim_all([record("good", 1), record(key, 2)], at(0))
        assert await store.keys() == set()

    async def test_claim_with_nowait_does_not_wait(self, store: Store) -> None:
        """It raises where another unit claims one of the keys, and releases the others."""
        async with store.units() as first:
            await first.idempotency_keys.claim(record("held", 1), at(0))
            async with store.units() as second:
                with pytest.raises(DatabaseContended):
                    await second.idempotency_keys.claim_all([record("free", 2), record("held", 3)], at(0), nowait=True)
            async with store.units() as third:
                claims = [record("free", 4)]
                assert await third.idempotency_keys.claim_all(claims, at(0), nowait=True) == claims
        assert await store.keys() == set()

    async def test_concurrent_claims_in_opposite_orders_do_not_deadlock(self, store: Store) -> None:
        """The second waits for the first and returns its records."""
        numbers = range(1, 30)

        async def claim(offset: int, *, backwards: bool) -> list[UUID]:
            claims = [record(f"k{number}", number + offset) for number in numbers][:: -1 if backwards else 1]
            async with store.units() as unit:
                holders = await unit.idempotency_keys.claim_all(claims, at(0))
                if holders == claims:
                    await unit.operations.add_all([accepted_change(claim.operation_id.int) for claim in claims])
                await unit.commit()
            return sorted(holder.operation_id for holder in holders)

        claims = [claim(100 * place, backwards=place % 2 == 0) for place in range(8)]
        found = await asyncio.gather(*claims)
        assert len({tuple(ids) for ids in found}) == 1
        assert len(found[0]) == len(numbers)
        assert (await stored(store, found[0][0])).id == found[0][0]


class TestMemory(OnMemory, BatchContract):
    pass


class TestPostgres(OnPostgres, BatchContract):
    pass
