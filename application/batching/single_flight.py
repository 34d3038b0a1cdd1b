"""Shares one call among concurrent callers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


class SingleFlight(Generic[_T]):
    """Runs a call once for all callers that need its result at the same time, and for a while after. An error is shared
    as a result is."""

    def __init__(
        self,
        call: Callable[[], Awaitable[_T]],
        *,
        max_age: float = 0.0,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        """
        Args:
            call: Has its own timeout: cancelling a caller does not end it.
            max_age: Seconds after its start in which a call that has ended is not repeated.
            monotonic: Seconds on a clock that does not go back; None: the event loop's.
        """
        self._call = call
        self._max_age = max_age
        self._monotonic = monotonic
        self._task: asyncio.Future[_T] | None = None
        self._started_at = 0.0

    async def get(self) -> _T:
        """Returns the result of the call in flight, of one that started within `max_age`, or of a new one."""
        task = self.start()
        task.add_done_callback(_retrieve)
        return await asyncio.shield(task)

    def start(self) -> "asyncio.Future[_T]":
        """Starts the call as `get` does, and does not wait for it."""
        now = (self._monotonic or asyncio.get_running_loop().time)()
        if self._task is None or (self._task.done() and now - self._started_at >= self._max_age):
            self._task = asyncio.ensure_future(self._call())
            self._started_at = now
        return self._task


def _retrieve(task: "asyncio.Future[Any]") -> None:
    """Retrieves the exception, so that asyncio does not log it after every caller was cancelled."""
    if not task.cancelled():
        task.exception()
