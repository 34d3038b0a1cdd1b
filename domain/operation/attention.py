"""Why an operation needs attention."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AttentionKind(StrEnum):
    """What is wrong with the operation."""

    DISPATCH_RETRYING = "DISPATCH_RETRYING"
    """Its start failed, and is tried again."""
    STALLED = "STALLED"
    """Its workflow task keeps failing or timing out."""
    NO_WORKER = "NO_WORKER"
    """No worker polls the task queue that it waits for."""
    ACTIVITY_RETRYING = "ACTIVITY_RETRYING"
    """One of its activities keeps failing, and is retried."""
    RESULT_UNREADABLE = "RESULT_UNREADABLE"
    """It is COMPLETED, and its result could not be read, or not as a whole. Stays on the operation."""
    DIVERGED = "DIVERGED"
    """It is final, and the engine has since said something else: somebody reset or ran it again."""


@dataclass(frozen=True, slots=True)
class Attention:
    """Kind, time of the beginning, and a message for people."""

    kind: AttentionKind
    since: datetime
    message: str
