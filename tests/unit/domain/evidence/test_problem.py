"""Operations that make no progress: one rule raises, renews and clears the attention, whatever the kind."""

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


def stuck(
    words: str | None, kind: AttentionKind = STALLED, state: ExecutionState = S.RUNNING, seconds: float = 10
) -> Observation:
    problem = None if words is None else ExecutionProblem(kind, words)
    return replace(observed(state, seconds), problem=problem)


def hear(operation: Operation, observation: Observation, seconds: float = 20) -> Decision:
    return reconcile(operation, observation, at(seconds), POLICY)


def changed(decision: Decision) -> Operation:
    assert decision.change is not None
    return decision.change.operation


@pytest.mark.parametrize("kind", KINDS)
def test_raised_with_the_engine_s_words(kind: AttentionKind) -> None:
    """The history says when it began."""
    decision = hear(running(), stuck("failed 3 times: boom", kind))
    assert decision.verdict is Verdict.ATTENTION
    row = changed(decision)
    assert row.status is OperationStatus.RUNNING
    assert row.attention == Attention(kind, at(20), "failed 3 times: boom")
    assert decision.change is not None
    assert [line.reason for line in decision.change.transitions] == [f"{PROBLEM_NAMES[kind]}: failed 3 times: boom"]


@pytest.mark.parametrize("kind", KINDS)
def test_renewed_without_a_line(kind: AttentionKind) -> None:
    """An activity may fail thousands of times: the words change, the history does not."""
    row = changed(hear(running(), stuck("failed 3 times", kind)))
    assert hear(row, stuck("failed 3 times", kind), 30).change is None
    again = changed(hear(row, stuck("failed 9 times", kind), 30))
    assert again.attention == Attention(kind, at(20), "failed 9 times")
    assert again.history_length == row.history_length


@pytest.mark.parametrize("kind", KINDS)
def test_cleared_when_it_moves_on(kind: AttentionKind) -> None:
    """And the history says so."""
    row = changed(hear(running(), stuck("failed 3 times", kind)))
    decision = hear(row, stuck(None), 30)
    assert decision.verdict is Verdict.ATTENTION
    assert changed(decision).attention is None
    assert changed(decision).history_length == row.history_length + 1


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_one_kind_follows_another(before: AttentionKind, after: AttentionKind) -> None:
    """Each has its own beginning."""
    if before is after:
        return
    row = changed(hear(running(), stuck("first", before)))
    row = changed(hear(row, stuck("second", after), 30))
    assert row.attention == Attention(after, at(30), "second")


@pytest.mark.parametrize("kind", [STALLED, ACTIVITY_RETRYING])
def test_first_seen_in_trouble(kind: AttentionKind) -> None:
    """One change: it runs, and makes no progress."""
    decision = hear(dispatched_at(1), stuck("failed 3 times", kind))
    assert decision.verdict is Verdict.TRANSITION
    assert decision.change is not None
    assert [line.sequence for line in decision.change.transitions] == [2, 3]
    assert changed(decision).attention is not None


def test_just_taken_is_not_without_worker() -> None:
    """A worker has taken it: the answer that none polls is some seconds old."""
    row = changed(hear(dispatched_at(1), stuck("no worker polls", NO_WORKER)))
    assert (row.status, row.attention) == (OperationStatus.RUNNING, None)
    row = changed(hear(row, stuck("no worker polls", NO_WORKER), 30))
    assert row.attention is not None


def test_stalled_before_it_was_seen_to_run() -> None:
    """A first task that fails counts as taken only where the engine says so."""
    row = changed(hear(dispatched_at(1), stuck("failed 3 times", state=S.PENDING)))
    assert (row.status, row.attention is not None) == (OperationStatus.ACCEPTED, True)


def test_a_worker_that_is_starting_has_its_time() -> None:
    """A task that waits counts only after the grace, by when the engine was asked."""
    waiting = ExecutionProblem(NO_WORKER, "no worker polls", waits_since=at(1))
    grace = WORKER_GRACE.total_seconds()
    early = replace(observed(S.PENDING, seconds=grace), problem=waiting)
    late = replace(observed(S.PENDING, seconds=1 + grace), problem=waiting)
    assert hear(dispatched_at(1), early, seconds=1 + grace).verdict is Verdict.NO_CHANGE
    row = changed(hear(dispatched_at(1), late, seconds=2 + grace))
    assert (row.status, row.attention) == (
        OperationStatus.ACCEPTED,
        Attention(NO_WORKER, at(2 + grace), "no worker polls"),
    )


def test_taken_at_last_clears_it() -> None:
    """By an observation, and by the workflow's own report."""
    waiting = replace(observed(S.PENDING, seconds=60), problem=ExecutionProblem(NO_WORKER, "no worker polls", at(1)))
    row = changed(hear(dispatched_at(1), waiting, 61))
    assert changed(hear(row, observed(S.RUNNING, seconds=70), 71)).attention is None
    change = apply_report(row, reported(ReportKind.STARTED, seconds=70), Finality.ENGINE, at(71))
    assert change is not None
    assert (change.operation.status, change.operation.attention) == (OperationStatus.RUNNING, None)
    assert len(change.transitions) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_shows_that_a_worker_is_there(kind: AttentionKind) -> None:
    """The workflow's task went through. Of its activities a report says nothing."""
    row = changed(hear(running(), stuck("why", kind)))
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


def test_one_that_stalls_again_and_again_does_not_fill_the_history() -> None:
    """Beyond a number of lines only the attention comes and goes."""
    row = running()
    for number in range(100):
        row = changed(hear(row, stuck(f"failed {number + 3} times"), 20 + 2 * number))
        assert row.attention is not None
        row = changed(hear(row, stuck(None), 21 + 2 * number))
        assert row.attention is None
    assert row.history_length == REPEATED_EVENT_LIMIT


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_clears_it(kind: AttentionKind) -> None:
    """What is done needs nobody."""
    row = changed(hear(running(), stuck("failed 3 times", kind)))
    assert changed(hear(row, observed(S.COMPLETED), 30)).attention is None


@pytest.mark.parametrize("state", sorted(CLOSED | {S.NOT_FOUND, S.UNKNOWN}))
def test_only_an_open_execution_has_trouble(state: ExecutionState) -> None:
    """Anything else is a bug of the adapter."""
    with pytest.raises(ValueError, match="has no problem"):
        stuck("why", state=state)
