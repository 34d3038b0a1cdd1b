"""Creates, lists and revokes API keys."""

from collections.abc import Callable
from datetime import timedelta

from application.ports.clock import Clock
from application.ports.storage.api_keys import ApiKeys
from domain.access.api_key import PREFIX_BYTES, SECRET_BYTES, ApiKey, NewApiKey, check_prefix, make_api_key
from domain.access.scope import Scope


class ManageKeys:
    """For operators. `randomness` returns that many unpredictable bytes."""

    def __init__(self, keys: ApiKeys, clock: Clock, randomness: Callable[[int], bytes]) -> None:
        self._keys = keys
        self._clock = clock
        self._randomness = randomness

    async def create(self, name: str, *, tenant: str, scopes: frozenset[Scope], life: timedelta | None) -> NewApiKey:
        """Stores a new key and returns it with its text, which is not stored. `life` None: it does not expire.

        Raises InvalidInput, DatabaseUnavailable."""
        while True:
            now = self._clock.now()
            made = make_api_key(
                self._randomness(PREFIX_BYTES),
                self._randomness(SECRET_BYTES),
                name=name,
                tenant=tenant,
                scopes=scopes,
                now=now,
                expires_at=None if life is None else now + life,
            )
            if await self._keys.add(made.stored):
                return made

    async def list(self, tenant: str | None = None) -> list[ApiKey]:
        """Returns all keys, or one tenant's, oldest first. Raises DatabaseUnavailable."""
        return await self._keys.list(tenant)

    async def revoke(self, prefix: str) -> ApiKey:
        """Revokes the key. Raises InvalidInput, ApiKeyNotFound, DatabaseUnavailable."""
        check_prefix(prefix)
        return await self._keys.revoke(prefix, self._clock.now())
