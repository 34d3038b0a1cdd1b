"""The attention RESULT_UNREADABLE of a completed operation whose result could not be read completely."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.evidence.finality import Finality
from domain.evidence.observation import ExecutionState, Observation
from domain.evidence.reconciliation import ReconcilePolicy, Verdict, reconcile
from domain.evidence.reporting import apply_report
from domain.json_value import JsonValue, not_finite_note
from domain.operation.attention import Attention, AttentionKind
from domain.operation.operation import Operation
from domain.operation.report import ReportKind
from domain.operation.status import OperationStatus
from tests.support.ledger.in_memory import FakeLedger
from tests.support.operations import at, completed, observed, reported, running

POLICY = ReconcilePolicy(grace=timedelta(seconds=5))
S = ExecutionState
UNREADABLE = AttentionKind.RESULT_UNREADABLE
ENCRYPTED = "its encoding is binary/encrypted, not JSON"
ALTERED = "JSON has no NaN and no infinity; shown as null: /loss"


def close(seconds: float = 9, **fields: object) -> Observation:
    """An observation of COMPLETED."""
    return replace(observed(S.COMPLETED, seconds=seconds), **fields)  # type: ignore[arg-type]


def after(operation: Operation, observation: Observation, seconds: float = 20) -> Operation:
    """The operation after the observation."""
    change = reconcile(operation, observation, at(seconds), POLICY).change
    return operation if change is None else change.operation


def attention(operation: Operation) -> tuple[AttentionKind, str] | None:
    """Kind and message."""
    found = operation.attention
    return None if found is None else (found.kind, found.message)


def unread() -> Operation:
    """COMPLETED with a result that could not be read."""
    return after(running(), close(result=None, result_unreadable=ENCRYPTED))


def test_unreadable_result_sets_the_attention() -> None:
    """COMPLETED with null, and the reason is in the attention and in the history."""
    decision = reconcile(running(), close(result=None, result_unreadable=ENCRYPTED), at(20), POLICY)
    assert decision.verdict is Verdict.TRANSITION
    assert decision.change is not None
    row = decision.change.operation
    assert (row.status, row.result) == (OperationStatus.COMPLETED, None)
    assert row.attention == Attention(UNREADABLE, at(20), f"the result could not be read: {ENCRYPTED}")
    assert decision.change.transitions[-1].details == {"result_unreadable": ENCRYPTED}


def test_readable_result_needs_no_attention() -> None:
    """A null that the workflow returned is a readable result."""
    assert after(running(), close(result=None)).attention is None


def test_altered_result_sets_the_attention() -> None:
    """The readable part is stored, and the attention says what is missing."""
    row = after(running(), close(result={"loss": None, "steps": 3}, result_altered=ALTERED))
    assert row.result == {"loss": None, "steps": 3}
    assert attention(row) == (UNREADABLE, f"the result is not complete: {ALTERED}")


def test_reported_result_replaces_an_unreadable_one() -> None:
    """The workflow's report contains the result: nothing is missing."""
    change = apply_report(running(), reported(ReportKind.COMPLETED, result={"a": 1}), Finality.ENGINE, at(5))
    assert change is not None
    row = after(change.operation, close(result=None, result_unreadable=ENCRYPTED))
    assert (row.result, row.attention) == ({"a": 1}, None)


@pytest.mark.parametrize("kind", [ReportKind.COMPLETED, ReportKind.FAILED])
def test_report_without_the_result_does_not_replace_an_unreadable_one(kind: ReportKind) -> None:
    """A report that omitted the result, and a report of a failure, contain no result."""
    report = reported(kind, provisional=True)
    change = apply_report(running(), report, Finality.ENGINE, at(5))
    assert change is not None
    row = after(change.operation, close(result=None, result_unreadable=ENCRYPTED))
    assert row.result is None
    assert attention(row) == (UNREADABLE, f"the result could not be read: {ENCRYPTED}")


def test_result_lost_with_its_execution_sets_the_attention() -> None:
    """The report omitted the result, and the execution was deleted before the ledger asked."""
    report = reported(ReportKind.COMPLETED, provisional=True)
    change = apply_report(running(), report, Finality.ENGINE, at(5))
    assert change is not None
    row = after(change.operation, Observation(S.NOT_FOUND, at(99)), 100)
    assert (row.status, row.result) == (OperationStatus.COMPLETED, None)
    words = "the workflow's report omitted the result, and the engine no longer knows the execution"
    assert attention(row) == (UNREADABLE, words)


@pytest.mark.parametrize("later", [close(30, result=None, result_unreadable=ENCRYPTED), close(30, result={"a": 1})])
def test_attention_stays_on_the_final_operation(later: Observation) -> None:
    """A repeat of the close changes nothing. It is no divergence either if a codec was configured meanwhile."""
    assert reconcile(unread(), later, at(40), POLICY).change is None


def test_divergence_replaces_the_attention_until_it_ends() -> None:
    """RESULT_UNREADABLE returns when the execution closes again as before."""
    diverged = after(unread(), close(30, result=None, result_unreadable=ENCRYPTED), 40)
    diverged = after(diverged, observed(S.RUNNING, seconds=30), 40)
    assert diverged.attention is not None
    assert diverged.attention.kind is AttentionKind.DIVERGED
    decision = reconcile(diverged, close(50, result=None, result_unreadable=ENCRYPTED), at(60), POLICY)
    assert decision.verdict is Verdict.ATTENTION
    assert decision.change is not None
    assert attention(decision.change.operation) == (UNREADABLE, f"the result could not be read: {ENCRYPTED}")


def test_unreadable_second_close_does_not_affect_a_row_with_a_result() -> None:
    """The divergence ends, and the row has its result from the first close."""
    diverged = after(completed(), observed(S.RUNNING, seconds=30), 40)
    assert after(diverged, close(50, result=None, result_unreadable=ENCRYPTED), 60).attention is None


@pytest.mark.parametrize("callbacks", [False, True], ids=["asked", "called back"])
async def test_attention_is_counted_once_and_a_repeated_callback_asks_nothing(callbacks: bool) -> None:
    """Through the services, with and without callbacks."""
    ledger = FakeLedger(callbacks=callbacks)
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, {"loss": float("nan")})
    if callbacks:
        [pending] = ledger.world.callbacks
        await ledger.call_back(pending)
        await ledger.call_back(pending)
        assert ledger.engine.calls["observe"] == []
    else:
        await ledger.reconciler.page()
    row = ledger.row(operation_id)
    assert row.result == {"loss": None}
    assert attention(row) == (UNREADABLE, f"the result is not complete: {ALTERED}")
    assert ledger.metrics.attention == {UNREADABLE: 1}


@pytest.mark.parametrize(
    ("value", "places"),
    [
        (1.5, None),
        ({"a": [1, "NaN", None, True, 10**400]}, None),
        (float("nan"), "the whole value"),
        ([1, float("inf"), [float("-inf")]], "/1, /2/0"),
        ({"a/b": {"~": float("nan")}}, "/a~1b/~0"),
        ([float("nan")] * 7, "/0, /1, /2, /3, /4 and 2 more"),
    ],
)
def test_note_lists_the_pointers_of_non_finite_numbers(value: JsonValue, places: str | None) -> None:
    """At most SHOWN_POINTERS of them."""
    words = None if places is None else f"JSON has no NaN and no infinity; shown as null: {places}"
    assert not_finite_note(value) == words
