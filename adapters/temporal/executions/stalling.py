"""In words, why an open execution does not get on: its workflow task fails or times out again and again."""

from typing import Any, Protocol

from temporalio.api.enums.v1 import EventType, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent, WorkflowTaskFailedEventAttributes

from adapters.temporal.payloads.failures import to_operation_error
from adapters.temporal.payloads.payloads import PayloadReader
from domain.json_value import clean_text

STALLED_ATTEMPT = 3
"""The attempt at the workflow task from which on it counts as stalled: two in a row have failed."""
MAX_MESSAGE_CHARS = 500
_UNSPECIFIC_CAUSES = frozenset(
    {
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNSPECIFIED,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
    }
)
"""Causes that say no more than that it failed."""


class _Names(Protocol):
    """One of the API's enumerations."""

    def Name(self, number: Any) -> str: ...


async def stalled_message(times: int, problem: HistoryEvent | None, reader: PayloadReader) -> str:
    """The words, bounded.

    Args:
        times: How often the task has failed or timed out in a row.
        problem: The first of these events, where the history still has it.
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
    said = [] if cause in _UNSPECIFIC_CAUSES else [_readable_name(WorkflowTaskFailedCause, cause)]
    if attributes.HasField("failure"):
        error = await to_operation_error(attributes.failure, reader)
        kind = str(error.details["type"])
        said.append(kind if error.message == kind else f"{kind}: {error.message}")
    return ": ".join(said) or "no word why"


def _readable_name(kind: _Names, number: int) -> str:
    try:
        name = kind.Name(number)
    except ValueError:
        return f"a reason numbered {number}"
    for prefix in ("WORKFLOW_TASK_FAILED_CAUSE_", "TIMEOUT_TYPE_"):
        name = name.removeprefix(prefix)
    return name.lower().replace("_", " ")
