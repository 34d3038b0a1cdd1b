"""Graceful shutdown: fail readiness, stop accepting requests, finish open ones."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from domain.errors import OpledgerError


class Stopping:
    """Readiness probe that fails from the start of the shutdown."""

    name: Final = "process"

    def __init__(self) -> None:
        self._started = False

    async def check(self) -> None:
        """Raises OpledgerError after the shutdown has started."""
        if self._started:
            raise OpledgerError("the process is shutting down")

    async def see_out(self, told: asyncio.Event, delay: timedelta, *then: Callable[[], None]) -> None:
        """Waits for `told`, fails readiness, and after the delay calls `then` in order. During the delay load balancers
        notice, and requests are handled as before."""
        await told.wait()
        self._started = True
        await asyncio.sleep(delay.total_seconds())
        for step in then:
            step()
