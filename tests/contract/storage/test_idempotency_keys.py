"""The contract of stores of idempotency keys."""

import asyncio
from uuid import UUID

import pytest

from application.ports.storage.idempotency_keys import IdempotencyRecord
from domain.errors import InvalidInput, OperationNotFound
from tests.contract.storage.operations.test_operation_repository import accepted_change
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add, stored
from tests.support.operations import at


def record(key: str, number: int = 1, *, tenant: str = "default", until: float = 100) -> IdempotencyRecord:
    """The record of a request that created the operation with this number."""
    return IdempotencyRecord(tenant, key, f"hash {number}".encode(), UUID(int=number), at(until))


async def submit(store: Store, claim: IdempotencyRecord, seconds: float = 0) -> IdempotencyRecord:
    """Claims the key, and adds the operation if the claim wins."""
    async with store.units() as unit:
        holder = await unit.idempotency_keys.claim(claim, at(seconds))
        if holder == claim:
            await unit.operations.add(accepted_change(claim.operation_id.int, tenant=claim.tenant))
            await unit.commit()
    return holder


class IdempotencyKeysContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_the_first_claim_wins_and_later_ones_get_its_record(self, store: Store) -> None:
        """Hazard 6."""
        assert await submit(store, record("k", 1)) == record("k", 1)
        assert await submit(store, record("k", 2)) == record("k", 1)
        assert await submit(store, record("other", 3)) == record("other", 3)

    async def test_tenants_have_separate_keys(self, store: Store) -> None:
        """P8."""
        assert await submit(store, record("k", 1, tenant="a")) == record("k", 1, tenant="a")
        assert await submit(store, record("k", 2, tenant="b")) == record("k", 2, tenant="b")

    async def test_an_expired_key_can_be_claimed_again(self, store: Store) -> None:
        """The expiry is exclusive."""
        await submit(store, record("k", 1, until=100))
        assert await submit(store, record("k", 2), 99.999) == record("k", 1, until=100)
        assert await submit(store, record("k", 3, until=200), 100) == record("k", 3, until=200)
        assert await submit(store, record("k", 4), 150) == record("k", 3, until=200)

    async def test_released_keys_are_free_again(self, store: Store) -> None:
        """Within the unit of work that has claimed them, and after its commit. Others stay."""
        await submit(store, record("other", 9, tenant="another"))
        async with store.units() as unit:
            claims = [record("k", 1), record("other", 2), record("stays", 3)]
            assert await unit.idempotency_keys.claim_all(claims, at(0)) == claims
            await unit.idempotency_keys.release_all(claims[:2])
            assert await unit.idempotency_keys.claim_all([record("k", 4)], at(0)) == [record("k", 4)]
            await unit.operations.add_all([accepted_change(3), accepted_change(4)])
            await unit.commit()
        assert await submit(store, record("k", 5)) == record("k", 4)
        assert await submit(store, record("other", 6)) == record("other", 6)
        assert await submit(store, record("stays", 7)) == record("stays", 3)
        assert (await submit(store, record("other", 8, tenant="another"))).operation_id == UUID(int=9)

    async def test_release_that_is_not_committed_frees_nothing(self, store: Store) -> None:
        """Every change of a unit of work behaves so."""
        await submit(store, record("k", 1))
        async with store.units() as unit:
            await unit.idempotency_keys.release_all([record("k", 1)])
        assert await submit(store, record("k", 2)) == record("k", 1)

    async def test_one_of_ten_concurrent_claims_wins(self, store: Store) -> None:
        """All get its record."""
        holders = await asyncio.gather(*(submit(store, record("k", number)) for number in range(1, 11)))
        assert len({holder.operation_id for holder in holders}) == 1
        [winner] = {holder.operation_id for holder in holders}
        assert (await stored(store, winner)).id == winner
        others = [UUID(int=number) for number in range(1, 11) if number != winner.int]
        assert [await store.peek(other) for other in others] == [None] * 9

    async def test_one_of_ten_concurrent_claims_of_an_expired_key_wins(self, store: Store) -> None:
        """All get its record."""
        await submit(store, record("k", 99, until=1))
        holders = await asyncio.gather(*(submit(store, record("k", number), 2) for number in range(1, 11)))
        assert len({holder.operation_id for holder in holders}) == 1
        assert holders[0].operation_id != UUID(int=99)

    @pytest.mark.parametrize("commits", [True, False])
    async def test_a_claim_waits_for_the_unit_that_claims_the_key(self, store: Store, commits: bool) -> None:
        """It returns that unit's record after a commit, and wins after a rollback."""
        async with store.units() as first:
            await first.idempotency_keys.claim(record("k", 1), at(0))
            await first.operations.add(accepted_change(1))
            second = asyncio.create_task(submit(store, record("k", 2)))
            done, _ = await asyncio.wait({second}, timeout=0.1)
            assert not done
            if commits:
                await first.commit()
        assert await second == record("k", 1 if commits else 2)

    async def test_a_key_without_its_operation_cannot_be_committed(self, store: Store) -> None:
        """The constraint is deferred to the commit."""
        async with store.units() as unit:
            await unit.idempotency_keys.claim(record("k"), at(0))
            with pytest.raises(OperationNotFound):
                await unit.commit()
        assert await store.keys() == set()

    @pytest.mark.parametrize("key", ["", "\x00", "\ud800", "x" * 256], ids=repr)
    async def test_invalid_keys_raise_invalid_input(self, store: Store, key: str) -> None:
        """They come from the client."""
        with pytest.raises(InvalidInput):
            await submit(store, record(key))

    async def test_purge_removes_expired_keys_oldest_first(self, store: Store) -> None:
        """Up to the limit. The operations stay."""
        for number in range(1, 6):
            await submit(store, record(f"k{number}", number, until=number))
        async with store.units() as unit:
            assert await unit.idempotency_keys.purge(at(4), limit=3) == 3
            assert await unit.idempotency_keys.purge(at(4), limit=3) == 1
            await unit.commit()
        assert await store.keys() == {("default", "k5")}
        assert (await stored(store, UUID(int=1))).id == UUID(int=1)

    async def test_uncommitted_purge_removes_nothing(self, store: Store) -> None:
        """Nor does a purge remove a key that was claimed anew meanwhile."""
        await submit(store, record("k", 1, until=1))
        async with store.units() as unit:
            assert await unit.idempotency_keys.purge(at(2), limit=3) == 1
        await submit(store, record("k", 2, until=10), 3)
        async with store.units() as unit:
            assert await unit.idempotency_keys.purge(at(4), limit=3) == 0
            await unit.commit()
        assert await store.keys() == {("default", "k")}

    async def test_purge_skips_keys_that_are_being_claimed(self, store: Store) -> None:
        """It waits for no other unit."""
        await submit(store, record("k", 1, until=1))
        await add(store, accepted_change(2))
        async with store.units() as one, store.units() as other:
            await one.idempotency_keys.claim(record("k", 2), at(2))
            assert await other.idempotency_keys.purge(at(2), limit=3) == 0


class TestMemory(OnMemory, IdempotencyKeysContract):
    pass


class TestPostgres(OnPostgres, IdempotencyKeysContract):
    pass
