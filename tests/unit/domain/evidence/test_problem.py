"""Operations that make no progress: one rule sets, updates and clears the attention, for all kinds of problems."""

from dataclasses import replace

import pytest

from domain.evidence.finality import Finality
from domain.evidence.observation import CLOSED, ExecutionProblem, ExecutionState, Observation
from domain.evidence.problem import PROBLEM_NAMES, WORKER_GRACE
from domain.evidence.reconciliation import Decision, ReconcilePolicy, Verdict, reconcile
from domain.evidence.reporting import apply_report
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import REPEATED_EVENT_LIMIT
from domain.operation.operation import Operation
from domain.operation.report import Report, ReportKind
from domain.operation.status import OperationStatus
from tests.support.operations import at, dispatched_at, observed, reported, running

S = ExecutionState
POLICY = ReconcilePolicy()
KINDS = list(PROBLEM_NAMES)
STALLED, NO_WORKER = AttentionKind.STALLED, AttentionKind.NO_WORKER
ACTIVITY_RETRYING = AttentionKind.ACTIVITY_RETRYING


def observed_problem(
    message: str | None, kind: AttentionKind = STALLED, state: ExecutionState = S.RUNNING, seconds: float = 10
) -> Observation:
    problem = None if message is None else ExecutionProblem(kind, message)
    return replace(observed(state, seconds), problem=problem)


def observe(operation: Operation, observation: Observation, seconds: float = 20) -> Decision:
    return reconcile(operation, observation, at(seconds), POLICY)


def changed(decision: Decision) -> Operation:
    assert decision.change is not None
    return decision.change.operation


@pytest.mark.parametrize("kind", KINDS)
def test_problem_sets_the_attention_with_the_engine_s_message(kind: AttentionKind) -> None:
    """The history has a line for the beginning."""
    decision = observe(running(), observed_problem("failed 3 times: boom", kind))
    assert decision.verdict is Verdict.ATTENTION
    row = changed(decision)
    assert row.status is OperationStatus.RUNNING
    assert row.attention == Attention(kind, at(20), "failed 3 times: boom")
    assert decision.change is not None
    assert [line.reason for line in decision.change.transitions] == [f"{PROBLEM_NAMES[kind]}: failed 3 times: boom"]


@pytest.mark.parametrize("kind", KINDS)
def test_new_message_updates_the_attention_without_a_history_line(kind: AttentionKind) -> None:
    """An activity may fail thousands of times: the message changes, the history does not grow."""
    row = changed(observe(running(), observed_problem("failed 3 times", kind)))
    assert observe(row, observed_problem("failed 3 times", kind), 30).change is None
    again = changed(observe(row, observed_problem("failed 9 times", kind), 30))
    assert again.attention == Attention(kind, at(20), "failed 9 times")
    assert again.history_length == row.history_length


@pytest.mark.parametrize("kind", KINDS)
def test_progress_clears_the_attention(kind: AttentionKind) -> None:
    """The history has a line for it."""
    row = changed(observe(running(), observed_problem("failed 3 times", kind)))
    decision = observe(row, observed_problem(None), 30)
    assert decision.verdict is Verdict.ATTENTION
    assert changed(decision).attention is None
    assert changed(decision).history_length == row.history_length + 1


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_another_kind_replaces_the_attention(before: AttentionKind, after: AttentionKind) -> None:
    """Each kind has its own start time."""
    if before is after:
        return
    row = changed(observe(running(), observed_problem("first", before)))
    row = changed(observe(row, observed_problem("second", after), 30))
    assert row.attention == Attention(after, at(30), "second")


@pytest.mark.parametrize("kind", [STALLED, ACTIVITY_RETRYING])
def test_operation_first_seen_with_a_problem_is_running_and_has_the_attention(kind: AttentionKind) -> None:
    """Both are in one change."""
    decision = observe(dispatched_at(1), observed_problem("failed 3 times", kind))
    assert decision.verdict is Verdict.TRANSITION
    assert decision.change is not None
    assert [line.sequence for line in decision.change.transitions] == [2, 3]
    assert changed(decision).attention is not None


