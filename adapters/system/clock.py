"""The machine's clock."""

from datetime import UTC, datetime


class SystemClock:
    """UTC, as the operating system tells it."""

    def now(self) -> datetime:
        return datetime.now(UTC)
