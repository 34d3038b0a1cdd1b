"""Graceful shutdown: fail readiness, stop accepting requests, finish open ones."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from domain.errors import OpledgerError


class GracefulShutdown:
    """Runs the shutdown, and is the readiness probe that fails from its start."""

    name: Final = "process"

    def __init__(self) -> None:
        self._started = False

    async def check(self) -> None:
        """Raises OpledgerError after the shutdown has started."""
        if self._started:
            raise OpledgerError("the process is shutting down")

    async def run(self, stop: asyncio.Event, delay: timedelta, *steps: Callable[[], None]) -> None:
        """Waits for `stop`, fails readiness, and after the delay calls the steps in order. During the delay, requests
        are handled as before, and load balancers notice that the process is not ready."""
        await stop.wait()
        self._started = True
        await asyncio.sleep(delay.total_seconds())
        for step in steps:
            step()
