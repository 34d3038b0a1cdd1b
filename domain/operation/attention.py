"""Attention: the reason why an operation makes no progress, or needs a look by an operator."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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

    @property
    def identity(self) -> UUID:
        """Hash that is equal while one problem lasts, and differs from that of any other problem of the operation. Each
        contradiction of a DIVERGED operation is another problem; the message of other problems may change."""
        microseconds = (self.since - _EPOCH) // timedelta(microseconds=1)
        named = f"{self.kind} {microseconds}"
        if self.kind is AttentionKind.DIVERGED:
            named += f" {self.message}"
        return UUID(bytes=hashlib.sha256(named.encode()).digest()[:16])
