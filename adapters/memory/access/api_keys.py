"""API keys, in memory."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from application.ports.storage.api_keys import ApiKeyNotFound
from domain.access.api_key import ApiKey


class MemoryApiKeys:
    """Each call commits on its own."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}

    async def add(self, key: ApiKey) -> bool:
        return self._keys.setdefault(key.prefix, key) is key

    async def find(self, prefixes: Collection[str]) -> dict[str, ApiKey]:
        return {prefix: self._keys[prefix] for prefix in prefixes if prefix in self._keys}

    async def list(self, tenant: str | None = None) -> list[ApiKey]:
        keys = [key for key in self._keys.values() if tenant in (None, key.tenant)]
        return sorted(keys, key=lambda key: (key.created_at, key.prefix))

    async def revoke(self, prefix: str, now: datetime) -> ApiKey:
        key = self._keys.get(prefix)
        if key is None:
            raise ApiKeyNotFound(f"there is no API key {prefix}")
        self._keys[prefix] = replace(key, revoked_at=key.revoked_at or now)
        return self._keys[prefix]

    async def note_used(self, last_used: Mapping[str, datetime]) -> None:
        for prefix, at in last_used.items():
            key = self._keys.get(prefix)
            if key is not None:
                self._keys[prefix] = replace(key, last_used_at=max(at, key.last_used_at or at))
