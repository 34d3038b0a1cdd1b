"""Port: turns. Of any number of workers one has the turn for a task, by the database's clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that a worker took."""

    now: datetime
    """The database's time."""
    mark: datetime | None
    """How far earlier turns came, never later than `now`; None: no turn has advanced it."""


class Turns(Protocol):
    """Turns by name. A worker whose clock is wrong changes nothing: only the database's clock counts."""

    async def take(self, name: str, lasts: timedelta) -> Turn | None:
        """Takes the turn; returns None while another one lasts. A worker that crashes costs the others one turn. A turn
        that would last longer than `lasts` stems from a clock that was set back, and is taken over."""

    async def keep(self, name: str, lasts: timedelta) -> None:
        """Extends the turn: it lasts `lasts` from now on."""

    async def advance(self, name: str, to: datetime) -> None:
        """Moves the mark forward, at most to the database's time. Corrects a mark in the future."""
