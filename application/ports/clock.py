"""Port: what time it is."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The current time, with its zone (UTC)."""

    def now(self) -> datetime: ...
