"""Heartbeats of a long activity: Temporal notices a killed worker within seconds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from temporalio import activity

EVERY = timedelta(seconds=1)


@contextlib.asynccontextmanager
async def heartbeating(*details: int) -> AsyncIterator[None]:
    """Sends heartbeats for the length of the block. `details`: what the next attempt at the activity gets."""

    async def beat() -> None:
        while True:
            activity.heartbeat(*details)
            await asyncio.sleep(EVERY.total_seconds())

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
