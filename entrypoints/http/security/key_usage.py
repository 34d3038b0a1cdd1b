"""Stores when API keys were last used, once a minute and at shutdown."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from application.access.api_key_usage import NoteKeyUses
from domain.errors import OpledgerError
from entrypoints.poller import Pace, poll

BATCH = 1000
EVERY = Pace(batch=BATCH, idle=60, between=60, outage=60, outage_batch=BATCH)
_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def noting(uses: NoteKeyUses) -> AsyncIterator[None]:
    """Stores the uses that the block records."""
    loop = asyncio.create_task(poll("key use", uses.step, EVERY), name="key uses")
    try:
        yield
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        try:
            await uses.step(BATCH)
        except OpledgerError as error:
            _log.warning("could not store the last uses of API keys: %s", error)
