"""The contract of stores of API keys."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.access.api_keys import MemoryApiKeys
from adapters.postgres.access.api_keys import PostgresApiKeys
from application.ports.storage.api_keys import ApiKeyNotFound, ApiKeys
from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.access.api_key import ApiKey, make_api_key
from domain.access.scope import Scope
from tests.support.operations import at


def key(number: int, *, tenant: str = "a", seconds: float = 0) -> ApiKey:
    """A distinct key."""
    return make_api_key(
        number.to_bytes(5),
        number.to_bytes(20),
        name=f"key {number}",
        tenant=tenant,
        scopes=frozenset({Scope.READ, Scope.CANCEL}),
        now=at(seconds),
        expires_at=at(1000) if number % 2 else None,
    ).stored


class ApiKeysContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def keys(self) -> ApiKeys:
        raise NotImplementedError

    async def test_a_key_is_found_by_its_prefix_with_every_field(self, keys: ApiKeys) -> None:
        """Other prefixes find nothing."""
        for number in (1, 2):
            assert await keys.add(key(number))
            assert await keys.find([key(number).prefix]) == {key(number).prefix: key(number)}
        assert await keys.find([key(3).prefix]) == {}

    async def test_several_keys_are_found_in_one_call(self, keys: ApiKeys) -> None:
        """Missing prefixes are left out; no prefixes find no keys."""
        stored = {one.prefix: one for one in map(key, range(1, 4))}
        for one in stored.values():
            await keys.add(one)
        assert await keys.find([*stored, *(key(number).prefix for number in range(10, 3000))]) == stored
        assert await keys.find([key(1).prefix, key(1).prefix]) == {key(1).prefix: key(1)}
        assert await keys.find([]) == {}

    async def test_a_second_key_with_the_same_prefix_is_not_stored(self, keys: ApiKeys) -> None:
        """`add` returns False."""
        assert await keys.add(key(1))
        assert not await keys.add(replace(key(1), name="another", secret_hash=key(2).secret_hash))
        assert await keys.list() == [key(1)]

    async def test_list_returns_keys_oldest_first(self, keys: ApiKeys) -> None:
        """Of one tenant, or of all."""
        stored = [key(3, seconds=1), key(1, seconds=2), key(2, tenant="b", seconds=3)]
        for one in reversed(stored):
            await keys.add(one)
        assert await keys.list() == stored
        assert await keys.list("a") == stored[:2]
        assert await keys.list("c") == []

    async def test_the_first_revocation_counts(self, keys: ApiKeys) -> None:
        """A revoked key can still be found. No other key changes."""
        await keys.add(key(1))
        await keys.add(key(2))
        revoked = replace(key(1), revoked_at=at(5))
        assert await keys.revoke(key(1).prefix, at(5)) == revoked
        assert await keys.revoke(key(1).prefix, at(6)) == revoked
        assert list((await keys.find([key(1).prefix, key(2).prefix])).values()) == [revoked, key(2)]
        with pytest.raises(ApiKeyNotFound, match=key(3).prefix):
            await keys.revoke(key(3).prefix, at(5))

    async def test_time_of_last_use_never_moves_back(self, keys: ApiKeys) -> None:
        """Unknown prefixes are ignored."""
        await keys.add(key(1))
        await keys.add(key(2))
        await keys.note_used({key(1).prefix: at(5), key(2).prefix: at(7), key(3).prefix: at(9)})
        await keys.note_used({key(1).prefix: at(4), key(2).prefix: at(8)})
        await keys.note_used({})
        assert [one.last_used_at for one in await keys.list()] == [at(5), at(8)]
        assert await keys.find([key(3).prefix]) == {}


class TestMemory(ApiKeysContract):
    @pytest.fixture
    def keys(self) -> ApiKeys:
        return MemoryApiKeys()


class TestPostgres(ApiKeysContract):
    @pytest.fixture
    def keys(self, postgres_engine: AsyncEngine) -> ApiKeys:
        return PostgresApiKeys(postgres_engine)

    async def test_no_secret_is_stored(self, keys: ApiKeys, postgres_engine: AsyncEngine) -> None:
        """The row contains nothing of the key's text except its visible parts."""
        made = make_api_key(
            b"12345", b"\xff" * 20, name="n", tenant="t", scopes=frozenset(Scope), now=at(0), expires_at=None
        )
        await keys.add(made.stored)
        async with postgres_engine.connect() as connection:
            row = (await connection.execute(text("SELECT api_keys::text AS row FROM opledger.api_keys"))).scalar_one()
        assert made.stored.prefix in row
        assert made.text.rpartition("_")[2] not in row

    async def test_every_call_raises_database_unavailable(self) -> None:
        """The database cannot be reached."""
        from adapters.postgres.connection.engine import create_engine

        keys = PostgresApiKeys(create_engine("postgresql://u:secret@127.0.0.1:1/none"))
        for call in (
            keys.add(key(1)),
            keys.find([key(1).prefix]),
            keys.list(),
            keys.revoke(key(1).prefix, at(0)),
            keys.note_used({key(1).prefix: at(0)}),
        ):
            with pytest.raises(DatabaseUnavailable):
                await call
