"""Port: how far the engine's index has been read."""

from datetime import datetime
from typing import Protocol


class Watermarks(Protocol):
    """One moment: everything that the index had listed before it has been looked at. Times are the database's."""

    async def now(self) -> datetime:
        """The database's time."""

    async def get(self) -> datetime | None:
        """The watermark, or None where nothing was ever read."""

    async def advance(self, to: datetime) -> None:
        """Move it forward to that moment, but never beyond the database's time. It moves back only where it is beyond
        the database's time already."""

    async def oldest_unfinished(self) -> datetime | None:
        """When the oldest operation that is dispatched and not done was accepted, if there is one."""
