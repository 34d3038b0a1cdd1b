"""Port: metrics."""

from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from domain.operation.attention import AttentionKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source


class CallbackOutcome(StrEnum):
    """The outcome of a completion callback."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    """It said nothing new."""
    DEFERRED = "deferred"
    """The engine has to be asked first, and was not available."""
    UNREADABLE = "unreadable"
    UNKNOWN_OPERATION = "unknown_operation"
    """Its row does not exist, or not yet."""
    DELETED = "deleted"
    """Its row was deleted."""
    UNAUTHORIZED = "unauthorized"


class ReportOutcome(StrEnum):
    """The outcome of a workflow's report."""

    RECORDED = "recorded"
    IGNORED = "ignored"
    """It said nothing new."""
    UNKNOWN_OPERATION = "unknown_operation"
    FOREIGN = "foreign"
    """The run that sent it does not belong to the operation's chain."""


class AdoptionWay(StrEnum):
    """How an execution is adopted."""

    CALL = "call"
    """A client asks for it."""
    RULE = "rule"
    """The type has a watch rule."""
    REPORT = "report"
    """Its workflow, or the client that started it, reports."""


class Metrics(Protocol):
    """Counters of one process. No call raises, or takes noticeable time."""

    def dispatched(self, lag: timedelta) -> None:
        """The engine accepted an operation's start, `lag` after the operation was accepted."""

    def moved(self, source: Source, status: OperationStatus) -> None:
        """An operation took the status because of evidence from the channel."""

    def closed(self, source: Source, lag: timedelta) -> None:
        """An operation became final, `lag` after its execution closed."""

    def raised(self, kind: AttentionKind) -> None:
        """An operation began to need attention."""

    def callback(self, outcome: CallbackOutcome) -> None:
        """A completion callback was answered."""

    def reported(self, outcome: ReportOutcome) -> None:
        """A workflow's report was answered."""

    def caller_rejected(self, activity: str) -> None:
        """A foreign workflow called one of the ledger's internal activities."""

    def watermark_repaired(self) -> None:
        """The watermark of the engine's index was in the future, and was repaired."""

    def callbacks_refused(self, refused: bool) -> None:
        """Sets whether the engine refuses starts with completion callbacks."""

    def adopted(self, way: AdoptionWay, lag: timedelta) -> None:
        """An operation was created for an execution that exists, `lag` after the execution started."""

    def stray_start(self) -> None:
        """The attaching of a callback started an execution by accident, which was terminated at once."""

    def rule_refused(self, type_name: str) -> None:
        """The engine refuses the query of the type's watch rule."""

    def waiting(self, count: int) -> None:
        """Sets the number of open waits and streams."""

    def notified(self, lag: timedelta) -> None:
        """A change was handed to its subscribers, `lag` after it was made."""

    def resynced(self) -> None:
        """A stream ended because its subscriber reads too slowly."""

    def feed_held_back(self, seconds: float) -> None:
        """Sets for how long an open transaction has held the feed back; 0: none does."""

    def purged(self, count: int) -> None:
        """`count` operations were deleted after their retention."""

    def exported(self, count: int) -> None:
        """`count` operations were exported before their deletion."""

    def export_failed(self) -> None:
        """An export failed, so that nothing was deleted."""
