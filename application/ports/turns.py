"""Port: work that one of any number of workers does at a time, by the database's clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that was taken."""

    now: datetime
    """The database's time."""
    mark: datetime | None
    """How far earlier turns came, never later than `now`; None: none has said."""


class Turns(Protocol):
    """Turns by name. No worker's clock is asked: one that is ahead moves nothing."""

    async def take(self, name: str, lasts: timedelta) -> Turn | None:
        """Take the turn; None while another one lasts. A holder that dies costs the others one turn. One that lasts
        for longer than this one would is of a clock that was set back, and is taken over."""

    async def keep(self, name: str, lasts: timedelta) -> None:
        """Let the turn last for so long from now on."""

    async def advance(self, name: str, to: datetime) -> None:
        """Move the mark forward, to the database's present at most. A mark that lies in the future is corrected."""
