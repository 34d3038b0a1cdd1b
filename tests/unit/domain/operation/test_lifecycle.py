"""The state machine: allowed and refused transitions, and invariants over any sequence of changes (Hypothesis)."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidTransition, OperationAlreadyDone, OpledgerError
from domain.evidence.finality import Finality
from domain.evidence.observation import ExecutionState, Observation
from domain.evidence.reconciliation import ReconcilePolicy, reconcile
from domain.evidence.reporting import apply_report
from domain.operation.follow_up import cancel_delivered, dispatched, start_again, start_failed
from domain.operation.lifecycle import complete, fail, request_cancel, start
from domain.operation.operation import Change, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress, ReportKind, Step, StepState
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition
from tests.support.operations import (
    accepted,
    adopted,
    at,
    cause,
    claimed,
    completed,
    dispatched_at,
    failed,
    observed,
    reported,
    running,
)

S = OperationStatus
ALLOWED = {(S.ACCEPTED, S.RUNNING), (S.ACCEPTED, S.FAILED), (S.RUNNING, S.COMPLETED), (S.RUNNING, S.FAILED)}


@pytest.mark.parametrize("before", list(S))
@pytest.mark.parametrize("after", list(S))
def test_the_state_machine_has_exactly_these_moves(before: OperationStatus, after: OperationStatus) -> None:
    """P2: exactly the documented transitions."""
    assert before.may_become(after) == ((before, after) in ALLOWED)


@pytest.mark.parametrize("operation", [completed(), failed()], ids=["completed", "failed"])
def test_final_operation_never_changes_status(operation: Operation) -> None:
    """P2: COMPLETED and FAILED never change."""
    with pytest.raises(InvalidTransition):
        start(operation, cause(9))
    with pytest.raises(InvalidTransition):
        complete(operation, 1, cause(9))
    with pytest.raises(InvalidTransition):
        fail(operation, OperationError(ErrorCode.TERMINATED, "x"), cause(9))
    with pytest.raises(OperationAlreadyDone):
        request_cancel(operation, reason=None, force=False, cause=cause(9))


STEP = Step("a", StepState.RUNNING, at(3), at(4), 0.5)


COMPLETIONS: dict[str, Callable[[Operation], Change | None]] = {
    "by the workflow's report": lambda operation: apply_report(
        operation, reported(ReportKind.COMPLETED), Finality.WORKFLOW, at(6)
    ),
    "by the engine": lambda operation: (
        reconcile(operation, observed(ExecutionState.COMPLETED), at(11), ReconcilePolicy()).change
    ),
    "by the kept report of a lost execution": lambda operation: (
        reconcile(
            replace(operation, reported=reported(ReportKind.COMPLETED)),
            observed(ExecutionState.NOT_FOUND, 100),
            at(101),
            ReconcilePolicy(),
        ).change
    ),
}


@pytest.mark.parametrize("way", COMPLETIONS)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Progress(0.67, "copying"), Progress(1.0, "copying")),
        (Progress(0.0), Progress(1.0)),
        (Progress(None, "copying"), Progress(1.0, "copying")),
        (Progress(1.0, "done"), Progress(1.0, "done")),
        (None, None),
    ],
    ids=str,
)
def test_completed_operation_has_full_progress(way: str, before: Progress | None, after: Progress | None) -> None:
    """The fraction becomes 1.0 and the message stays, whatever channel brings the completion. An operation that never
    reported progress has none."""
    change = COMPLETIONS[way](replace(running(), progress=before))
    assert change is not None
    assert (change.operation.status, change.operation.progress) == (S.COMPLETED, after)


@pytest.mark.parametrize("way", COMPLETIONS)
def test_completed_operation_has_no_running_step(way: str) -> None:
    """They end with the operation."""
    change = COMPLETIONS[way](replace(running(), progress=Progress(steps=(STEP,))))
    assert change is not None
    assert change.operation.progress is not None
    [step] = change.operation.progress.steps
    assert (step.state, step.finished_at) == (StepState.COMPLETED, change.operation.finished_at)
    assert (change.operation.progress.fraction, step.fraction) == (1.0, 1.0)


def test_failed_operation_keeps_its_progress() -> None:
    """It shows how far the workflow got, and which step has failed."""
    progress = Progress(0.67, "copying", (STEP, replace(STEP, name="b", state=StepState.COMPLETED)))
    change = fail(replace(running(), progress=progress), OperationError(ErrorCode.TERMINATED, "x"), cause(9))
    failed = replace(STEP, state=StepState.FAILED, updated_at=at(9))
    assert change.operation.progress == replace(progress, steps=(failed, progress.steps[1]))


@pytest.mark.parametrize("code", list(ErrorCode))
def test_accepted_fails_only_with_codes_that_need_no_worker(code: ErrorCode) -> None:
    """Given up before the start, or closed before a worker picked it up. Every other failure passes through RUNNING."""
    error = OperationError(code, "x")
    if code in (ErrorCode.CANCELED, ErrorCode.START_REJECTED, ErrorCode.TERMINATED, ErrorCode.TIMED_OUT):
        assert fail(accepted(), error, cause(1)).operation.status is S.FAILED
    else:
        with pytest.raises(InvalidTransition):
            fail(accepted(), error, cause(1))


def test_cancel_before_any_dispatch_ends_it_at_once() -> None:
    """No start was attempted, so the engine needs no cancellation request."""
    change = request_cancel(accepted(), reason="no longer wanted", force=False, cause=cause(1))
    assert change.operation.error == OperationError(ErrorCode.CANCELED, "no longer wanted", {"actor": None})
    assert [line.to_status for line in change.transitions] == [S.ACCEPTED, S.FAILED]
    assert change.operation.dispatch.due_at is None
    assert change.operation.cancel_request is not None
    assert change.operation.cancel_request.delivered_at is None


def test_cancel_after_a_dispatch_attempt_waits_for_the_engine() -> None:
    """Hazard 3: an attempt whose reply is lost may have started the workflow, so the row must not become FAILED yet."""
    change = request_cancel(claimed(), reason=None, force=False, cause=cause(1))
    assert change.operation.status is S.ACCEPTED
    after = dispatched(change.operation, follow_up_at=at(60), now=at(2)).operation
    assert after.follow_up.due_at == at(2)


def test_repeated_cancel_is_a_no_op_and_force_is_not_a_repeat() -> None:
    """A repeated request changes nothing; `force` is a new request, which terminates."""
    once = request_cancel(running(), reason="a", force=False, cause=cause(3)).operation
    assert request_cancel(once, reason="b", force=False, cause=cause(4)).operation == once
    forced = request_cancel(once, reason="b", force=True, cause=cause(4)).operation
    assert forced.cancel_request is not None
    assert forced.cancel_request.force
    assert request_cancel(forced, reason="c", force=False, cause=cause(5)).operation == forced


@pytest.mark.parametrize(
    ("code", "force", "delivered"),
    [
        (ErrorCode.CANCELED, False, True),
        (ErrorCode.TERMINATED, True, True),
        (ErrorCode.TERMINATED, False, False),
        (ErrorCode.WORKFLOW_FAILED, False, False),
    ],
)
def test_requested_end_proves_the_delivery_of_the_request(code: ErrorCode, force: bool, delivered: bool) -> None:
    """The end can be recorded before the delivery, and the delivery cannot be recorded on a final row."""
    asked = request_cancel(running(), reason=None, force=force, cause=cause(3)).operation
    request = fail(asked, OperationError(code, "x"), cause(4), at=at(3)).operation.cancel_request
    assert request is not None
    assert request.delivered_at == (at(4) if delivered else None)


def test_recorded_delivery_keeps_its_time() -> None:
    """The later end does not change it."""
    asked = request_cancel(running(), reason=None, force=False, cause=cause(3)).operation
    noted = cancel_delivered(asked, follow_up_at=at(9), now=at(4)).operation
    ended = fail(noted, OperationError(ErrorCode.CANCELED, "x"), cause(5)).operation
    assert ended.cancel_request == noted.cancel_request


def test_started_operation_needs_no_dispatch() -> None:
    """Hazard 3: the workflow's own report proves the start whose reply was lost."""
    change = apply_report(claimed(), reported(ReportKind.STARTED), Finality.ENGINE, at(2))
    assert change is not None
    assert change.operation.dispatch.due_at is None
    assert change.operation.dispatch.done_at is not None


