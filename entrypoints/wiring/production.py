"""Provides the adapters of production to the containers of the API and the worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from entrypoints.settings.settings import Settings
from entrypoints.wiring import adapters
from entrypoints.wiring.catalogue import checked_catalogue
from entrypoints.wiring.services import joined


@asynccontextmanager
async def production(settings: Settings) -> AsyncIterator[dict[str, Any]]:
    """Yields the arguments of either container, and closes all connections at the end. Raises StartupError."""
    catalogue = checked_catalogue(settings)
    from entrypoints.wiring import temporal  # late: Temporal's SDK takes long to import

    async with adapters.opened(settings) as opened, temporal.opened(settings, opened.clock()) as engine:
        yield joined(settings, catalogue, opened, engine)
