"""The lease of the watch rules, and the marks that say how far a worker has come."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from application.ports.storage.unit_of_work import UnitOfWorkFactory

LEASE_NAME = "watch-rules"
CAUGHT_UP_NAME = "watch-rules-caught-up"
"""Name of a lease that is never held. Its mark is a second one of the watch."""
HOLD = timedelta(seconds=10)
"""Time after which another worker takes over from one that was killed within a round."""


@dataclass(frozen=True, slots=True)
class WatchRound:
    """A round that has begun. All times are the database's."""

    now: datetime
    mark: datetime
    """Starts up to here have been read."""
    caught_up: datetime
    """Begin of the last round that came to its end. The mark is later while a worker catches up after an
    interruption."""


class WatchProgress:
    """One of any number of workers holds the lease. Another one goes on where it stops."""

    def __init__(self, units: UnitOfWorkFactory, every: timedelta) -> None:
        """`every`: time from a round to the next."""
        self._units = units
        self._every = every

    async def begin(self) -> WatchRound | None:
        """Acquires the lease; None if no round is due. The first round marks its begin, so that a crash loses no start
        after it."""
        async with self._units() as unit:
            # A lease that lasts longer than asked for is taken over: after a round it lasts for the interval.
            lease = await unit.leases.acquire(LEASE_NAME, max(HOLD, self._every))
            if lease is None:
                return None
            if self._every > HOLD:
                await unit.leases.extend(LEASE_NAME, HOLD)
            second = await unit.leases.acquire(CAUGHT_UP_NAME, timedelta())
            mark = lease.mark or lease.now
            caught_up = None if second is None else second.mark
            if lease.mark is None or caught_up is None:
                await unit.leases.advance(LEASE_NAME, mark)
                await unit.leases.advance(CAUGHT_UP_NAME, mark)
            await unit.commit()
        return WatchRound(lease.now, mark, caught_up or mark)

    async def advance(self, to: datetime, *, caught_up: bool) -> None:
        """Moves the mark. `caught_up`: everything that had started when the round began was read."""
        async with self._units() as unit:
            await unit.leases.advance(LEASE_NAME, to)
            if caught_up:
                await unit.leases.advance(CAUGHT_UP_NAME, to)
            await unit.commit()

    async def extend(self) -> None:
        """Keeps the lease within a round."""
        await self._extend(HOLD)

    async def end(self) -> None:
        """Keeps the lease for the interval, so that no other worker begins a round earlier."""
        await self._extend(self._every)

    async def _extend(self, lasts: timedelta) -> None:
        async with self._units() as unit:
            await unit.leases.extend(LEASE_NAME, lasts)
            await unit.commit()
