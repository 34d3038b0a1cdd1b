"""What the containers of the API and the worker are joined to in production."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dependency_injector import providers

from entrypoints.settings.settings import Settings
from entrypoints.wiring import adapters, temporal
from entrypoints.wiring.catalogue import checked_catalogue
from entrypoints.wiring.services import Services


@asynccontextmanager
async def production(settings: Settings) -> AsyncIterator[dict[str, Any]]:
    """Yields the arguments of either container, and closes all connections at the end. Raises StartupError."""
    catalogue = checked_catalogue(settings)
    async with adapters.opened(settings) as opened, temporal.opened(settings, opened.clock()) as engine:
        given = providers.Object(settings)
        yield {
            "settings": given,
            "catalogue": providers.Object(catalogue),
            "adapters": opened,
            "temporal": engine,
            "services": Services(settings=given, adapters=opened),
        }
