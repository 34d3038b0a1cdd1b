"""Authenticates requests by API key or token."""

from datetime import datetime, timedelta
from typing import Final

from application.access.api_key_usage import NoteKeyUses
from application.batching.batcher import Batcher, Limits, lookup
from application.ports.clock import Clock
from application.ports.storage.api_keys import ApiKeyReader
from application.ports.token_verifier import TokenVerifier
from domain.access.api_key import MARK, ApiKey, prefix_of
from domain.access.credentials import InvalidCredentials
from domain.access.principal import Principal

CACHE_MAX_AGE = timedelta(seconds=10)
"""Time for which a key is cached. A revocation takes effect within it, an expiry at once."""
KNOWN_KEYS: Final = Limits(max_batch=None, concurrency=1, slow_after=0.25)
UNKNOWN_KEYS: Final = Limits(max_batch=None, concurrency=1, slow_after=1.0, max_in_flight=3)
"""Anyone can make up keys: they must not take many of the database connections."""
_KEY: Final = "key "
_TOKEN: Final = "token "
"""Prefixes of `Principal.credential`."""


def credential_of(prefix: str) -> str:
    """Returns the name of a key's credential, as principals have it."""
    return _KEY + prefix


class AuthenticateKeys:
    """Reads a key once per CACHE_MAX_AGE and process. An unknown prefix is looked up each time, in batches, so that a
    new key counts at once."""

    def __init__(self, keys: ApiKeyReader, clock: Clock, uses: NoteKeyUses) -> None:
        self._known = Batcher(lookup(keys.find), KNOWN_KEYS)
        self._unknown = Batcher(lookup(keys.find), UNKNOWN_KEYS)
        self._clock = clock
        self._uses = uses
        self._read: dict[str, tuple[ApiKey, datetime]] = {}

    async def principal(self, text: str) -> Principal:
        """Returns the owner of the key. Raises InvalidCredentials, DatabaseUnavailable."""
        now = self._clock.now()
        key = await self._find(prefix_of(text), now)
        key.check(text, now)
        return self._used(key, now)

    async def owner(self, prefix: str) -> Principal:
        """Returns the owner of a key whose text was checked before. Raises InvalidCredentials, DatabaseUnavailable."""
        now = self._clock.now()
        return self._used(await self._valid(prefix, now), now)

    async def recheck(self, prefix: str) -> None:
        """Checks by the prefix alone that a key still counts. Raises InvalidCredentials, DatabaseUnavailable."""
        await self._valid(prefix, self._clock.now())

    async def _valid(self, prefix: str, now: datetime) -> ApiKey:
        key = await self._find(prefix, now)
        key.check_valid(now)
        return key

    def _used(self, key: ApiKey, now: datetime) -> Principal:
        self._uses.note(key.prefix, now)
        return Principal(key.tenant, key.name, key.scopes, credential_of(key.prefix), key.expires_at)

    async def _find(self, prefix: str, now: datetime) -> ApiKey:
        cached = self._read.get(prefix)
        if cached is not None and timedelta() <= now - cached[1] < CACHE_MAX_AGE:
            return cached[0]
        # A key that was known before does not wait for keys that may be made up.
        key = await (self._unknown if cached is None else self._known).submit(prefix)
        if key is None:
            raise InvalidCredentials("there is no such API key")
        self._read[prefix] = (key, now)
        return key


class Authenticate:
    """Accepts API keys, tokens, or both, as configured."""

    def __init__(self, keys: AuthenticateKeys | None, tokens: TokenVerifier | None) -> None:
        self._keys = keys
        self._tokens = tokens

    async def principal(self, credential: str) -> Principal:
        """Returns the owner of the credential. Raises InvalidCredentials, DatabaseUnavailable,
        IdentityProviderUnavailable."""
        if self._keys is not None and (credential.startswith(MARK) or self._tokens is None):
            return await self._keys.principal(credential)
        if self._tokens is not None:
            return await self._tokens.verify(credential)
        raise InvalidCredentials("this service accepts no credentials")

    async def owner(self, principal: Principal) -> Principal:
        """Returns the owner of a credential that was authenticated before. A key is read again. A token is valid until
        its expiry, which the caller checks. Raises InvalidCredentials, DatabaseUnavailable."""
        credential = principal.credential or ""
        if self._keys is not None and credential.startswith(_KEY):
            return await self._keys.owner(credential.removeprefix(_KEY))
        await self.recheck(principal)
        return principal

    async def recheck(self, principal: Principal) -> None:
        """Checks that the principal's credential is still valid, without its text. Of a token only the expiry is known,
        and the caller checks it. Raises InvalidCredentials, DatabaseUnavailable."""
        credential = principal.credential or ""
        if self._keys is not None and credential.startswith(_KEY):
            await self._keys.recheck(credential.removeprefix(_KEY))
        elif self._tokens is None or not credential.startswith(_TOKEN):
            raise InvalidCredentials("credentials of this kind are not accepted any more")
