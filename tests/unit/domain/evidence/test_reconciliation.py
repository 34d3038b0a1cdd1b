"""The reconciliation rule: a table of all (status, observation) pairs, then times and messages."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.evidence.finality import Finality
from domain.evidence.observation import WITHOUT_WORKER, ExecutionState, Observation
from domain.evidence.reconciliation import ReconcilePolicy, Verdict, reconcile
from domain.evidence.reporting import apply_report
from domain.operation.operation import Operation
from domain.operation.operation_error import ErrorCode
from domain.operation.report import ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.operations import (
    accepted,
    adopted,
    at,
    cancelled_unstarted,
    claimed,
    completed,
    dispatched_at,
    failed,
    observed,
    recorded,
    reported,
    running,
)

POLICY = ReconcilePolicy(grace=timedelta(seconds=5), restart_within=timedelta(minutes=10))
S = ExecutionState
NONE, WAIT, AGAIN, APART = Verdict.NO_CHANGE, Verdict.WAIT, Verdict.START_AGAIN, Verdict.DIVERGED
R, C = OperationStatus.RUNNING, OperationStatus.COMPLETED
START, DONE = [R], [R, C]


def ends(code: ErrorCode, *, ran: bool = False) -> tuple[bool, ErrorCode]:
    """FAILED with the code; through RUNNING first, unless it was already RUNNING."""
    return (not ran, code)


E = ErrorCode
TABLE: Mapping[str, Mapping[ExecutionState, Any]] = {
    # No start was attempted, but the engine's answer is still the truth.
    "accepted": {
        S.PENDING: NONE, S.RUNNING: START, S.COMPLETED: DONE, S.FAILED: ends(E.WORKFLOW_FAILED),
        S.CANCELED: ends(E.CANCELED), S.TERMINATED: ends(E.TERMINATED), S.TIMED_OUT: ends(E.TIMED_OUT),
        S.NOT_FOUND: NONE, S.UNKNOWN: NONE,
    },
    # A dispatcher works on it, or crashed: the dispatcher's lease decides, not reconciliation.
    "claimed": {
        S.PENDING: NONE, S.RUNNING: START, S.COMPLETED: DONE, S.FAILED: ends(E.WORKFLOW_FAILED),
        S.CANCELED: ends(E.CANCELED), S.TERMINATED: ends(E.TERMINATED), S.TIMED_OUT: ends(E.TIMED_OUT),
        S.NOT_FOUND: NONE, S.UNKNOWN: NONE,
    },
    "dispatched": {
        S.PENDING: NONE, S.RUNNING: START, S.COMPLETED: DONE, S.FAILED: ends(E.WORKFLOW_FAILED),
        S.CANCELED: ends(E.CANCELED), S.TERMINATED: ends(E.TERMINATED), S.TIMED_OUT: ends(E.TIMED_OUT),
        S.NOT_FOUND: AGAIN, S.UNKNOWN: NONE,
    },
    # The ledger never starts what another client started.
    "adopted": {
        S.PENDING: NONE, S.RUNNING: START, S.COMPLETED: DONE, S.FAILED: ends(E.WORKFLOW_FAILED),
        S.CANCELED: ends(E.CANCELED), S.TERMINATED: ends(E.TERMINATED), S.TIMED_OUT: ends(E.TIMED_OUT),
        S.NOT_FOUND: ends(E.EXECUTION_LOST), S.UNKNOWN: NONE,
    },
    # The client may still start it.
    "recorded": {
        S.PENDING: NONE, S.RUNNING: START, S.COMPLETED: DONE, S.FAILED: ends(E.WORKFLOW_FAILED),
        S.CANCELED: ends(E.CANCELED), S.TERMINATED: ends(E.TERMINATED), S.TIMED_OUT: ends(E.TIMED_OUT),
        S.NOT_FOUND: WAIT, S.UNKNOWN: NONE,
    },
    "just dispatched": {
        S.PENDING: NONE, S.RUNNING: START, S.COMPLETED: DONE, S.FAILED: ends(E.WORKFLOW_FAILED),
        S.CANCELED: ends(E.CANCELED), S.TERMINATED: ends(E.TERMINATED), S.TIMED_OUT: ends(E.TIMED_OUT),
        S.NOT_FOUND: WAIT, S.UNKNOWN: NONE,
    },
    "running": {
        S.PENDING: NONE, S.RUNNING: NONE, S.COMPLETED: [C], S.FAILED: ends(E.WORKFLOW_FAILED, ran=True),
        S.CANCELED: ends(E.CANCELED, ran=True), S.TERMINATED: ends(E.TERMINATED, ran=True),
        S.TIMED_OUT: ends(E.TIMED_OUT, ran=True), S.NOT_FOUND: ends(E.EXECUTION_LOST, ran=True), S.UNKNOWN: NONE,
    },
    # Final: the outcome stands, and a contradiction is reported.
    "completed": {
        S.PENDING: APART, S.RUNNING: APART, S.COMPLETED: NONE, S.FAILED: APART, S.CANCELED: APART,
        S.TERMINATED: APART, S.TIMED_OUT: APART, S.NOT_FOUND: NONE, S.UNKNOWN: NONE,
    },
    "failed": {
        S.PENDING: APART, S.RUNNING: APART, S.COMPLETED: APART, S.FAILED: NONE, S.CANCELED: APART,
        S.TERMINATED: APART, S.TIMED_OUT: APART, S.NOT_FOUND: NONE, S.UNKNOWN: NONE,
    },
    "cancelled before its start": {
        S.PENDING: APART, S.RUNNING: APART, S.COMPLETED: APART, S.FAILED: APART, S.CANCELED: NONE,
        S.TERMINATED: NONE, S.TIMED_OUT: APART, S.NOT_FOUND: NONE, S.UNKNOWN: NONE,
    },
}  # fmt: skip
OPERATIONS = {
    "accepted": accepted(),
    "claimed": claimed(),
    "dispatched": dispatched_at(1),
    "adopted": adopted(),
    "recorded": recorded(),
    "just dispatched": dispatched_at(8),
    "running": running(),
    "completed": completed(),
    "failed": failed(),
    "cancelled before its start": cancelled_unstarted(),
}
CASES = [(name, state, expected) for name, row in TABLE.items() for state, expected in row.items()]


def decide(
    operation: Operation, observation: Observation, seconds: float = 11
) -> tuple[Verdict, Operation, list[object]]:
    decision = reconcile(operation, observation, at(seconds), POLICY)
    if decision.change is None:
        return decision.verdict, operation, []
    return decision.verdict, decision.change.operation, [line.to_status for line in decision.change.transitions]


@pytest.mark.parametrize(("name", "state", "expected"), CASES, ids=[f"{n}-{s}" for n, s, _ in CASES])
def test_every_pair_of_status_and_observation_has_its_decision(
    name: str, state: ExecutionState, expected: object
) -> None:
    """`reconcile` decides between no change, transition, start again, and wait."""
    verdict, after, path = decide(OPERATIONS[name], observed(state))
    if isinstance(expected, Verdict):
        assert verdict is expected
        assert after.status is OPERATIONS[name].status
        assert path == ([after.status] if expected in (AGAIN, APART) else [])
        assert (after.attention is not None) == (expected is APART)
    elif isinstance(expected, tuple):
        through_running, code = expected
        assert path == ([R] if through_running else []) + [OperationStatus.FAILED]
        assert after.error is not None
        assert after.error.code is code
    else:
        assert verdict is Verdict.TRANSITION
        assert path == expected


def test_table_has_every_pair() -> None:
    """So that a new state cannot be forgotten (hazard 18)."""
    assert all(set(row) == set(ExecutionState) for row in TABLE.values())


@pytest.mark.parametrize("state", sorted(WITHOUT_WORKER))
@pytest.mark.parametrize("name", ["accepted", "claimed", "dispatched", "just dispatched"])
def test_close_before_any_worker_picked_it_up_never_passes_through_running(name: str, state: ExecutionState) -> None:
    """ACCEPTED to FAILED in one history line, without `started_at`."""
    decision = reconcile(OPERATIONS[name], replace(observed(state), never_picked_up=True), at(11), POLICY)
    assert decision.change is not None
    row, [line] = decision.change.operation, decision.change.transitions
    assert (line.from_status, line.to_status) == (OperationStatus.ACCEPTED, OperationStatus.FAILED)
    assert line.reason == f"the execution closed before a worker picked it up: {state}"
    assert row.error == observed(state).error
    assert (row.started_at, row.finished_at, row.attention) == (None, at(9), None)
    assert (row.dispatch.due_at, row.follow_up.due_at, row.verification.due_at) == (None, None, None)


def test_running_operation_stays_started_if_the_history_shows_no_worker() -> None:
    """A report said that it is running, and status never goes back."""
    _, after, path = decide(running(), replace(observed(S.TERMINATED), never_picked_up=True))
    assert path == [OperationStatus.FAILED]
    assert after.started_at is not None


@pytest.mark.parametrize("state", sorted(set(S) - WITHOUT_WORKER))
def test_only_a_close_without_a_worker_can_be_never_picked_up(state: ExecutionState) -> None:
    """An execution that completed, failed or is running was picked up by definition."""
    with pytest.raises(ValueError, match="was picked up by a worker"):
        replace(observed(state), never_picked_up=True)


@pytest.mark.parametrize("state", sorted(WITHOUT_WORKER))
def test_a_final_operation_that_never_ran_agrees_with_its_own_close(state: ExecutionState) -> None:
    """A repeat of the close is no divergence; a new run is one."""
    _, row, _ = decide(dispatched_at(1), replace(observed(state), never_picked_up=True))
    again = replace(observed(state, seconds=20), never_picked_up=True)
    assert decide(row, again, 21)[0] is NONE
    assert decide(row, observed(S.RUNNING, seconds=60), 61)[0] is APART
    for other in WITHOUT_WORKER - {state}:
        expected = NONE if state is S.CANCELED and other is S.TERMINATED else APART
        assert decide(row, observed(other, seconds=60), 61)[0] is expected


def test_an_operation_first_seen_completed_passes_through_running() -> None:
    """Both history lines are in one change, in order and without a gap, with the engine's times."""
    decision = reconcile(dispatched_at(1), observed(S.COMPLETED), at(11), POLICY)
    assert decision.change is not None
    operation = decision.change.operation
    assert [line.sequence for line in decision.change.transitions] == [2, 3]
    assert operation.result == {"done": 1}
    assert (operation.started_at, operation.finished_at) == (at(2), at(9))
    assert decision.change.transitions[-1].actor == "somebody"