def test_text_that_postgresql_refuses_is_cleaned() -> None:
    """A NUL or a lone surrogate in an error message must not make every write fail (hazard 12)."""
    error = OperationError(ErrorCode.WORKFLOW_FAILED, "a\x00b\ud800c" + "x" * 20_000)
    assert "\x00" not in error.message
    assert error.message.encode()
    assert len(error.message) == 10_000


seconds = st.floats(-5, 2000, allow_nan=False)
observations = st.builds(observed, st.sampled_from(ExecutionState), seconds)
reports = st.builds(
    reported, st.sampled_from(ReportKind), seconds, attempt=st.integers(1, 3), provisional=st.booleans()
)
moves = st.one_of(
    st.tuples(st.just("observe"), observations, seconds),
    st.tuples(st.just("report"), reports, seconds),
    st.tuples(st.sampled_from(["cancel", "force", "dispatched", "retry", "delivered"]), st.none(), seconds),
)


def apply(operation: Operation, name: str, evidence: object, now: float, finality: Finality) -> Change | None:
    match name:
        case "observe":
            assert isinstance(evidence, Observation)
            return reconcile(operation, evidence, at(now), ReconcilePolicy()).change
        case "report":
            return apply_report(operation, evidence, finality, at(now))  # type: ignore[arg-type]
        case "cancel" | "force":
            return request_cancel(operation, reason="r", force=name == "force", cause=cause(now))
        case "dispatched":
            return dispatched(operation, follow_up_at=at(now + 1), now=at(now))
        case "delivered":
            return cancel_delivered(operation, follow_up_at=at(now + 1), now=at(now))
        case _ if operation.status is S.ACCEPTED and operation.dispatch.done_at is None:
            return start_failed(operation, "unavailable", cause(now), retry_at=at(now + 1))
    return None


