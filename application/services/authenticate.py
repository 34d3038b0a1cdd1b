"""Who makes a request, by what it shows."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from application.ports.api_keys import ApiKeyReader
from application.ports.clock import Clock
from application.ports.token_verifier import TokenVerifier
from application.services.note_key_uses import NoteKeyUses
from domain.api_key import MARK, ApiKey, prefix_of
from domain.credentials import InvalidCredentials
from domain.principal import Principal

CACHE_LIFE = timedelta(seconds=10)
"""How long a key that was read is taken to be as it was. A revocation takes effect within this time, an expiry at
once."""
MOST_LOOK_UPS: Final = 2
"""At a time, of keys that may not exist. Anybody can make those up, and the database has connections for few."""


class AuthenticateKeys:
    """Reads a key once every CACHE_LIFE and process, and not again with each request. A prefix that there is not is
    asked for each time, so that a new key counts at once; but those who ask for one queue."""

    def __init__(self, keys: ApiKeyReader, clock: Clock, uses: NoteKeyUses) -> None:
        self._keys = keys
        self._clock = clock
        self._uses = uses
        self._read: dict[str, tuple[ApiKey, datetime]] = {}
        self._unknown = asyncio.Semaphore(MOST_LOOK_UPS)

    async def principal(self, text: str) -> Principal:
        """Whose key it is. Raises InvalidCredentials, DatabaseUnavailable."""
        now = self._clock.now()
        key = await self._find(prefix_of(text), now)
        key.check(text, now)
        self._uses.note(key.prefix, now)
        return Principal(key.tenant, key.name, key.scopes, f"key {key.prefix}")

    async def _find(self, prefix: str, now: datetime) -> ApiKey:
        cached = self._read.get(prefix)
        if cached is None:
            async with self._unknown:
                return await self._look_up(prefix, now)
        if timedelta() <= now - cached[1] < CACHE_LIFE:
            return cached[0]
        return await self._look_up(prefix, now)

    async def _look_up(self, prefix: str, now: datetime) -> ApiKey:
        key = await self._keys.find(prefix)
        if key is None:
            raise InvalidCredentials("there is no such API key")
        self._read[prefix] = (key, now)
        return key


class Authenticate:
    """Takes API keys, tokens, or both: whichever there is something for."""

    def __init__(self, keys: AuthenticateKeys | None, tokens: TokenVerifier | None) -> None:
        self._keys = keys
        self._tokens = tokens

    async def principal(self, credential: str) -> Principal:
        """Whose it is. Raises InvalidCredentials, DatabaseUnavailable, IdentityProviderUnavailable."""
        if self._keys is not None and (credential.startswith(MARK) or self._tokens is None):
            return await self._keys.principal(credential)
        if self._tokens is not None:
            return await self._tokens.verify(credential)
        raise InvalidCredentials("nothing is taken here")
