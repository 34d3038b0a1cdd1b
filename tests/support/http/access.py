"""Access control on the memory adapters, for tests."""

from datetime import timedelta
from typing import Any

import httpx

from adapters.memory.access.api_keys import MemoryApiKeys
from adapters.memory.access.token_verifier import MemoryTokenVerifier
from adapters.memory.clock import MemoryClock
from application.access.api_key_admin import ManageKeys
from application.access.api_key_usage import NoteKeyUses
from application.access.authenticate import Authenticate, AuthenticateKeys
from application.access.rate_limit import RateLimit
from domain.access.scope import ALL_SCOPES, Scope
from domain.access.token_bucket import Allowance
from entrypoints.http.security.authentication import BearerAccess
from tests.support.http.api import Api
from tests.support.randomness import counting

GENEROUS = Allowance(rate=1000, burst=1000)


class Guarded(Api):
    """An application that asks for credentials, and who gives them."""

    def __init__(self, allowance: Allowance = GENEROUS, **fields: Any) -> None:
        self.api_keys, self.tokens, key_clock = MemoryApiKeys(), MemoryTokenVerifier(), MemoryClock()
        self.key_clock = key_clock
        self.manage = ManageKeys(self.api_keys, key_clock, counting())
        keys = AuthenticateKeys(self.api_keys, key_clock, NoteKeyUses(self.api_keys))
        access = BearerAccess(Authenticate(keys, self.tokens), RateLimit(key_clock, allowance))
        super().__init__(access=access, keys=self.manage, **fields)

    async def key(
        self, tenant: str = "a", *scopes: Scope, name: str = "ci", life: timedelta | None = None
    ) -> dict[str, str]:
        """The header with a new key, with these scopes or with all."""
        held = frozenset(scopes) or ALL_SCOPES
        made = await self.manage.create(name, tenant=tenant, scopes=held, life=life)
        return bearer(made.text)

    async def ask(self, method: str, path: str, key: dict[str, str], **request: Any) -> httpx.Response:
        """One request with these credentials."""
        return await self.client.request(method, path, headers={**request.pop("headers", {}), **key}, **request)


def bearer(credential: str) -> dict[str, str]:
    """The header that shows it."""
    return {"Authorization": f"Bearer {credential}"}