@given(st.lists(moves, max_size=25), st.sampled_from(Finality), st.sampled_from([accepted(), claimed(), adopted()]))
def test_over_any_evidence_status_only_moves_along_the_machine(
    sequence: list[tuple[str, object, float]], finality: Finality, operation: Operation
) -> None:
    """P2 and P6: only allowed transitions, a history without gaps, each line starts at the status of the one before,
    times in order, and a final operation stays final."""
    history: list[Transition] = []
    first = operation
    for name, evidence, now in sequence:
        try:
            change = apply(operation, name, evidence, now, finality)
        except OpledgerError:
            assert operation.done
            continue
        if change is None:
            continue
        assert not operation.done or _outcome(change.operation) == _outcome(operation)
        operation, history = change.operation, [*history, *change.transitions]
    assert [line.sequence for line in history] == list(range(2, len(history) + 2))
    for before, after in zip([first.status, *[line.to_status for line in history]], history, strict=False):
        assert after.from_status is before
        assert before is after.to_status or (before, after.to_status) in ALLOWED
    assert (operation.error is not None) == (operation.status is S.FAILED)
    assert (operation.finished_at is not None) == operation.done
    assert operation.started_at is None or operation.accepted_at <= operation.started_at
    assert operation.finished_at is None or (operation.started_at or operation.accepted_at) <= operation.finished_at
    assert not operation.done or (operation.dispatch.due_at is None and operation.follow_up.due_at is None)
    open_in_the_engine = operation.dispatch.done_at is not None and not operation.done
    assert (operation.verification.due_at is not None) == open_in_the_engine


def _outcome(operation: Operation) -> tuple[object, ...]:
    return operation.status, operation.result, operation.error, operation.started_at, operation.finished_at


def test_start_again_keeps_the_number_of_attempts() -> None:
    """So that after a later permanent refusal the dispatcher checks for an execution from an earlier attempt."""
    assert start_again(dispatched_at(1), cause(9)).operation.dispatch.attempts == 1
