"""Answers of the engine about a final operation: reported once, never applied."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.evidence.observation import CLOSED, ExecutionState, Observation
from domain.evidence.reconciliation import Decision, ReconcilePolicy, Verdict, reconcile
from domain.evidence.summary import OperationSummary
from domain.operation.attention import AttentionKind
from domain.operation.lifecycle import note
from domain.operation.operation import Cause, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.operations import at, completed, failed, observed, running

POLICY = ReconcilePolicy(grace=timedelta(seconds=5))
S = ExecutionState
FINAL = {"completed": completed(), "failed": failed()}


FINAL_REPORTS = replace(POLICY, report_grace=POLICY.grace)


def observe(
    operation: Operation, observation: Observation, seconds: float = 20, policy: ReconcilePolicy = POLICY
) -> Decision:
    return reconcile(operation, observation, at(seconds), policy, Source.CALLBACK)


def after(operation: Operation, observation: Observation, seconds: float = 20) -> Operation:
    change = observe(operation, observation, seconds).change
    return operation if change is None else change.operation


@pytest.mark.parametrize("state", sorted(CLOSED - {S.COMPLETED}))
def test_a_contradicting_close_is_an_event_and_an_attention(state: ExecutionState) -> None:
    """Status, result, error and end time stay. The event contains the observed state, its time and its actor."""
    row = completed()
    decision = observe(row, observed(state))
    assert decision.verdict is Verdict.DIVERGED
    assert decision.change is not None
    diverged = decision.change.operation
    assert replace(diverged, attention=None, updated_at=row.updated_at, history_length=row.history_length) == row
    assert diverged.attention is not None
    assert diverged.attention.kind is AttentionKind.DIVERGED
    assert diverged.attention.message == f"the operation is COMPLETED, but its execution closed as {state}"
    (line,) = decision.change.transitions
    assert (line.from_status, line.to_status) == (OperationStatus.COMPLETED, OperationStatus.COMPLETED)
    assert (line.source, line.actor, line.at) == (Source.CALLBACK, "somebody", at(20))
    assert line.details == {"observed": state.value, "closed_at": at(9).isoformat(), "message": "why"}


def test_repeated_contradiction_changes_nothing() -> None:
    """A callback can arrive twice, and reconciliation passes overlap."""
    diverged = after(completed(), observed(S.TERMINATED))
    assert observe(diverged, observed(S.TERMINATED, seconds=30), 40).change is None


def test_another_contradiction_is_another_event_of_the_same_attention() -> None:
    """A reset, then another close: the history has both, and the attention starts with the first one."""
    running_again = after(completed(), observed(S.RUNNING, seconds=15))
    diverged = after(running_again, observed(S.FAILED, seconds=30), 40)
    assert diverged.history_length == running_again.history_length + 1
    assert running_again.attention is not None
    assert diverged.attention is not None
    assert diverged.attention.since == running_again.attention.since == at(20)
    assert "closed as FAILED" in diverged.attention.message


def test_a_later_close_that_agrees_ends_the_attention() -> None:
    """An execution that was reset and completed again with the same result needs no attention."""
    running_again = after(completed(), observed(S.RUNNING, seconds=15))
    decision = observe(running_again, observed(S.COMPLETED, seconds=30), 40)
    assert decision.verdict is Verdict.ATTENTION
    assert decision.change is not None
    assert decision.change.operation.attention is None
    assert len(decision.change.transitions) == 1


def test_close_from_before_the_mark_does_not_end_the_attention() -> None:
    """A late duplicate of the first close says nothing about later events."""
    diverged = after(completed(), observed(S.TERMINATED))
    late = reconcile(diverged, observed(S.COMPLETED, seconds=30), at(40), POLICY, unchanged=False)
    assert late.change is None


@pytest.mark.parametrize("state", sorted(S))
@pytest.mark.parametrize("seconds", [0, 30])
def test_answer_from_before_the_last_change_contradicts_nothing(state: ExecutionState, seconds: float) -> None:
    """Hazard 23, whatever the clocks say: the time of the question is that of another process than the row's."""
    for operation in FINAL.values():
        decision = reconcile(operation, observed(state, seconds), at(40), POLICY, unchanged=False)
        assert (decision.verdict, decision.change) == (Verdict.NO_CHANGE, None)


@pytest.mark.parametrize("seconds", [0, 2.9, 3.1, 30])
def test_later_answer_contradicts_whatever_the_clocks_say(seconds: float) -> None:
    """Hazard 33: a process whose clock is ahead has written the row, at what it took for three seconds."""
    assert observe(completed(), observed(S.RUNNING, seconds)).verdict is Verdict.DIVERGED
    assert observe(completed(), observed(S.TERMINATED, seconds)).verdict is Verdict.DIVERGED


