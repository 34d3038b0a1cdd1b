"""Something about an operation that a person should look at."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AttentionKind(StrEnum):
    """What is the matter."""

    DISPATCH_RETRYING = "DISPATCH_RETRYING"
    """Its start failed, and is tried again."""
    STALLED = "STALLED"
    """It runs, and does not get on: its workflow task keeps failing or timing out."""
    RESULT_UNREADABLE = "RESULT_UNREADABLE"
    """It is COMPLETED, and its result could not be read, or not as a whole. Stays on the operation."""
    DIVERGED = "DIVERGED"
    """It is final, and the engine has since said something else: somebody reset or ran it again."""


@dataclass(frozen=True, slots=True)
class Attention:
    """What is the matter, since when, in words."""

    kind: AttentionKind
    since: datetime
    message: str
