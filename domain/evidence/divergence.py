"""Divergence: answers of the engine that contradict a final operation.

Anyone with Temporal's own tools can reset a closed execution or start it again. Consumers have acted on the outcome
by then, so the outcome stays, and the operation gets the attention DIVERGED.
"""

from datetime import datetime, timedelta

from domain.evidence.observation import CLOSED, OPEN, ExecutionState, Observation
from domain.evidence.unreadable_result import has_unreadable_result, unreadable_message, with_unreadable_result
from domain.json_value import JsonValue
from domain.operation.acknowledging import problem_of, with_problem, without_problem
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import note
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_error import NEVER_STARTED, ErrorCode
from domain.operation.status import OperationStatus
from domain.operation.transition import Source

CODES = {
    ExecutionState.FAILED: ErrorCode.WORKFLOW_FAILED,
    ExecutionState.CANCELED: ErrorCode.CANCELED,
    ExecutionState.TERMINATED: ErrorCode.TERMINATED,
    ExecutionState.TIMED_OUT: ErrorCode.TIMED_OUT,
}
"""Error code of each unsuccessful close."""


def same_outcome(status: OperationStatus, code: ErrorCode | None, state: ExecutionState) -> bool:
    """Whether a close in that state agrees with the final status and error code."""
    if state is ExecutionState.COMPLETED:
        return status is OperationStatus.COMPLETED
    return status is OperationStatus.FAILED and CODES.get(state) is code


def diverge(
    operation: Operation, observation: Observation, now: datetime, report_grace: timedelta, source: Source
) -> Change | None:
    """Returns the change that an observation makes to a final operation; None if there is nothing new.

    The question has to be newer than the last change of the operation: otherwise the operation may contain the close
    after a reset, and the answer may describe the execution before the reset. A contradiction adds an event and the
    attention. A later close that agrees with the operation clears the attention.
    """
    message = contradiction(operation, observation)
    if message is None:
        return _agreed(operation, observation, now, source)
    problem = problem_of(operation)
    known = problem is not None and problem.message == message
    if known or _may_close_soon(operation, observation, report_grace):
        return None
    since = now if problem is None else problem.since
    diverged = with_problem(operation, Attention(AttentionKind.DIVERGED, since, message))
    return note(diverged, Cause(source, message, now, actor=observation.actor, details=_details(observation)))


def _may_close_soon(operation: Operation, observation: Observation, report_grace: timedelta) -> bool:
    """Whether the execution may be open because its report has ended the operation. The grace starts at the end of the
    operation, because later notes write the row again."""
    ended_at = operation.finished_at or operation.updated_at
    return bool(report_grace) and observation.state in OPEN and observation.asked_at - ended_at <= report_grace


def contradiction(operation: Operation, observation: Observation) -> str | None:
    """Message that says how the observation contradicts the final operation; None if they agree."""
    state = observation.state
    if state in OPEN:
        return f"the operation is {operation.status}, but its execution is running again"
    if state not in CLOSED or _cleaned_up(operation, state):
        return None
    code = operation.error.code if operation.error is not None else None
    if not same_outcome(operation.status, code, state):
        outcome = operation.status if code is None else f"{operation.status} with {code}"
        return f"the operation is {outcome}, but its execution closed as {state}"
    if state is ExecutionState.COMPLETED and not _same_result(operation, observation):
        return "the operation is COMPLETED, but its execution completed again with another result"
    return None


def _same_result(operation: Operation, observation: Observation) -> bool:
    unknown = observation.result_unreadable is not None or has_unreadable_result(operation)
    return unknown or observation.result == operation.result


def _cleaned_up(operation: Operation, state: ExecutionState) -> bool:
    """Whether the ledger itself ended the execution, which appeared after its operation was given up."""
    given_up = operation.started_at is None and operation.error is not None and operation.error.code in NEVER_STARTED
    return given_up and state in (ExecutionState.TERMINATED, ExecutionState.CANCELED)


def _agreed(operation: Operation, observation: Observation, now: datetime, source: Source) -> Change | None:
    problem = problem_of(operation)
    if problem is None or problem.kind is not AttentionKind.DIVERGED:
        return None
    if observation.state not in CLOSED:
        return None
    reason = "the execution closed again with the outcome of the operation"
    agreed = note(without_problem(operation), Cause(source, reason, now))
    missing = unreadable_message(observation) if operation.result is None or observation.result_altered else None
    return with_unreadable_result(agreed, missing, now)


def _details(observation: Observation) -> dict[str, JsonValue]:
    details: dict[str, JsonValue] = {"observed": observation.state.value}
    if observation.closed_at is not None:
        details["closed_at"] = observation.closed_at.isoformat()
    if observation.error is not None:
        details["message"] = observation.error.message
    return details
