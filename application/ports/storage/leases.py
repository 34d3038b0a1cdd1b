"""Port: leases. Of any number of workers one holds the lease of a task, by the database's clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

PRESENCE: Final = "worker"
"""Name of the lease whose mark is the last time at which a worker noted that it runs."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An acquired lease."""

    now: datetime
    """The database's time."""
    mark: datetime | None
    """How far earlier holders came, never later than `now`; None: no holder has advanced it."""


class Leases(Protocol):
    """Leases by name. A worker whose clock is wrong changes nothing: only the database's clock counts."""

    async def acquire(self, name: str, lasts: timedelta) -> Lease | None:
        """Acquires the lease for `lasts`; returns None while another holder has it. If a holder crashes, its lease
        expires. A lease that would last longer than `lasts` stems from a clock that was set back, and is taken over."""

    async def extend(self, name: str, lasts: timedelta) -> None:
        """Makes the lease last `lasts` from now on."""

    async def advance(self, name: str, to: datetime) -> None:
        """Moves the mark forward, at most to the database's time. Corrects a mark in the future."""
