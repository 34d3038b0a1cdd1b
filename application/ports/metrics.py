"""Port: what operators count."""

from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from domain.operation.attention import AttentionKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source


class CallbackOutcome(StrEnum):
    """What became of a completion callback."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    """It said nothing new."""
    DEFERRED = "deferred"
    """The engine has to be asked first, and could not be."""
    UNREADABLE = "unreadable"
    UNKNOWN_OPERATION = "unknown_operation"
    """Its row is not there, or not yet."""
    DELETED = "deleted"
    """Its row is not there any more."""
    UNAUTHORIZED = "unauthorized"


class ReportOutcome(StrEnum):
    """What became of a workflow's report."""

    RECORDED = "recorded"
    IGNORED = "ignored"
    """It said nothing new."""
    UNKNOWN_OPERATION = "unknown_operation"
    FOREIGN = "foreign"
    """The run that sent it does not belong to the operation's chain."""


class Metrics(Protocol):
    """Counters of one process. Nothing here raises, or takes noticeable time."""

    def dispatched(self, lag: timedelta) -> None:
        """The engine took an operation's start, so long after it was accepted."""

    def moved(self, source: Source, status: OperationStatus) -> None:
        """An operation took the status because of what came through the channel."""

    def closed(self, source: Source, lag: timedelta) -> None:
        """An operation became final, so long after its execution had closed."""

    def raised(self, kind: AttentionKind) -> None:
        """An operation began to need attention."""

    def callback(self, outcome: CallbackOutcome) -> None:
        """A completion callback was answered."""

    def reported(self, outcome: ReportOutcome) -> None:
        """A workflow's report was answered."""

    def caller_rejected(self, activity: str) -> None:
        """A workflow that is not the ledger's own called one of the ledger's own activities."""

    def watermark_repaired(self) -> None:
        """The watermark of the engine's index was in the future."""

    def callbacks_refused(self, refused: bool) -> None:
        """Whether the engine refuses starts with completion callbacks just now."""

    def waiting(self, count: int) -> None:
        """So many wait for changes just now: waits, and streams."""

    def told(self, lag: timedelta) -> None:
        """A change was handed to those who wait for it, so long after it was made."""

    def resynced(self) -> None:
        """A stream was not read fast enough, and ends."""

    def feed_held_back(self, seconds: float) -> None:
        """For how long nothing could be told because of a transaction that is open; 0: it is not so."""

    def purged(self, count: int) -> None:
        """So many operations were removed because of their age."""