def test_answer_older_than_the_last_dispatch_changes_nothing() -> None:
    """Hazard 23: the time of the question counts, not the time at which the answer is recorded."""
    redispatched = dispatched_at(10)
    verdict, after, _ = decide(redispatched, observed(S.NOT_FOUND, seconds=4), seconds=300)
    assert (verdict, after) == (WAIT, redispatched)


def test_a_long_lost_start_is_not_started_again() -> None:
    """After the retention time a missing execution may have run: the operation fails instead of running twice."""
    verdict, after, path = decide(dispatched_at(1), observed(S.NOT_FOUND, seconds=3000), seconds=3001)
    assert verdict is Verdict.TRANSITION
    assert path == [R, OperationStatus.FAILED]
    assert after.error is not None
    assert after.error.code is E.EXECUTION_LOST


def test_start_again_makes_it_due_at_once() -> None:
    """Hazard 2: an execution that the engine lost before it ran is dispatched again."""
    _, after, _ = decide(dispatched_at(1), observed(S.NOT_FOUND))
    assert after.dispatch.due_at == at(11)
    assert after.dispatch.done_at is None
    assert after.dispatch.attempts == 1


def test_a_reported_outcome_stands_when_the_engine_has_forgotten_the_execution() -> None:
    """The execution was deleted before the ledger asked: the stored report is the best evidence."""
    change = apply_report(running(), reported(ReportKind.COMPLETED, result=[0]), Finality.ENGINE, at(5))
    assert change is not None
    _, after, _ = decide(change.operation, observed(S.NOT_FOUND, seconds=100), seconds=101)
    assert (after.status, after.result, after.reported) == (C, [0], None)


