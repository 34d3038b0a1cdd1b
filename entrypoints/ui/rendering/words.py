"""Words for what the ledger stores: attention, errors, sources."""

from collections.abc import Mapping
from typing import Final

from application.ports.storage.operation_queries import AtLeast
from domain.bulk.target import TargetCode
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import ErrorCode
from domain.operation.origin import Origin
from domain.operation.transition import Source

ATTENTION: Final[Mapping[AttentionKind, str]] = {
    AttentionKind.DISPATCH_RETRYING: "Start fails",
    AttentionKind.STALLED: "Stalled",
    AttentionKind.NO_WORKER: "No worker",
    AttentionKind.ACTIVITY_RETRYING: "Activity retrying",
    AttentionKind.RESULT_UNREADABLE: "Result unreadable",
    AttentionKind.DIVERGED: "Diverged",
}
ATTENTION_NEXT: Final[Mapping[AttentionKind, str]] = {
    AttentionKind.DISPATCH_RETRYING: "The ledger keeps trying to start the workflow. Check that Temporal is reachable.",
    AttentionKind.STALLED: "The workflow task keeps failing. Look at the stack trace in Temporal, and at the worker's "
    "last deployment.",
    AttentionKind.NO_WORKER: "Start a worker that polls the task queue of the workflow.",
    AttentionKind.ACTIVITY_RETRYING: "Temporal repeats the activity. Remove the cause, or cancel the operation.",
    AttentionKind.RESULT_UNREADABLE: "The operation is complete. Read its result in Temporal.",
    AttentionKind.DIVERGED: "The status here stays as it is. See in Temporal what the workflow does, then acknowledge.",
}
ERROR: Final[Mapping[ErrorCode, str]] = {
    ErrorCode.WORKFLOW_FAILED: "The workflow failed.",
    ErrorCode.CANCELED: "The operation was cancelled.",
    ErrorCode.TERMINATED: "The workflow was terminated from outside, without cleaning up.",
    ErrorCode.TIMED_OUT: "The workflow did not end within its timeout.",
    ErrorCode.START_REJECTED: "No workflow was started.",
    ErrorCode.EXECUTION_LOST: "Temporal does not know the execution any more. Its outcome is unknown.",
}
ERROR_NEXT: Final[Mapping[ErrorCode, str]] = {
    ErrorCode.WORKFLOW_FAILED: "Remove the cause, then retry.",
    ErrorCode.CANCELED: "To run it after all, retry.",
    ErrorCode.TERMINATED: "Check what the workflow left behind, then retry.",
    ErrorCode.TIMED_OUT: "Check whether workers run, and how far the workflow came, then retry.",
    ErrorCode.START_REJECTED: "Correct the input or the type, then retry.",
    ErrorCode.EXECUTION_LOST: "Check what the workflow did before you retry.",
}
SOURCE: Final[Mapping[Source, str]] = {
    Source.CLIENT: "a client's request",
    Source.DISPATCHER: "the dispatcher",
    Source.WORKFLOW: "a report of the workflow",
    Source.CALLBACK: "Temporal's completion callback",
    Source.CONFIRMATION: "Temporal's answer when the ledger asked for the outcome",
    Source.RECONCILIATION: "Temporal's answer to reconciliation",
    Source.VERIFICATION: "Temporal's answer to the periodic check",
    Source.ADOPTION: "the execution that the ledger found in Temporal",
}
ORIGIN: Final[Mapping[Origin, str]] = {
    Origin.LEDGER: "started by the ledger",
    Origin.CLIENT: "started by a client with the plugin",
    Origin.ADOPTED: "adopted: the ledger found it in Temporal",
}

TARGET: Final[Mapping[TargetCode, str]] = {
    TargetCode.NOT_FOUND: "It was deleted",
    TargetCode.ALREADY_DONE: "It was done already",
    TargetCode.NOT_DONE: "It is no longer done",
    TargetCode.ALREADY_RETRIED: "It was retried already, with other values",
    TargetCode.NO_ATTENTION: "It needs no attention any more",
    TargetCode.REFUSED: "It was refused",
}


def short_id(text: object) -> str:
    """The start of an id, which tells its time, and its end, which tells it from those of the same time."""
    whole = str(text)
    return whole if len(whole) <= 16 else f"{whole[:8]}…{whole[-4:]}"


def at_least(number: AtLeast) -> str:
    """The number, such as "7" or "100+"."""
    return f"{number.number:,}{'+' if number.more else ''}"


def percent(fraction: float) -> str:
    """A fraction in percent, without decimals; never 100 before it is whole."""
    return f"{min(int(fraction * 100), 99) if fraction < 1 else 100} %"


def clip(text: str, limit: int) -> str:
    """The text, cut to the limit."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