def test_operation_just_picked_up_does_not_get_no_worker() -> None:
    """A worker has picked it up: the cached answer that no worker polls is some seconds old."""
    row = changed(observe(dispatched_at(1), observed_problem("no worker polls", NO_WORKER)))
    assert (row.status, row.attention) == (OperationStatus.RUNNING, None)
    row = changed(observe(row, observed_problem("no worker polls", NO_WORKER), 30))
    assert row.attention is not None


def test_accepted_operation_can_be_stalled() -> None:
    """A failing first task counts as picked up only if the engine says so."""
    row = changed(observe(dispatched_at(1), observed_problem("failed 3 times", state=S.PENDING)))
    assert (row.status, row.attention is not None) == (OperationStatus.ACCEPTED, True)


def test_waiting_task_counts_only_after_the_grace() -> None:
    """A worker may be starting. The time of the question counts."""
    waiting = ExecutionProblem(NO_WORKER, "no worker polls", waits_since=at(1))
    grace = WORKER_GRACE.total_seconds()
    early = replace(observed(S.PENDING, seconds=grace), problem=waiting)
    late = replace(observed(S.PENDING, seconds=1 + grace), problem=waiting)
    assert observe(dispatched_at(1), early, seconds=1 + grace).verdict is Verdict.NO_CHANGE
    row = changed(observe(dispatched_at(1), late, seconds=2 + grace))
    assert (row.status, row.attention) == (
        OperationStatus.ACCEPTED,
        Attention(NO_WORKER, at(2 + grace), "no worker polls"),
    )


def test_pick_up_clears_no_worker() -> None:
    """Shown by an observation, and by a report of the workflow."""
    waiting = replace(observed(S.PENDING, seconds=60), problem=ExecutionProblem(NO_WORKER, "no worker polls", at(1)))
    row = changed(observe(dispatched_at(1), waiting, 61))
    assert changed(observe(row, observed(S.RUNNING, seconds=70), 71)).attention is None
    change = apply_report(row, reported(ReportKind.STARTED, seconds=70), Finality.ENGINE, at(71))
    assert change is not None
    assert (change.operation.status, change.operation.attention) == (OperationStatus.RUNNING, None)
    assert len(change.transitions) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_shows_that_a_worker_is_there(kind: AttentionKind) -> None:
    """A worker completed a workflow task. A report says nothing about activities."""
    row = changed(observe(running(), observed_problem("why", kind)))
    change = apply_report(row, Report(ReportKind.STARTED, at(30)), Finality.ENGINE, at(30))
    if kind is ACTIVITY_RETRYING:
        assert change is None
    else:
        assert change is not None
        assert change.operation.attention is None
        assert [line.reason for line in change.transitions] == ["the execution makes progress"]
    outcome = apply_report(row, reported(ReportKind.COMPLETED, 30), Finality.ENGINE, at(30))
    assert outcome is not None
    assert outcome.operation.reported is not None
    assert [line.sequence for line in outcome.transitions] == list(
        range(row.history_length + 1, outcome.operation.history_length + 1)
    )


def test_repeated_stalling_does_not_fill_the_history() -> None:
    """From REPEATED_EVENT_LIMIT lines on only the attention changes."""
    row = running()
    for number in range(100):
        row = changed(observe(row, observed_problem(f"failed {number + 3} times"), 20 + 2 * number))
        assert row.attention is not None
        row = changed(observe(row, observed_problem(None), 21 + 2 * number))
        assert row.attention is None
    assert row.history_length == REPEATED_EVENT_LIMIT


@pytest.mark.parametrize("kind", KINDS)
def test_end_clears_the_attention(kind: AttentionKind) -> None:
    """A problem of an open execution ends with it."""
    row = changed(observe(running(), observed_problem("failed 3 times", kind)))
    assert changed(observe(row, observed(S.COMPLETED), 30)).attention is None


@pytest.mark.parametrize("state", sorted(CLOSED | {S.NOT_FOUND, S.UNKNOWN}))
def test_only_an_open_execution_can_have_a_problem(state: ExecutionState) -> None:
    """Anything else is a bug in the adapter."""
    with pytest.raises(ValueError, match="has no problem"):
        observed_problem("why", state=state)
