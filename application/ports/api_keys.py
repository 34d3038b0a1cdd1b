"""Port: the API keys that there are."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from domain.access.api_key import ApiKey
from domain.errors import OpledgerError


class ApiKeyNotFound(OpledgerError):
    """There is no such API key."""


class ApiKeyReader(Protocol):
    """What authentication needs."""

    async def find(self, prefixes: Collection[str]) -> dict[str, ApiKey]:
        """The keys that there are of these, by prefix, revoked and expired ones too. Raises DatabaseUnavailable."""

    async def note_used(self, last_used: Mapping[str, datetime]) -> None:
        """Note when keys were last used, by prefix. A time never moves back, and what is not there is passed over.
        Raises DatabaseUnavailable."""


class ApiKeys(ApiKeyReader, Protocol):
    """Keys of all tenants. Every call is a commit of its own."""

    async def add(self, key: ApiKey) -> bool:
        """Store a new key; False, and nothing stored, where its prefix is taken."""

    async def list(self, tenant: str | None = None) -> list[ApiKey]:
        """All keys, or one tenant's, the oldest first."""

    async def revoke(self, prefix: str, now: datetime) -> ApiKey:
        """Have it refused from now on; one that is revoked already stays as it is. Raises ApiKeyNotFound."""
