"""Message for an open execution whose workflow task keeps failing or timing out."""

from typing import Any, Protocol

from temporalio.api.enums.v1 import EventType, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent, WorkflowTaskFailedEventAttributes

from adapters.temporal.payloads.failures import to_operation_error
from adapters.temporal.payloads.payloads import PayloadReader
from domain.json_value import clean_text

STALLED_ATTEMPT = 3
"""Attempt of the workflow task from which an execution counts as stalled: two attempts in a row have failed."""
MAX_MESSAGE_CHARS = 500
_UNSPECIFIC_CAUSES = frozenset(
    {
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNSPECIFIED,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
    }
)
"""Causes that only say that the task failed."""


class _Names(Protocol):
    """One of the API's enumerations."""

    def Name(self, number: Any) -> str: ...  # noqa: N802


async def stalled_message(times: int, problem: HistoryEvent | None, reader: PayloadReader) -> str:
    """The message, at most MAX_MESSAGE_CHARS characters.

    Args:
        times: Number of failures or timeouts in a row.
            problem: The first of these events; None if the history does not contain it.
    """
    if problem is None:
        return f"its workflow task has failed or timed out {times} times"
    if problem.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
        number = problem.workflow_task_timed_out_event_attributes.timeout_type
        return f"its workflow task has timed out {times} times, first {_readable_name(TimeoutType, number)}"
    why = await _why(problem.workflow_task_failed_event_attributes, reader)
    return clean_text(f"its workflow task has failed {times} times, first with {why}", MAX_MESSAGE_CHARS)


async def _why(attributes: WorkflowTaskFailedEventAttributes, reader: PayloadReader) -> str:
    cause = attributes.cause
    parts = [] if cause in _UNSPECIFIC_CAUSES else [_readable_name(WorkflowTaskFailedCause, cause)]
    if attributes.HasField("failure"):
        error = await to_operation_error(attributes.failure, reader)
        kind = str(error.details["type"])
        parts.append(kind if error.message == kind else f"{kind}: {error.message}")
    return ": ".join(parts) or "no stated cause"


def _readable_name(kind: _Names, number: int) -> str:
    try:
        name = kind.Name(number)
    except ValueError:
        return f"unknown cause {number}"
    for prefix in ("WORKFLOW_TASK_FAILED_CAUSE_", "TIMEOUT_TYPE_"):
        name = name.removeprefix(prefix)
    return name.lower().replace("_", " ")
