"""An execution that does not get on: raised, renewed, cleared."""

from dataclasses import replace

from domain.attention import AttentionKind
from domain.evidence import ExecutionState, Observation
from domain.lifecycle import LONGEST_HISTORY
from domain.operation import Operation
from domain.reconciliation import Decision, ReconcilePolicy, Verdict, reconcile
from domain.status import OperationStatus
from tests.support.operations import at, dispatched_at, observed, running

S = ExecutionState
POLICY = ReconcilePolicy()


def stuck(words: str | None, state: ExecutionState = S.RUNNING) -> Observation:
    return replace(observed(state), stalled=words)


def hear(operation: Operation, observation: Observation, seconds: float = 20) -> Decision:
    return reconcile(operation, observation, at(seconds), POLICY)


def changed(decision: Decision) -> Operation:
    assert decision.change is not None
    return decision.change.operation


def test_raised_with_the_engine_s_words() -> None:
    """The history says when it began."""
    decision = hear(running(), stuck("failed 3 times: boom"))
    assert decision.verdict is Verdict.ATTENTION
    row = changed(decision)
    assert row.status is OperationStatus.RUNNING
    assert row.attention is not None
    assert (row.attention.kind, row.attention.since) == (AttentionKind.STALLED, at(20))
    assert row.attention.message == "failed 3 times: boom"
    assert decision.change is not None
    assert [line.reason for line in decision.change.transitions] == ["stalled: failed 3 times: boom"]


def test_renewed_without_a_line() -> None:
    """A task may fail thousands of times: the words and the version change, the history does not."""
    row = changed(hear(running(), stuck("failed 3 times")))
    assert hear(row, stuck("failed 3 times"), 30).change is None
    decision = hear(row, stuck("failed 9 times"), 30)
    again = changed(decision)
    assert again.attention is not None
    assert (again.attention.message, again.attention.since) == ("failed 9 times", at(20))
    assert again.history_length == row.history_length


def test_cleared_when_it_moves_on() -> None:
    """And the history says so."""
    row = changed(hear(running(), stuck("failed 3 times")))
    decision = hear(row, stuck(None), 30)
    assert decision.verdict is Verdict.ATTENTION
    assert changed(decision).attention is None
    assert changed(decision).history_length == row.history_length + 1


def test_first_seen_stalled() -> None:
    """One change: it runs, and does not get on."""
    decision = hear(dispatched_at(1), stuck("failed 3 times"))
    assert decision.verdict is Verdict.TRANSITION
    assert decision.change is not None
    assert [line.sequence for line in decision.change.transitions] == [2, 3]
    assert changed(decision).attention is not None


def test_stalled_before_it_was_seen_to_run() -> None:
    """A first task that fails counts as taken up only where the engine says so."""
    row = changed(hear(dispatched_at(1), stuck("failed 3 times", S.PENDING)))
    assert (row.status, row.attention is not None) == (OperationStatus.ACCEPTED, True)


def test_one_that_stalls_again_and_again_does_not_fill_the_history() -> None:
    """Beyond a number of lines only the attention comes and goes."""
    row = running()
    for number in range(100):
        row = changed(hear(row, stuck(f"failed {number + 3} times"), 20 + 2 * number))
        assert row.attention is not None
        row = changed(hear(row, stuck(None), 21 + 2 * number))
        assert row.attention is None
    assert row.history_length == LONGEST_HISTORY


def test_the_end_clears_it() -> None:
    """What is done needs nobody."""
    row = changed(hear(running(), stuck("failed 3 times")))
    assert changed(hear(row, observed(S.COMPLETED), 30)).attention is None
