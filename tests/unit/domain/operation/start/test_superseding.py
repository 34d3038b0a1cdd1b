"""An operation gives its workflow id up to a later one."""

from dataclasses import replace
from uuid import UUID

import pytest

from domain.evidence.observation import ExecutionState, Observation
from domain.evidence.reconciliation import ReconcilePolicy, Verdict, reconcile
from domain.operation.operation import Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Report, ReportKind
from domain.operation.start.superseding import keep_workflow_id, supersede
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.operations import accepted, adopted, at, cause, claimed, completed, dispatched_at, running

NEW, NEWER = UUID(int=21), UUID(int=22)
ACCEPTED, RUNNING, FAILED = OperationStatus.ACCEPTED, OperationStatus.RUNNING, OperationStatus.FAILED
POLICY = ReconcilePolicy()


def superseded(operation: Operation, successor: UUID = NEW) -> Operation:
    return supersede(operation, successor, cause(10)).operation


def test_operation_that_was_never_attempted_ends_at_once() -> None:
    """Two history lines: the event, and the end."""
    change = supersede(accepted(), NEW, replace(cause(10), actor="alice"))
    ended = change.operation
    assert ended.error is not None
    assert (ended.status, ended.error.code, ended.superseded_by) == (FAILED, ErrorCode.TERMINATED, NEW)
    assert ended.error.details == {"superseded_by": str(NEW)}
    assert [(line.from_status, line.to_status) for line in change.transitions] == [
        (ACCEPTED, ACCEPTED),
        (ACCEPTED, FAILED),
    ]
    assert {line.actor for line in change.transitions} == {"alice"}
    assert str(NEW) in change.transitions[0].reason


def test_operation_whose_start_is_under_way_stays_open() -> None:
    """The dispatcher that claims it next finds out what has become of the attempt."""
    row = superseded(claimed())
    assert (row.status, row.superseded_by) == (ACCEPTED, NEW)
    assert row.dispatch == claimed().dispatch
    assert row.follow_up == claimed().follow_up


@pytest.mark.parametrize("row", [dispatched_at(), running(), adopted()], ids=["dispatched", "running", "adopted"])
def test_started_operation_is_followed_up_now(row: Operation) -> None:
    """The follow-up terminates its execution, and only the engine's word ends it."""
    after = superseded(row)
    assert (after.status, after.superseded_by, after.follow_up.due_at) == (row.status, NEW, at(10))


def test_repeat_and_final_operation_change_nothing() -> None:
    """A later successor replaces the former."""
    row = superseded(running())
    assert not supersede(row, NEW, cause(11)).transitions
    assert supersede(row, NEWER, cause(11)).operation.superseded_by == NEWER
    done = completed()
    assert supersede(done, NEW, cause(11)).operation is done


def terminated(never_picked_up: bool = False) -> Observation:
    error = OperationError(ErrorCode.TERMINATED, "gone", {"reason": "gone", "superseded_by": "a run"})
    return Observation(
        ExecutionState.TERMINATED, at(20), closed_at=at(19), error=error, never_picked_up=never_picked_up
    )


@pytest.mark.parametrize("source", Source)
@pytest.mark.parametrize("row", [dispatched_at(), running()], ids=["dispatched", "running"])
def test_termination_names_the_successor_whatever_channel_says_so(row: Operation, source: Source) -> None:
    """The operation, not the run that the engine may name."""
    for observation in (terminated(), terminated(never_picked_up=row.status is ACCEPTED)):
        decision = reconcile(superseded(row), observation, at(20), POLICY, source)
        assert decision.change is not None
        error = decision.change.operation.error
        assert error is not None
        assert (error.code, error.details["superseded_by"]) == (ErrorCode.TERMINATED, str(NEW))


def test_completion_wins_over_the_termination() -> None:
    """P: the engine decides how the execution closed."""
    observation = Observation(ExecutionState.COMPLETED, at(20), closed_at=at(19), result=1)
    decision = reconcile(superseded(running()), observation, at(20), POLICY)
    assert decision.change is not None
    assert (decision.change.operation.status, decision.change.operation.result) == (OperationStatus.COMPLETED, 1)


def test_superseded_operation_is_not_started_again() -> None:
    """The engine does not know its execution: it ends as superseded, without a start."""
    missing = Observation(ExecutionState.NOT_FOUND, at(600))
    decision = reconcile(superseded(dispatched_at()), missing, at(600), POLICY)
    assert decision.verdict is Verdict.TRANSITION
    assert decision.change is not None
    row = decision.change.operation
    assert row.error is not None
    assert (row.status, row.started_at) == (FAILED, None)
    assert (row.error.code, row.error.details["superseded_by"]) == (ErrorCode.TERMINATED, str(NEW))


def test_lost_execution_of_a_superseded_operation() -> None:
    """It ran, so its outcome is unknown; the details name the successor. A reported outcome counts."""
    missing = Observation(ExecutionState.NOT_FOUND, at(600), superseded_by="a run")
    decision = reconcile(superseded(running()), missing, at(600), POLICY)
    assert decision.change is not None
    error = decision.change.operation.error
    assert error is not None
    assert (error.code, error.details) == (ErrorCode.EXECUTION_LOST, {"superseded_by": str(NEW)})
    reported = replace(superseded(running()), reported=Report(ReportKind.COMPLETED, at(5), result=3))
    decision = reconcile(reported, missing, at(600), POLICY)
    assert decision.change is not None
    assert decision.change.operation.result == 3


@pytest.mark.parametrize("row", [dispatched_at(), running(), adopted()], ids=["dispatched", "running", "adopted"])
def test_operation_keeps_its_workflow_id_if_the_successor_does_not_take_it(row: Operation) -> None:
    """With a history line that names the successor, and the follow-up that is due."""
    before = superseded(row)
    change = keep_workflow_id(before, NEW, cause(20))
    assert change.operation.superseded_by is None
    assert change.operation.follow_up == before.follow_up
    assert str(NEW) in change.transitions[0].reason
    assert not change.operation.to_be_ended


def test_only_the_named_successor_gives_the_workflow_id_back() -> None:
    """A later one may have taken it. Nothing changes at an operation that is done."""
    row = superseded(superseded(running()), NEWER)
    ended = superseded(accepted())
    assert keep_workflow_id(row, NEW, cause(20)).operation is row
    assert keep_workflow_id(ended, NEW, cause(20)).operation is ended
