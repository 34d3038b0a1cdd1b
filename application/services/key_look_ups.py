"""Look-ups of API keys that may not exist: anybody can make those up, and the database has connections for few."""

import asyncio
from contextvars import Context

from application.ports.api_keys import ApiKeyReader
from domain.api_key import ApiKey


class KeyLookUps:
    """One question at a time, for all who have come while the last was under way: however many there are, nobody waits
    for more than that one and its own."""

    def __init__(self, keys: ApiKeyReader) -> None:
        self._keys = keys
        self._wanted: dict[str, asyncio.Future[ApiKey | None]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def find(self, prefix: str) -> ApiKey | None:
        """The key, as it is now or later. Raises DatabaseUnavailable."""
        found = self._wanted.get(prefix)
        if found is None:
            found = self._wanted[prefix] = asyncio.get_running_loop().create_future()
        if self._asking is None:
            # It works for many: what is bound to the context of one (a request's id) is not its own.
            self._asking = asyncio.create_task(self._ask(), context=Context())
        return await asyncio.shield(found)

    async def _ask(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            try:
                keys = await self._keys.find(wanted)
            except Exception as error:
                for found in wanted.values():
                    found.set_exception(error)
                    found.exception()  # whoever came for it and is still there is told
            else:
                for prefix, found in wanted.items():
                    found.set_result(keys.get(prefix))
        self._asking = None