def test_execution_may_be_open_for_a_while_after_a_final_report() -> None:
    """The close follows the report, so only a later answer shows that it is running again."""
    assert observe(completed(), observed(S.RUNNING, seconds=8), policy=FINAL_REPORTS).change is None
    assert observe(completed(), observed(S.RUNNING, seconds=8.1), policy=FINAL_REPORTS).verdict is Verdict.DIVERGED
    assert observe(completed(), observed(S.FAILED, seconds=4), policy=FINAL_REPORTS).verdict is Verdict.DIVERGED


def test_note_on_a_final_row_does_not_extend_the_grace() -> None:
    """The new run may be listed in only one pass, so it is reported whatever was noted just before."""
    ended = completed()
    noted = note(ended, Cause(Source.CALLBACK, "a completion callback could not be read", at(19))).operation
    assert observe(noted, observed(S.RUNNING, seconds=8.1), policy=FINAL_REPORTS).verdict is Verdict.DIVERGED


def test_another_result_is_a_divergence() -> None:
    """Consumers have read the first result."""
    other = replace(observed(S.COMPLETED), result={"done": 2})
    assert observe(completed(), other).verdict is Verdict.DIVERGED
    unreadable = replace(observed(S.COMPLETED), result=None, result_unreadable="encrypted")
    assert observe(completed(), unreadable).change is None


def test_lost_execution_that_reappears_is_a_divergence() -> None:
    """EXECUTION_LOST is final too: a restored backup does not change it, and an operator has to look."""
    lost = reconcile(running(), observed(S.NOT_FOUND), at(11), POLICY).change
    assert lost is not None
    assert lost.operation.error is not None
    assert lost.operation.error.code is ErrorCode.EXECUTION_LOST
    for state in (S.COMPLETED, S.TERMINATED, S.RUNNING):
        assert observe(lost.operation, observed(state, seconds=30), 40).verdict is Verdict.DIVERGED


@given(st.sampled_from(sorted(FINAL)), st.lists(st.tuples(st.sampled_from(sorted(S)), st.integers(0, 60)), max_size=12))
def test_no_evidence_moves_a_final_operation(name: str, seen: list[tuple[ExecutionState, int]]) -> None:
    """P2, for any evidence after the end, in any order and number."""
    row = operation = FINAL[name]
    for number, (state, seconds) in enumerate(seen):
        operation = after(operation, observed(state, seconds=seconds), 61 + number)
        outcome = (operation.status, operation.result, operation.error, operation.finished_at)
        assert outcome == (row.status, row.result, row.error, row.finished_at)
        assert operation.attention is None or operation.attention.kind is AttentionKind.DIVERGED


def summary(
    status: OperationStatus, code: ErrorCode | None = None, attention: AttentionKind | None = None
) -> OperationSummary:
    return OperationSummary(completed().id, status, code, attention, completed().workflow_id)


A, R, C, F = OperationStatus
INDEX = [
    (summary(A), {S.COMPLETED, S.FAILED, S.CANCELED, S.TERMINATED, S.TIMED_OUT}),
    (summary(R), {S.COMPLETED, S.FAILED, S.CANCELED, S.TERMINATED, S.TIMED_OUT}),
    (summary(C), set(S) - {S.COMPLETED}),
    (summary(C, attention=AttentionKind.DIVERGED), {S.COMPLETED, S.FAILED, S.CANCELED, S.TERMINATED, S.TIMED_OUT}),
    (summary(F, ErrorCode.TERMINATED), set(S) - {S.TERMINATED}),
    (summary(F, ErrorCode.EXECUTION_LOST), set(S)),
]


@pytest.mark.parametrize(("row", "asked"), INDEX)
def test_index_leads_to_a_question_only_if_it_disagrees(row: OperationSummary, asked: set[ExecutionState]) -> None:
    """The cost is proportional to the number of changed executions."""
    assert {state for state in S if row.needs_observation(state)} == asked


def test_every_unsuccessful_close_has_an_error_code() -> None:
    """An operation that failed with the code agrees with the close afterwards, so no new state is forgotten."""
    for state in CLOSED - {S.COMPLETED}:
        ended = after(running(), observed(state))
        assert isinstance(ended.error, OperationError)
        assert not OperationSummary(
            ended.id, ended.status, ended.error.code, None, ended.workflow_id
        ).needs_observation(state)
