"""Repeats a step: the loops of the worker, such as dispatch and follow-up."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from application.batching.step_result import StepResult

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """The speed of a loop. Times in seconds."""

    batch: int = 50
    idle: float = 0.1
    """Pause after a step that found nothing due. A step is one indexed query then."""
    outage: float = 1.0
    """Pause after a step while the engine or the database is unavailable."""
    outage_batch: int = 10
    """Operations per step during an outage: few, so that a long one does not fill the history."""
    between: float = 0.0
    """Least time between the starts of two steps: at most `batch` operations in this time."""


async def poll(name: str, step: Callable[[int], Awaitable[StepResult]], pace: Pace | None = None) -> None:
    """Repeats the step until cancelled. Logs its errors and continues."""
    pace = pace or Pace()
    available = True
    while True:
        begun = time.monotonic()
        try:
            done = await step(pace.batch if available else pace.outage_batch)
        except Exception as error:
            _log.warning("the %s loop failed and continues: %s: %s", name, type(error).__name__, error)
            available = False
            await asyncio.sleep(pace.outage)
            continue
        asked = bool(done.found) or done.engine_asked
        if available and not done.engine_available:
            _log.warning("the %s loop is waiting: Temporal is unavailable", name)
        elif not available and asked and done.engine_available:
            _log.info("the %s loop continues: Temporal is available", name)
        available = done.engine_available if asked else available and done.engine_available
        if not available:
            await asyncio.sleep(pace.outage)
        else:
            rest = pace.between - (time.monotonic() - begun)
            await asyncio.sleep(max(0.0, rest) if done.found else pace.idle)
