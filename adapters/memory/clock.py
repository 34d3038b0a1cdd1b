"""A clock that tests advance."""

from datetime import UTC, datetime, timedelta


class MemoryClock:
    """Starts at `start`, and moves only by `advance`."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Advances the clock and returns the new time. Raises ValueError for a negative step."""
        if by < timedelta():
            raise ValueError("a clock cannot be advanced by a negative time")
        self._now += by
        return self._now
