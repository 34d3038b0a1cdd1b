"""Operations in every state, for tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.evidence.observation import UNSUCCESSFUL, ExecutionState, Observation
from domain.operation.follow_up import dispatched
from domain.operation.lifecycle import complete, fail, request_cancel, start
from domain.operation.operation import Cause, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.operation_id import adopted_id
from domain.operation.report import Progress, Report, ReportKind
from domain.operation.start.creation import accept, adopt, record_start
from domain.operation.transition import Source

T0 = datetime(2026, 1, 1, 12, tzinfo=UTC)
ID = UUID("019a0000-0000-7000-8000-000000000001")


def at(seconds: float) -> datetime:
    """T0 and some seconds."""
    return T0 + timedelta(seconds=seconds)


def cause(seconds: float = 0, source: Source = Source.CLIENT) -> Cause:
    """A cause at that time."""
    return Cause(source, "for a test", at(seconds))


def accepted(**fields: object) -> Operation:
    """Accepted at T0, not dispatched."""
    operation = accept(
        ID, tenant="default", type_name="deploy", value={"machine": "m1"}, labels={}, cause=cause()
    ).operation
    return replace(operation, **fields)  # type: ignore[arg-type]


def adopted() -> Operation:
    """Started by another client at T0-5, adopted at T0."""
    return adopt(
        adopted_id("default", "order-1", "first"),
        tenant="default",
        type_name="order",
        value=None,
        labels={},
        workflow_id="order-1",
        first_run_id="first",
        started_at=at(-5),
        follow_up_at=at(2),
        cause=cause(source=Source.ADOPTION),
    ).operation


def recorded() -> Operation:
    """Recorded at T0; its client starts the workflow."""
    return record_start(
        ID,
        tenant="default",
        type_name="order",
        value=None,
        labels={},
        workflow_id="order-1",
        follow_up_at=at(10),
        cause=cause(),
    ).operation


def dispatched_at(seconds: float = 1) -> Operation:
    """Accepted at T0, and taken by the engine later."""
    return dispatched(claimed(), follow_up_at=at(seconds + 2), now=at(seconds)).operation


def claimed() -> Operation:
    """Accepted at T0; a dispatcher is at it."""
    operation = accepted()
    return replace(operation, dispatch=replace(operation.dispatch, attempts=1, due_at=at(31)))


def running() -> Operation:
    """Dispatched at T0+1, running since T0+2."""
    return start(dispatched_at(), cause(2)).operation


def completed() -> Operation:
    """Completed at T0+3."""
    return complete(running(), {"done": 1}, cause(3)).operation


def failed() -> Operation:
    """Failed at T0+3."""
    return fail(running(), OperationError(ErrorCode.WORKFLOW_FAILED, "boom"), cause(3)).operation


def cancelled_unstarted() -> Operation:
    """Cancelled at T0+3, before anybody had tried to start it."""
    return request_cancel(accepted(), reason=None, force=False, cause=cause(3)).operation


def observed(state: ExecutionState, seconds: float = 10) -> Observation:
    """The engine's word at that time."""
    codes = {ExecutionState.FAILED: ErrorCode.WORKFLOW_FAILED}
    error = None
    if state in UNSUCCESSFUL:
        error = OperationError(codes.get(state) or ErrorCode(state.value), "why")
    closed = state in UNSUCCESSFUL or state is ExecutionState.COMPLETED
    return Observation(
        state=state,
        asked_at=at(seconds),
        started_at=at(2),
        closed_at=at(9) if closed else None,
        result={"done": 1} if state is ExecutionState.COMPLETED else None,
        error=error,
        actor="somebody" if closed else None,
    )


def reported(kind: ReportKind, seconds: float = 5, **fields: object) -> Report:
    """The workflow's word at that time."""
    error = OperationError(ErrorCode.WORKFLOW_FAILED, "as reported") if kind is ReportKind.FAILED else None
    return Report(kind=kind, at=at(seconds), error=error, **fields)  # type: ignore[arg-type]


def stated(progress: Progress | None) -> tuple[float | None, str | None] | None:
    """Fraction and message."""
    return None if progress is None else (progress.fraction, progress.message)
