"""What every store keeps to where several operations are stored together."""

import asyncio
from uuid import UUID

import pytest

from application.ports.unit_of_work import DatabaseContended
from domain.errors import InvalidInput, InvalidTransition
from domain.operation.operation import Change
from tests.contract.stores import OnMemory, OnPostgres, Store, Stored, add, stored
from tests.contract.test_idempotency_keys import record, submit
from tests.contract.test_operation_repository import accepted_change
from tests.support.operations import at

MANY = range(1, 501)


async def add_all(store: Store, *changes: Change) -> None:
    """Store these together, committed."""
    async with store.units() as unit:
        await unit.operations.add_all(changes)
        await unit.commit()


class BatchContract:
    """Subclasses give the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_many_at_once(self, store: Store) -> None:
        """500 come back as they were added, each with its history; before the commit nobody else sees one."""
        changes = [accepted_change(number, number, labels={"n": str(number)}) for number in MANY]
        async with store.units() as unit:
            await unit.operations.add_all(changes)
            assert await store.peek(UUID(int=1)) is None
            await unit.commit()
        async with store.units() as unit:
            found = await unit.operations.get_all([UUID(int=number) for number in range(501)])
        assert found == {change.operation.id: change.operation for change in changes}
        assert await store.peek(UUID(int=500)) == Stored("ACCEPTED", 1, [1])

    async def test_none_at_all(self, store: Store) -> None:
        """Nothing is added, claimed or found."""
        async with store.units() as unit:
            await unit.operations.add_all([])
            assert await unit.idempotency_keys.claim_all([], at(0)) == []
            assert await unit.operations.get_all([]) == {}

    @pytest.mark.parametrize(
        ("change", "error"),
        [(accepted_change(3), InvalidTransition), (accepted_change(2, tenant="x" * 256), InvalidInput)],
        ids=["there already", "tenant too long"],
    )
    async def test_one_that_cannot_be_stored(self, store: Store, change: Change, error: type[Exception]) -> None:
        """None of them is: what can be checked is checked before."""
        await add(store, accepted_change(3))
        with pytest.raises(error):
            await add_all(store, accepted_change(1), change)
        assert await store.peek(UUID(int=1)) is None

    async def test_keys_of_many(self, store: Store) -> None:
        """Each key by itself: free ones are won, held ones give their holder, expired ones change hands."""
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
    async def test_a_key_that_cannot_be_stored(self, store: Store, key: str) -> None:
        """It is the caller's error, and no key is claimed."""
        async with store.units() as unit:
            with pytest.raises(InvalidInput):
                await unit.idempotency_keys.claim_all([record("good", 1), record(key, 2)], at(0))
        assert await store.keys() == set()

    async def test_an_impatient_claim(self, store: Store) -> None:
        """It does not wait for who is claiming one of the keys; what it had of the others is free again."""
        async with store.units() as first:
            await first.idempotency_keys.claim(record("held", 1), at(0))
            async with store.units() as second:
                with pytest.raises(DatabaseContended):
                    await second.idempotency_keys.claim_all(
                        [record("free", 2), record("held", 3)], at(0), impatient=True
                    )
            async with store.units() as third:
                claims = [record("free", 4)]
                assert await third.idempotency_keys.claim_all(claims, at(0), impatient=True) == claims
        assert await store.keys() == set()

    async def test_concurrent_claims_in_opposite_orders(self, store: Store) -> None:
        """Whoever comes second waits for the first and gets its records; nobody waits in a circle."""
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
