"""Loops that act on what is due: dispatch, follow-up."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from application.batching.claim_loop import ClaimResult

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """How fast a loop goes. Times in seconds."""

    batch: int = 50
    idle: float = 0.1
    """Between two looks when nothing was due. A look is one indexed query."""
    outage: float = 1.0
    """Between two steps while the engine or the database is away."""
    outage_batch: int = 10
    """How many operations are tried in a step meanwhile, so that a long outage does not fill the history."""
    between: float = 0.0
    """From the begin of a step to that of the next: `batch` operations in so many seconds are the most."""


async def poll(name: str, step: Callable[[int], Awaitable[ClaimResult]], pace: Pace | None = None) -> None:
    """Repeat the step until cancelled. Nothing that it raises ends the loop."""
    pace = pace or Pace()
    available = True
    while True:
        begun = time.monotonic()
        try:
            done = await step(pace.batch if available else pace.outage_batch)
        except Exception as error:
            _log.warning("the %s loop failed and goes on: %s: %s", name, type(error).__name__, error)
            available = False
            await asyncio.sleep(pace.outage)
            continue
        asked = bool(done.claimed) or done.engine_asked
        if available and not done.engine_available:
            _log.warning("the %s loop waits: the engine is not available", name)
        elif not available and asked and done.engine_available:
            _log.info("the %s loop goes on: the engine is available", name)
        available = done.engine_available if asked else available and done.engine_available
        if not available:
            await asyncio.sleep(pace.outage)
        else:
            rest = pace.between - (time.monotonic() - begun)
            await asyncio.sleep(max(0.0, rest) if done.claimed else pace.idle)
