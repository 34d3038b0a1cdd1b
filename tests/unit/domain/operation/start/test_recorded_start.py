"""The operation that a client records before it starts the workflow itself."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.evidence.observation import ExecutionState
from domain.evidence.reconciliation import NOT_STARTED, ReconcilePolicy, Verdict, reconcile
from domain.operation.follow_up import dispatched
from domain.operation.lifecycle import request_cancel
from domain.operation.operation import Operation
from domain.operation.operation_error import ErrorCode
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus
from tests.support.operations import T0, at, cause, observed, recorded

POLICY = ReconcilePolicy()
WITHIN = POLICY.client_start_within.total_seconds()
RESTART_WITHIN = POLICY.restart_within.total_seconds()


def missing(operation: Operation, seconds: float) -> tuple[Verdict, ErrorCode | None]:
    """Returns what becomes of the operation if the engine has no execution at that time."""
    decision = reconcile(operation, observed(ExecutionState.NOT_FOUND, seconds), at(seconds), POLICY)
    error = None if decision.change is None else decision.change.operation.error
    return decision.verdict, None if error is None else error.code


def test_it_is_accepted_and_never_due_for_the_dispatcher() -> None:
    """The client starts the workflow."""
    operation = recorded()
    assert (operation.origin, operation.status) == (Origin.CLIENT, OperationStatus.ACCEPTED)
    assert (operation.chain.workflow_id, operation.chain.first_run_id) == ("order-1", None)
    assert (operation.dispatch.due_at, operation.dispatch.done_at, operation.dispatch.attempts) == (None, T0, 1)
    assert operation.follow_up.due_at == at(10)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (WITHIN - 1, (Verdict.WAIT, None)),
        (WITHIN, (Verdict.TRANSITION, ErrorCode.START_REJECTED)),
        (RESTART_WITHIN - 1, (Verdict.TRANSITION, ErrorCode.START_REJECTED)),
        (RESTART_WITHIN, (Verdict.TRANSITION, ErrorCode.EXECUTION_LOST)),
    ],
)
def test_a_start_that_never_came(seconds: float, expected: tuple[Verdict, ErrorCode | None]) -> None:
    """The client crashed between recording and start. Long after, the engine may have deleted an execution that ran."""
    assert missing(recorded(), seconds) == expected


def test_a_start_that_never_came_leaves_one_line() -> None:
    """It never passes through RUNNING."""
    decision = reconcile(recorded(), observed(ExecutionState.NOT_FOUND, WITHIN), at(WITHIN), POLICY)
    assert decision.change is not None
    [line] = decision.change.transitions
    assert (line.from_status, line.to_status, line.reason) == (
        OperationStatus.ACCEPTED,
        OperationStatus.FAILED,
        NOT_STARTED,
    )
    assert decision.change.operation.started_at is None


def test_an_execution_that_was_seen_and_is_gone_is_lost() -> None:
    """The start is known to have happened."""
    known = replace(recorded(), first_run_id="first")
    assert missing(known, WITHIN) == (Verdict.TRANSITION, ErrorCode.EXECUTION_LOST)


def test_a_longer_grace_counts() -> None:
    """The engine may fail over while the client starts."""
    policy = ReconcilePolicy(grace=timedelta(minutes=10))
    decision = reconcile(recorded(), observed(ExecutionState.NOT_FOUND, WITHIN), at(WITHIN), policy)
    assert decision.verdict is Verdict.WAIT


def test_a_known_start_is_noted_without_a_line() -> None:
    """The client names the run, and the engine calls back."""
    change = dispatched(recorded(), follow_up_at=at(20), now=at(1), first_run_id="first", calls_back=True)
    assert change.transitions == ()
    assert (change.operation.first_run_id, change.operation.dispatch.calls_back) == ("first", True)
    assert change.operation.follow_up == recorded().follow_up


def test_a_cancellation_request_waits_for_the_execution() -> None:
    """The ledger cannot know whether the client has started it."""
    operation = request_cancel(recorded(), reason=None, force=False, cause=cause(3)).operation
    assert operation.status is OperationStatus.ACCEPTED
    assert operation.follow_up.due_at == at(3)
