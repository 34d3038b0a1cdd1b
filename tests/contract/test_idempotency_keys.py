"""What every store of idempotency keys keeps to."""

import asyncio
from uuid import UUID

import pytest

from application.ports.idempotency_keys import IdempotencyRecord
from domain.errors import InvalidInput, OperationNotFound
from tests.contract.stores import OnMemory, OnPostgres, Store, add, stored
from tests.contract.test_operation_repository import accepted_change
from tests.support.operations import at


def record(key: str, number: int = 1, *, tenant: str = "default", until: float = 100) -> IdempotencyRecord:
    """A request under a key, which made the operation of that number."""
    return IdempotencyRecord(tenant, key, f"hash {number}".encode(), UUID(int=number), at(until))


async def submit(store: Store, claim: IdempotencyRecord, seconds: float = 0) -> IdempotencyRecord:
    """What a submission does: claim the key, and add the operation if it was won."""
    async with store.units() as unit:
        holder = await unit.idempotency_keys.claim(claim, at(seconds))
        if holder == claim:
            await unit.operations.add(accepted_change(claim.operation_id.int, tenant=claim.tenant))
            await unit.commit()
    return holder


class IdempotencyKeysContract:
    """Subclasses give the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_first_come(self, store: Store) -> None:
        """The first claim gets the key, and every later one gets the first record, whole (hazard 6)."""
        assert await submit(store, record("k", 1)) == record("k", 1)
        assert await submit(store, record("k", 2)) == record("k", 1)
        assert await submit(store, record("other", 3)) == record("other", 3)

    async def test_tenants_do_not_meet(self, store: Store) -> None:
        """The same key of two tenants is two keys (P8)."""
        assert await submit(store, record("k", 1, tenant="a")) == record("k", 1, tenant="a")
        assert await submit(store, record("k", 2, tenant="b")) == record("k", 2, tenant="b")

    async def test_expiry(self, store: Store) -> None:
        """Until its expiry, exclusive, a key is held; then the next claim gets it anew."""
        await submit(store, record("k", 1, until=100))
        assert await submit(store, record("k", 2), 99.999) == record("k", 1, until=100)
        assert await submit(store, record("k", 3, until=200), 100) == record("k", 3, until=200)
        assert await submit(store, record("k", 4), 150) == record("k", 3, until=200)

    async def test_concurrent_claims(self, store: Store) -> None:
        """Of ten at once one wins, and all get its record."""
        holders = await asyncio.gather(*(submit(store, record("k", number)) for number in range(1, 11)))
        assert len({holder.operation_id for holder in holders}) == 1
        [winner] = {holder.operation_id for holder in holders}
        assert (await stored(store, winner)).id == winner
        others = [UUID(int=number) for number in range(1, 11) if number != winner.int]
        assert [await store.peek(other) for other in others] == [None] * 9

    async def test_concurrent_claims_of_an_expired_key(self, store: Store) -> None:
        """The same holds when the key has to change hands."""
        await submit(store, record("k", 99, until=1))
        holders = await asyncio.gather(*(submit(store, record("k", number), 2) for number in range(1, 11)))
        assert len({holder.operation_id for holder in holders}) == 1
        assert holders[0].operation_id != UUID(int=99)

    @pytest.mark.parametrize("commits", [True, False])
    async def test_the_second_waits_for_the_first(self, store: Store, commits: bool) -> None:
        """A claim waits for the one before to end: committed, that one's record is the answer; undone, the waiter's."""
        async with store.units() as first:
            await first.idempotency_keys.claim(record("k", 1), at(0))
            await first.operations.add(accepted_change(1))
            second = asyncio.create_task(submit(store, record("k", 2)))
            done, _ = await asyncio.wait({second}, timeout=0.1)
            assert not done
            if commits:
                await first.commit()
        assert await second == record("k", 1 if commits else 2)

    async def test_key_without_its_operation(self, store: Store) -> None:
        """A key that points nowhere cannot be committed."""
        async with store.units() as unit:
            await unit.idempotency_keys.claim(record("k"), at(0))
            with pytest.raises(OperationNotFound):
                await unit.commit()
        assert await store.keys() == set()

    @pytest.mark.parametrize("key", ["", "\x00", "\ud800", "x" * 256], ids=repr)
    async def test_keys_that_cannot_be_stored(self, store: Store, key: str) -> None:
        """They are the caller's error."""
        with pytest.raises(InvalidInput):
            await submit(store, record(key))

    async def test_purge(self, store: Store) -> None:
        """What has expired is forgotten, the oldest first and up to the limit; the operations stay."""
        for number in range(1, 6):
            await submit(store, record(f"k{number}", number, until=number))
        async with store.units() as unit:
            assert await unit.idempotency_keys.purge(at(4), limit=3) == 3
            assert await unit.idempotency_keys.purge(at(4), limit=3) == 1
            await unit.commit()
        assert await store.keys() == {("default", "k5")}
        assert (await stored(store, UUID(int=1))).id == UUID(int=1)

    async def test_purge_that_is_not_committed(self, store: Store) -> None:
        """It has forgotten nothing; a key claimed anew in the meantime is not forgotten either."""
        await submit(store, record("k", 1, until=1))
        async with store.units() as unit:
            assert await unit.idempotency_keys.purge(at(2), limit=3) == 1
        await submit(store, record("k", 2, until=10), 3)
        async with store.units() as unit:
            assert await unit.idempotency_keys.purge(at(4), limit=3) == 0
            await unit.commit()
        assert await store.keys() == {("default", "k")}

    async def test_purge_passes_over_what_is_being_claimed(self, store: Store) -> None:
        """A purge waits for nobody."""
        await submit(store, record("k", 1, until=1))
        await add(store, accepted_change(2))
        async with store.units() as one, store.units() as other:
            await one.idempotency_keys.claim(record("k", 2), at(2))
            assert await other.idempotency_keys.purge(at(2), limit=3) == 0


class TestMemory(OnMemory, IdempotencyKeysContract):
    pass


class TestPostgres(OnPostgres, IdempotencyKeysContract):
    pass
