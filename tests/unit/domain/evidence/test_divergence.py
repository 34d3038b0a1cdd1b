"""What the engine says after the end: told, never applied, and told once."""

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


def hear(operation: Operation, observation: Observation, seconds: float = 20) -> Decision:
    return reconcile(operation, observation, at(seconds), POLICY, Source.CALLBACK)


def after(operation: Operation, observation: Observation, seconds: float = 20) -> Operation:
    change = hear(operation, observation, seconds).change
    return operation if change is None else change.operation


@pytest.mark.parametrize("state", sorted(CLOSED - {S.COMPLETED}))
def test_a_contradicting_close_is_an_event_and_an_attention(state: ExecutionState) -> None:
    """Never rewritten: status, result, error and finish stay; the event says what was seen, when, by whom."""
    row = completed()
    decision = hear(row, observed(state))
    assert decision.verdict is Verdict.DIVERGED
    assert decision.change is not None
    told = decision.change.operation
    assert replace(told, attention=None, updated_at=row.updated_at, history_length=row.history_length) == row
    assert told.attention is not None
    assert told.attention.kind is AttentionKind.DIVERGED
    assert told.attention.message == f"the operation is COMPLETED, but its execution closed as {state}"
    (line,) = decision.change.transitions
    assert (line.from_status, line.to_status) == (OperationStatus.COMPLETED, OperationStatus.COMPLETED)
    assert (line.source, line.actor, line.at) == (Source.CALLBACK, "somebody", at(20))
    assert line.details == {"observed": state.value, "closed_at": at(9).isoformat(), "message": "why"}


def test_it_is_told_once() -> None:
    """Callbacks come twice, and passes overlap."""
    told = after(completed(), observed(S.TERMINATED))
    assert hear(told, observed(S.TERMINATED, seconds=30), 40).change is None


def test_another_contradiction_is_another_event_of_the_same_attention() -> None:
    """Reset, then closed otherwise: both are in the history, and the attention is as old as the first."""
    running_again = after(completed(), observed(S.RUNNING, seconds=15))
    told = after(running_again, observed(S.FAILED, seconds=30), 40)
    assert told.history_length == running_again.history_length + 1
    assert running_again.attention is not None
    assert told.attention is not None
    assert told.attention.since == running_again.attention.since == at(20)
    assert "closed as FAILED" in told.attention.message


def test_a_later_close_that_agrees_ends_the_attention() -> None:
    """Reset after it was completed, and completed again with the same result: there is nothing to look at."""
    running_again = after(completed(), observed(S.RUNNING, seconds=15))
    decision = hear(running_again, observed(S.COMPLETED, seconds=30), 40)
    assert decision.verdict is Verdict.ATTENTION
    assert decision.change is not None
    assert decision.change.operation.attention is None
    assert len(decision.change.transitions) == 1


def test_an_old_close_that_agrees_ends_nothing() -> None:
    """A late duplicate of the first close says nothing of what came after it."""
    told = after(completed(), observed(S.TERMINATED))
    assert hear(told, observed(S.COMPLETED, seconds=19), 40).change is None


def test_an_answer_from_before_the_end_is_no_news() -> None:
    """Hazard 23, and where a report is final the close follows it: only a later answer says that it runs again."""
    assert hear(completed(), observed(S.RUNNING, seconds=8)).change is None
    assert hear(completed(), observed(S.RUNNING, seconds=8.1)).verdict is Verdict.DIVERGED


def test_what_is_noted_of_a_final_row_does_not_prolong_the_grace() -> None:
    """The pass that lists the new run may be the only one: whatever was noted just before, it is told."""
    ended = completed()
    noted = note(ended, Cause(Source.CALLBACK, "a completion callback could not be read", at(19))).operation
    assert hear(noted, observed(S.RUNNING, seconds=18.9)).change is None
    assert hear(noted, observed(S.RUNNING, seconds=19.1)).verdict is Verdict.DIVERGED


def test_another_result_contradicts() -> None:
    """Consumers have read the first one."""
    other = replace(observed(S.COMPLETED), result={"done": 2})
    assert hear(completed(), other).verdict is Verdict.DIVERGED
    unreadable = replace(observed(S.COMPLETED), result=None, result_unreadable="encrypted")
    assert hear(completed(), unreadable).change is None


def test_what_was_lost_and_is_there_after_all_contradicts() -> None:
    """EXECUTION_LOST is final too: a restored backup does not change it, somebody has to look."""
    lost = reconcile(running(), observed(S.NOT_FOUND), at(11), POLICY).change
    assert lost is not None
    assert lost.operation.error is not None
    assert lost.operation.error.code is ErrorCode.EXECUTION_LOST
    for state in (S.COMPLETED, S.TERMINATED, S.RUNNING):
        assert hear(lost.operation, observed(state, seconds=30), 40).verdict is Verdict.DIVERGED


@given(st.sampled_from(sorted(FINAL)), st.lists(st.tuples(st.sampled_from(sorted(S)), st.integers(0, 60)), max_size=12))
def test_no_evidence_moves_a_final_operation(name: str, seen: list[tuple[ExecutionState, int]]) -> None:
    """P2, whatever comes after the end, in any order and as often as it likes."""
    row = operation = FINAL[name]
    for number, (state, seconds) in enumerate(seen):
        operation = after(operation, observed(state, seconds=seconds), 61 + number)
        outcome = (operation.status, operation.result, operation.error, operation.finished_at)
        assert outcome == (row.status, row.result, row.error, row.finished_at)
        assert operation.attention is None or operation.attention.kind is AttentionKind.DIVERGED


def summary(
    status: OperationStatus, code: ErrorCode | None = None, attention: AttentionKind | None = None
) -> OperationSummary:
    return OperationSummary(completed().id, status, code, attention)


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
def test_the_index_leads_to_a_question_only_where_it_disagrees(
    row: OperationSummary, asked: set[ExecutionState]
) -> None:
    """Cost grows with what changed: a row that says what the index lists is not asked about again."""
    assert {state for state in S if row.needs_observation(state)} == asked


def test_every_unsuccessful_close_has_its_code() -> None:
    """A new state cannot be forgotten: an operation that is failed by it agrees with it afterwards."""
    for state in CLOSED - {S.COMPLETED}:
        ended = after(running(), observed(state))
        assert isinstance(ended.error, OperationError)
        assert not OperationSummary(ended.id, ended.status, ended.error.code, None).needs_observation(state)
