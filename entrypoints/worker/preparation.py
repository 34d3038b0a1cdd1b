"""Registers the search attribute and the schedule with Temporal, and repeats that."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from domain.scheduling.backoff import exponential

AGAIN_AFTER = timedelta(minutes=5)
"""Restores a schedule that was deleted, or is missing in a restored backup."""
_log = logging.getLogger(__name__)


async def prepare(register: Callable[[], Awaitable[None]], again_after: timedelta = AGAIN_AFTER) -> None:
    """Calls `register` every `again_after`, and after a failure with a growing pause."""
    attempt, there = 0, False
    while True:
        try:
            await register()
        except Exception as error:
            attempt, there = attempt + 1, False
            _log.warning("cannot register search attribute and schedule yet: %s", error)
        else:
            if not there:
                _log.info("search attribute and schedule are registered")
            attempt, there = 0, True
        await asyncio.sleep((again_after if there else exponential(attempt)).total_seconds())
