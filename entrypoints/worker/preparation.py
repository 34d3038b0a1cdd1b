"""See to it that Temporal has our search attribute and our schedule, and keeps them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from domain.scheduling.backoff import exponential

AGAIN_AFTER = timedelta(minutes=5)
"""Somebody may delete the schedule, or restore a backup without it: then nobody would reconcile."""
_log = logging.getLogger(__name__)


async def prepare(register: Callable[[], Awaitable[None]], again_after: timedelta = AGAIN_AFTER) -> None:
    """Register what is missing or differs, now and then again; after a failure try with a growing pause."""
    attempt, there = 0, False
    while True:
        try:
            await register()
        except Exception as error:
            attempt, there = attempt + 1, False
            _log.warning("search attribute and schedule cannot be registered yet: %s", error)
        else:
            if not there:
                _log.info("search attribute and schedule are registered")
            attempt, there = 0, True
        await asyncio.sleep((again_after if there else exponential(attempt)).total_seconds())
