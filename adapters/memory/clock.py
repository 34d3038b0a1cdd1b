"""A clock that moves when it is told to."""

from datetime import UTC, datetime, timedelta


class MemoryClock:
    """Starts at `start` and stands still until `advance`."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move on, and say what time it is then. Raises ValueError for a negative step."""
        if by < timedelta():
            raise ValueError("time does not run backwards")
        self._now += by
        return self._now
