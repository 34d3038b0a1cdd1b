"""The clock of the SDK's code outside of workflows."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Current time, UTC."""
    return datetime.fromtimestamp(time.time(), UTC)
