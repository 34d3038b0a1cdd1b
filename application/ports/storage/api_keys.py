"""Port: stored API keys."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from domain.access.api_key import ApiKey
from domain.errors import OpledgerError


class ApiKeyNotFound(OpledgerError):
    """There is no such API key."""


class ApiKeyReader(Protocol):
    """The part of the port that authentication needs."""

    async def find(self, prefixes: Collection[str]) -> dict[str, ApiKey]:
        """Returns the existing keys by prefix, revoked and expired ones too. Raises DatabaseUnavailable."""

    async def note_used(self, last_used: Mapping[str, datetime]) -> None:
        """Stores when keys were last used, by prefix. A time never moves back; unknown prefixes are ignored. Raises
        DatabaseUnavailable."""


class ApiKeys(ApiKeyReader, Protocol):
    """Keys of all tenants. Every call is a transaction of its own."""

    async def add(self, key: ApiKey) -> bool:
        """Stores a new key. Returns False, and stores nothing, if its prefix is taken."""

    async def list(self, tenant: str | None = None) -> list[ApiKey]:
        """Returns all keys, or one tenant's, oldest first."""

    async def revoke(self, prefix: str, now: datetime) -> ApiKey:
        """Revokes the key; one that is revoked stays as it is. Raises ApiKeyNotFound."""
