"""Acknowledgements: the attention goes, and comes back with a new problem only."""

from dataclasses import replace

import pytest

from domain.evidence.finality import Finality
from domain.evidence.observation import ExecutionProblem, ExecutionState
from domain.evidence.reconciliation import ReconcilePolicy, reconcile
from domain.evidence.reporting import apply_report
from domain.evidence.unreadable_result import has_unreadable_result
from domain.operation.acknowledging import acknowledge, with_problem, without_problem
from domain.operation.attention import Attention, AttentionKind
from domain.operation.follow_up import dispatched, start_failed
from domain.operation.lifecycle import complete, start
from domain.operation.operation import Cause, Operation
from domain.operation.report import ReportKind
from domain.operation.transition import Source
from tests.support.operations import at, cause, claimed, completed, dispatched_at, observed, reported, running

K = AttentionKind
ALICE = Cause(Source.CLIENT, "", at(30), actor="alice")


def troubled(kind: AttentionKind, operation: Operation | None = None, message: str = "boom") -> Operation:
    """An operation that needs attention."""
    return replace(operation or running(), attention=Attention(kind, at(20), message))


def acknowledged(kind: AttentionKind, operation: Operation | None = None, message: str = "boom") -> Operation:
    """The same, acknowledged."""
    return acknowledge(troubled(kind, operation, message), "known", ALICE).operation


@pytest.mark.parametrize("kind", AttentionKind)
def test_acknowledgement_takes_the_attention_away(kind: AttentionKind) -> None:
    """The history says who did it, and why. A repeat changes nothing."""
    change = acknowledge(troubled(kind), "known", ALICE)
    row = change.operation
    assert (row.attention, row.acknowledged) == (None, Attention(kind, at(20), "boom"))
    [line] = change.transitions
    assert (line.source, line.actor, line.reason) == (Source.CLIENT, "alice", f"acknowledged {kind}: known")
    assert line.from_status is line.to_status
    assert acknowledge(row, "again", ALICE).operation is row


def test_without_attention_nothing_changes() -> None:
    """And there is no line."""
    change = acknowledge(running(), None, ALICE)
    assert (change.operation, change.transitions) == (running(), ())


@pytest.mark.parametrize(
    ("former", "problem", "comes_back"),
    [
        (Attention(K.STALLED, at(20), "boom"), Attention(K.STALLED, at(40), "boom"), False),
        (Attention(K.STALLED, at(20), "boom"), Attention(K.STALLED, at(40), "bang"), False),
        (Attention(K.STALLED, at(20), "boom"), Attention(K.NO_WORKER, at(40), "boom"), True),
        (
            Attention(K.DISPATCH_RETRYING, at(20), "attempt 1"),
            Attention(K.DISPATCH_RETRYING, at(20), "attempt 2"),
            False,
        ),
        (Attention(K.RESULT_UNREADABLE, at(20), "boom"), Attention(K.DIVERGED, at(40), "boom"), True),
        (Attention(K.DIVERGED, at(20), "boom"), Attention(K.DIVERGED, at(40), "boom"), False),
        (Attention(K.DIVERGED, at(20), "boom"), Attention(K.DIVERGED, at(40), "bang"), True),
    ],
)
def test_a_new_problem_is_one_of_another_kind(former: Attention, problem: Attention, comes_back: bool) -> None:
    """And for DIVERGED another contradiction. The same one goes on unseen."""
    row = with_problem(replace(running(), acknowledged=former), problem)
    assert (row.attention, row.acknowledged) == ((problem, None) if comes_back else (None, problem))


def test_the_same_kind_after_the_end_of_the_problem_is_new() -> None:
    """Whatever ended it."""
    ended = without_problem(acknowledged(K.STALLED))
    assert with_problem(ended, Attention(K.STALLED, at(40), "boom")).attention is not None


def observe(operation: Operation, kind: AttentionKind | None, seconds: float = 40) -> Operation:
    """The operation after the engine said that it has such a problem, or none."""
    problem = None if kind is None else ExecutionProblem(kind, "boom again")
    observation = replace(observed(ExecutionState.RUNNING, seconds), problem=problem)
    change = reconcile(operation, observation, at(seconds), ReconcilePolicy()).change
    return operation if change is None else change.operation


@pytest.mark.parametrize("kind", [K.STALLED, K.NO_WORKER, K.ACTIVITY_RETRYING])
def test_a_problem_of_the_execution_stays_acknowledged_while_it_lasts(kind: AttentionKind) -> None:
    """The same problem later is a new one."""
    row = acknowledged(kind)
    assert observe(row, kind) is row
    progressing = observe(row, None, 50)
    assert (progressing.attention, progressing.acknowledged) == (None, None)
    assert observe(progressing, kind, 60).attention is not None
    other = K.STALLED if kind is not K.STALLED else K.NO_WORKER
    assert observe(row, other).attention is not None


def test_a_failing_start_stays_acknowledged_until_it_succeeds() -> None:
    """The dispatcher goes on counting."""
    row = start_failed(claimed(), "no", cause(5), retry_at=at(6)).operation
    row = acknowledge(row, None, ALICE).operation
    row = start_failed(row, "no", cause(40), retry_at=at(50)).operation
    assert row.attention is None
    assert row.acknowledged is not None
    started = dispatched(row, follow_up_at=at(60), now=at(60)).operation
    assert (started.attention, started.acknowledged) == (None, None)


def test_a_divergence_stays_acknowledged_until_the_next_one() -> None:
    """The execution runs again; then it closes otherwise."""
    row = observe(completed(), None)
    assert row.attention is not None
    row = acknowledge(row, "reset on purpose", ALICE).operation
    assert observe(row, None, 50) is row
    terminated = observed(ExecutionState.TERMINATED, 60)
    change = reconcile(row, terminated, at(60), ReconcilePolicy()).change
    assert change is not None
    assert change.operation.attention is not None
    assert change.operation.attention.kind is K.DIVERGED


def test_an_acknowledged_result_is_still_unreadable() -> None:
    """It is not compared with that of a later run."""
    assert has_unreadable_result(acknowledged(K.RESULT_UNREADABLE, completed()))


@pytest.mark.parametrize("kind", [K.STALLED, K.NO_WORKER])
def test_a_report_ends_an_acknowledged_problem(kind: AttentionKind) -> None:
    """A worker has completed a workflow task."""
    row = acknowledged(kind)
    change = apply_report(row, reported(ReportKind.PROGRESS, 40), Finality.ENGINE, at(40))
    assert change is not None
    assert change.operation.acknowledged is None


def test_start_and_end_forget_the_acknowledgement() -> None:
    """The next problem is new."""
    assert start(acknowledged(K.NO_WORKER, dispatched_at()), cause(40)).operation.acknowledged is None
    assert complete(acknowledged(K.STALLED), 1, cause(40)).operation.acknowledged is None


def test_identity_of_a_problem_lasts_as_long_as_the_problem() -> None:
    """Its message may change; that of a divergence names another contradiction."""
    stalled, diverged = (Attention(kind, at(20), "boom") for kind in (K.STALLED, K.DIVERGED))
    assert stalled.identity == replace(stalled, message="other").identity
    others = [diverged, replace(diverged, message="other"), replace(stalled, since=at(20.000001))]
    assert len({problem.identity for problem in (stalled, *others)}) == 4
