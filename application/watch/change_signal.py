"""A signal that operations of a tenant have changed."""

import asyncio

from application.watch.subscription import SubscriptionEnded


class ChangeSignal:
    """Signals changes to one listener. Many changes are one signal until the listener clears it. Loads no events."""

    __slots__ = ("_changed", "_ended")

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._ended: SubscriptionEnded | None = None

    def set(self) -> None:
        """Notes a change."""
        self._changed.set()

    def end(self, reason: SubscriptionEnded) -> None:
        """Ends the signal: no more changes are noted."""
        self._ended = self._ended or reason
        self._changed.set()

    async def changed(self, within: float) -> bool:
        """Waits for a change since `clear`, at most `within` seconds; returns whether there was one. Raises
        SubscriptionEnded."""
        try:
            async with asyncio.timeout(within):
                await self._changed.wait()
        except TimeoutError:
            return False
        if self._ended is not None:
            raise self._ended
        return True

    def clear(self) -> None:
        """Clears the signal of the changes so far."""
        if self._ended is None:
            self._changed.clear()
