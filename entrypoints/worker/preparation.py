"""See to it that Temporal has our search attribute and our schedule, however long it is away at first."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from domain.backoff import exponential

_log = logging.getLogger(__name__)


async def prepare(register: Callable[[], Awaitable[None]]) -> None:
    """Register what is missing or differs; try again, with a growing pause, until it is there."""
    attempt = 0
    while True:
        attempt += 1
        try:
            await register()
        except Exception as error:
            _log.warning("search attribute and schedule are not registered yet: %s", error)
        else:
            _log.info("search attribute and schedule are registered")
            return
        await asyncio.sleep(exponential(attempt).total_seconds())
