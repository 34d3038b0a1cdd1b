"""One reading for all who ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

_T = TypeVar("_T")
LIFE: Final = 1.0
"""Seconds for which what was read is given again."""


class Shared(Generic[_T]):
    """For what anybody may ask for, and what costs a connection each time. An error is shared as an answer is."""

    def __init__(self, read: Callable[[], Awaitable[_T]], life: float = LIFE) -> None:
        """`read` has its own time limit: whoever gives up waiting for it does not end it."""
        self._read = read
        self._life = life
        self._reading: asyncio.Task[_T] | None = None
        self._begun = 0.0

    async def get(self) -> _T:
        """What was begun to be read within the life, or is being read; else it is read now."""
        now = asyncio.get_running_loop().time()
        if self._reading is None or (self._reading.done() and now - self._begun >= self._life):
            self._reading = asyncio.ensure_future(self._read())
            self._reading.add_done_callback(_heard)
            self._begun = now
        return await asyncio.shield(self._reading)


def _heard(reading: asyncio.Task[Any]) -> None:
    if not reading.cancelled():
        reading.exception()  # whoever has not given up is told
