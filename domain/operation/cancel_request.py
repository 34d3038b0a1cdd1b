"""The cancellation request of a client."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Time, actor and reason of the request, and its delivery to the engine."""

    at: datetime
    by: str | None = None
    reason: str | None = None
    force: bool = False
    """True: terminate the workflow. False: request its cancellation, so that it can clean up."""
    delivered_at: datetime | None = None
    """When the engine accepted the request; None: not delivered yet."""
