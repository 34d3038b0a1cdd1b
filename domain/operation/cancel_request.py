"""The wish that an operation end early."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Who asked, when and why, and whether the engine has been told."""

    at: datetime
    by: str | None = None
    reason: str | None = None
    force: bool = False
    """Terminate instead of asking the workflow to stop."""
    delivered_at: datetime | None = None
