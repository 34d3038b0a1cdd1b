"""Port: the watermark, up to which the engine's index was read."""

from datetime import datetime
from typing import Protocol


class Watermarks(Protocol):
    """A time: everything that the index listed before it was reconciled. Times are the database's."""

    async def now(self) -> datetime:
        """Returns the database's time."""

    async def get(self) -> datetime | None:
        """Returns the watermark; None if no pass has ended."""

    async def advance(self, to: datetime) -> None:
        """Moves the watermark forward, at most to the database's time. A watermark that is later than the database's
        time moves back."""

    async def oldest_unfinished(self) -> datetime | None:
        """Returns when the oldest operation that is dispatched and not done was accepted; None if there is none."""
