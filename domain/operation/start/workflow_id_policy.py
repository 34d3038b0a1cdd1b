"""Policies for a workflow id that was used before."""

from enum import StrEnum


class OnRunning(StrEnum):
    """Whether a workflow id may be used while an operation or execution with it is open."""

    REJECT = "reject"
    """The submission is refused."""
    USE_EXISTING = "use_existing"
    """The submission returns the open operation."""
    TERMINATE = "terminate"
    """The open operation is terminated, and the new one takes its workflow id."""


class OnClosed(StrEnum):
    """Whether a workflow id may be used again after its execution has closed. The names are those of Temporal's reuse
    policy."""

    ALLOW = "allow"
    ALLOW_FAILED = "allow_failed"
    """Unless the last execution completed."""
    REJECT = "reject"
