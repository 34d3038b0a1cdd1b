"""The end of what the container made."""

import asyncio

from dependency_injector import providers

from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.settings.settings import Settings
from entrypoints.wiring.api import wired


class Closing:
    """Something that is closed, maybe not before all of `together` are being closed."""

    def __init__(self, name: str, closed: list[str], together: asyncio.Barrier | None = None) -> None:
        self._name = name
        self._closed = closed
        self._together = together

    async def close(self) -> None:
        """Say so, when it is over."""
        if self._together is not None:
            await self._together.wait()
        self._closed.append(self._name)


async def test_groups_end_side_by_side() -> None:
    """Where the database hangs each takes its time to give up. What they commit last is still announced."""
    closed: list[str] = []
    together = asyncio.Barrier(2)
    settings = Settings(database_url="postgresql://nobody@localhost/nothing", operations=str(DEMO_TYPES))
    async with asyncio.timeout(60):
        async with wired(settings) as services:
            services.submit.override(providers.Object(Closing("submissions", closed, together)))
            services.services.changes.override(providers.Object(Closing("changes", closed, together)))
            services.adapters().announcer.override(providers.Object(Closing("announcer", closed)))
    assert sorted(closed[:2]) == ["changes", "submissions"]
    assert closed[2:] == ["announcer"]
