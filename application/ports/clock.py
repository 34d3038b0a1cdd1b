"""Port: the clock."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The current time, in UTC with its time zone."""

    def now(self) -> datetime: ...
