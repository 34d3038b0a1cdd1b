"""The way out: first nobody is sent here any more, then nothing new is taken, then what is open ends."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from domain.errors import OpledgerError


class Stopping:
    """A probe of readiness: well until the process has been told to stop."""

    name: Final = "process"

    def __init__(self) -> None:
        self._begun = False

    async def check(self) -> None:
        """Raises OpledgerError once it is stopping."""
        if self._begun:
            raise OpledgerError("it is stopping")

    async def see_out(self, told: asyncio.Event, delay: timedelta, *then: Callable[[], None]) -> None:
        """When `told`, not be ready any more; after the delay, in which load balancers see that and requests are
        answered as before, do what comes then."""
        await told.wait()
        self._begun = True
        await asyncio.sleep(delay.total_seconds())
        for step in then:
            step()