def test_the_observation_wins_over_the_report_and_the_history_says_so() -> None:
    """Hazard 16: reported as completed, then terminated: FAILED with TERMINATED, and the report is in the history."""
    change = apply_report(running(), reported(ReportKind.COMPLETED, result=1), Finality.ENGINE, at(5))
    assert change is not None
    decision = reconcile(change.operation, observed(S.TERMINATED), at(11), POLICY, Source.CONFIRMATION)
    assert decision.change is not None
    assert decision.change.operation.error is not None
    assert decision.change.operation.error.code is E.TERMINATED
    assert decision.change.operation.result is None
    assert decision.change.transitions[-1].details == {"reported": "COMPLETED"}


def test_a_result_that_cannot_be_decoded_falls_back_to_the_report() -> None:
    """An encrypted result cannot be decoded: the reported result is used, and the history says so."""
    change = apply_report(running(), reported(ReportKind.COMPLETED, result={"a": 1}), Finality.ENGINE, at(5))
    assert change is not None
    unreadable = replace(observed(S.COMPLETED), result=None, result_unreadable="encoding binary/encrypted")
    decision = reconcile(change.operation, unreadable, at(11), POLICY)
    assert decision.change is not None
    assert decision.change.operation.result == {"a": 1}
    assert decision.change.transitions[-1].details == {"result_unreadable": "encoding binary/encrypted"}


@pytest.mark.parametrize(("started", "closed"), [(at(-50), at(-40)), (at(500), at(600)), (at(9), at(2)), (None, None)])
def test_times_stay_in_order_whatever_the_engine_s_clock_says(started: object, closed: object) -> None:
    """accepted <= started <= finished, also if the clocks of two machines differ."""
    observation = replace(observed(S.COMPLETED), started_at=started, closed_at=closed)  # type: ignore[arg-type]
    _, after, _ = decide(dispatched_at(1), observation)
    assert after.started_at is not None
    assert after.finished_at is not None
    assert after.accepted_at <= after.started_at <= after.finished_at
