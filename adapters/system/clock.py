"""The machine's clock."""

from datetime import UTC, datetime


class SystemClock:
    """The operating system's time in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)
