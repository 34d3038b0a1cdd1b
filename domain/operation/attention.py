"""Attention: the reason why an operation makes no progress, or needs a look by an operator."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AttentionKind(StrEnum):
    """Reason why an operation needs attention."""

    DISPATCH_RETRYING = "DISPATCH_RETRYING"
    """The dispatcher could not start the workflow, and retries."""
    STALLED = "STALLED"
    """The workflow task keeps failing or timing out."""
    NO_WORKER = "NO_WORKER"
    """No worker polls a task queue on which a task of the operation waits."""
    ACTIVITY_RETRYING = "ACTIVITY_RETRYING"
    """An activity keeps failing, and Temporal retries it."""
    RESULT_UNREADABLE = "RESULT_UNREADABLE"
    """The operation is COMPLETED, but its result could not be read completely. This attention is permanent."""
    DIVERGED = "DIVERGED"
    """The operation is final, but the engine reports something else: the workflow was reset or started again."""


@dataclass(frozen=True, slots=True)
class Attention:
    """Kind, start time, and a message for operators."""

    kind: AttentionKind
    since: datetime
    message: str
