"""When a new operation is to start: now, at a time, or after a delay."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain.errors import Violation

MAX_DELAY: Final = timedelta(days=366)
"""Longest time between the acceptance of an operation and its start."""


@dataclass(frozen=True, slots=True)
class StartTime:
    """A client's request for a later start. Both are None: the operation starts now."""

    at: datetime | None = None
    delay: timedelta | None = None
    """Time after the acceptance."""

    def violations(self, now: datetime) -> Iterator[Violation]:
        """Returns why the request is refused."""
        if self.at is not None and self.delay is not None:
            yield Violation("is not allowed beside start_at", "/delay")
        if self.delay is not None and self.delay > MAX_DELAY:
            yield Violation(f"must be at most {MAX_DELAY.days}d", "/delay")
        if self.at is not None and self.at - now > MAX_DELAY:
            yield Violation(f"must be at most {MAX_DELAY.days} days ahead", "/start_at")

    def after(self, now: datetime) -> datetime | None:
        """Returns the time of the start; None: now. A time in the past is now."""
        at = self.at if self.delay is None else now + self.delay
        return None if at is None or at <= now else at

    def identity(self) -> dict[str, float]:
        """Returns values that are equal for equal requests; empty for a start now."""
        named = {} if self.at is None else {"start_at": self.at.timestamp()}
        return named if self.delay is None else {**named, "delay": self.delay.total_seconds()}


NOW: Final = StartTime()
