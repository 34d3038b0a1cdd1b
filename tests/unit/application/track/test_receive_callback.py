"""ReceiveCallback: applies each close once: repeated, late, reordered, unreadable, or during outages."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters.memory.engine.callbacks import PendingCallback
from application.ports.engine.callback_reader import CallbackMessage
from application.ports.engine.workflow_engine import EngineUnavailable
from application.ports.monitoring.metrics import CallbackOutcome
from application.track.receive_callback import MAX_CALLBACK_AGE, MAX_KEPT_CHARS
from domain.operation.attention import AttentionKind
from domain.operation.lifecycle import REPEATED_EVENT_LIMIT
from domain.operation.operation_error import ErrorCode
from domain.operation.report import ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger.in_memory import DOWN, FakeLedger

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED
APPLIED, UNCHANGED = CallbackOutcome.APPLIED, CallbackOutcome.UNCHANGED


def the_call(ledger: FakeLedger) -> PendingCallback:
    """Returns the only callback of the engine."""
    [pending] = ledger.world.callbacks
    return pending


@pytest.mark.parametrize("result", [{"n": 1}, None, {}, 0, "", []], ids=repr)
async def test_a_completion_is_applied_without_a_question(result: Any) -> None:
    """The callback has the result."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, result)
    closed = ledger.clock.now()
    ledger.pass_time(milliseconds=20)
    assert await ledger.call_back(the_call(ledger)) is APPLIED
    row = ledger.row(operation_id)
    assert (row.status, row.result, row.finished_at) == (COMPLETED, result, closed)
    assert ledger.history(operation_id)[-1].source is Source.CALLBACK
    assert ledger.engine.calls["observe"] == []
    assert ledger.metrics.lags == [(Source.CALLBACK, timedelta(milliseconds=20))]
    assert ledger.metrics.moves[Source.CALLBACK, COMPLETED] == 1


async def test_a_completion_costs_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads and changes the row."""
    ledger = FakeLedger(callbacks=True)
    ledger.world.complete(await ledger.running())
    opened, units = [], ledger.store.units
    monkeypatch.setattr(ledger.store, "units", lambda: opened.append(1) or units())  # type: ignore[func-returns-value]
    assert await ledger.call_back(the_call(ledger)) is APPLIED
    assert len(opened) == 1


async def test_a_failure_is_applied_without_a_question() -> None:
    """The callback has the whole failure."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.fail(operation_id, "the disk is full")
    assert await ledger.call_back(the_call(ledger)) is APPLIED
    assert ledger.row(operation_id).error == (await ledger.observed(operation_id)).error
    assert ledger.engine.calls["observe"] == []


async def test_a_termination_is_asked_about_for_reason_and_actor() -> None:
    """The callback has neither."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.terminate_from_outside(operation_id, "too dear", "bob")
    assert await ledger.call_back(the_call(ledger)) is APPLIED
    error, line = ledger.row(operation_id).error, ledger.history(operation_id)[-1]
    assert error is not None
    assert (error.code, error.message, line.actor) == (ErrorCode.TERMINATED, "too dear", "bob")
    assert ledger.engine.calls["observe"] == [operation_id]


@pytest.mark.parametrize("taken", [False, True], ids=["never taken", "taken"])
@pytest.mark.parametrize("how", ["terminated", "timed out"])
async def test_a_close_without_worker_asks_the_history_whether_it_ran(how: str, taken: bool) -> None:
    """The callback does not say it. RUNNING is in the history only of an execution that ran."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.dispatched()
    if taken:
        ledger.world.pick_up(operation_id)
    if how == "terminated":
        ledger.world.terminate_from_outside(operation_id, "too dear", "bob")
    else:
        ledger.world.time_out(operation_id)
    assert await ledger.call_back(the_call(ledger)) is APPLIED
    assert ledger.statuses(operation_id) == ([ACCEPTED, RUNNING, FAILED] if taken else [ACCEPTED, FAILED])
    assert (ledger.row(operation_id).started_at is not None) is taken


async def test_a_second_close_after_the_first_is_asked_about() -> None:
    """The callback of the first close made the row final after the second close, which is therefore older than the
    row, and still news."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, "at first")
    ledger.world.reset(operation_id)
    ledger.pass_time(milliseconds=10)
    ledger.world.fail(operation_id, "in the end")
    ledger.pass_time(milliseconds=10)
    first, second = ledger.world.callbacks
    assert await ledger.call_back(first) is APPLIED
    ledger.pass_time(milliseconds=10)
    assert await ledger.call_back(second) is APPLIED
    row = ledger.row(operation_id)
    assert (row.status, row.attention and row.attention.kind) == (COMPLETED, AttentionKind.DIVERGED)
    assert ledger.engine.calls["observe"] == [operation_id]


async def test_a_first_close_after_the_second_changes_nothing() -> None:
    """The engine, asked, answers what the row has."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, "at first")
    ledger.world.reset(operation_id)
    ledger.world.fail(operation_id, "in the end")
    first, second = ledger.world.callbacks
    assert await ledger.call_back(second) is APPLIED
    ledger.pass_time(milliseconds=10)
    assert await ledger.call_back(first) is UNCHANGED
    assert (ledger.status(operation_id), ledger.row(operation_id).attention) == (FAILED, None)


async def marked(ledger: FakeLedger) -> UUID:
    """Adds an operation that completed, was reset and is marked as diverged. The reset has no callback."""
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, "done")
    await ledger.call_back(the_call(ledger))
    ledger.world.callbacks.clear()
    ledger.world.reset(operation_id)
    ledger.pass_time(seconds=50)
    await ledger.whole_pass()
    assert ledger.row(operation_id).attention is not None
    return operation_id


async def test_a_close_that_agrees_but_was_not_the_last_leaves_the_mark() -> None:
    """Its callback comes after that of the last close, which contradicts."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await marked(ledger)
    ledger.pass_time(milliseconds=10)
    ledger.world.complete(operation_id, "done")
    ledger.world.reset(operation_id)
    ledger.pass_time(milliseconds=10)
    ledger.world.terminate_from_outside(operation_id, "too dear", "bob")
    ledger.pass_time(milliseconds=10)
    agreeing, last = ledger.world.callbacks
    await ledger.call_back(last)
    ledger.pass_time(milliseconds=10)
    await ledger.call_back(agreeing)
    attention = ledger.row(operation_id).attention
    assert attention is not None
    assert attention.kind is AttentionKind.DIVERGED


async def test_a_close_that_agrees_clears_a_mark_that_was_stored_later() -> None:
    """The process that stored the mark had asked before the close; the engine is asked again."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, "done")
    await ledger.call_back(the_call(ledger))
    ledger.world.reset(operation_id)
    ledger.pass_time(minutes=1)
    asked, version = await ledger.observed(operation_id), ledger.row(operation_id).version
    ledger.pass_time(milliseconds=10)
    ledger.world.complete(operation_id, "done")
    ledger.pass_time(milliseconds=10)
    await ledger.recorder.observation(operation_id, asked, Source.RECONCILIATION, version=version)
    assert ledger.row(operation_id).attention is not None
    ledger.pass_time(milliseconds=10)
    await ledger.call_back(ledger.world.callbacks[1])
    assert ledger.row(operation_id).attention is None


async def test_a_termination_of_a_reset_execution_ends_nothing() -> None:
    """Hazard 19: the latest run is another one; its end is the operation's."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.terminate_from_outside(operation_id, "a mistake", "bob")
    ledger.world.reset(operation_id)
    assert await ledger.call_back(the_call(ledger)) is UNCHANGED
    assert ledger.status(operation_id) is RUNNING
    ledger.world.complete(operation_id, "in the end")
    assert await ledger.call_back(ledger.world.callbacks[1]) is APPLIED
    assert ledger.row(operation_id).result == "in the end"
    assert await ledger.call_back(ledger.world.callbacks[0]) is UNCHANGED


async def test_a_late_completion_after_a_reset_is_asked_about() -> None:
    """The API was down for a minute. The engine says which run is the latest."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, "first")
    ledger.world.reset(operation_id)
    ledger.clock.advance(MAX_CALLBACK_AGE + timedelta(seconds=1))
    assert await ledger.call_back(ledger.world.callbacks[0]) is UNCHANGED
    assert ledger.status(operation_id) is RUNNING


async def test_a_repeated_callback_changes_nothing() -> None:
    """Delivery is at least once, and the confirmation came first."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, 1)
    for _ in range(3):
        await ledger.call_back(the_call(ledger))
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]
    assert ledger.metrics.callbacks == {APPLIED: 1, UNCHANGED: 2}


async def test_a_close_before_the_stored_dispatch_is_applied() -> None:
    """The reply to the start was lost, and the workflow was quick. The row passes through RUNNING in one commit."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    ledger.world.pick_up(operation_id)
    ledger.world.complete(operation_id, 1)
    assert await ledger.call_back(the_call(ledger)) is APPLIED
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]
    ledger.pass_time(seconds=1)
    await ledger.dispatch(1)
    assert len(ledger.world.starts) == 1


async def test_a_contradiction_is_a_divergence() -> None:
    """Completed, reset, then failed: the row stays and is marked."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, 1)
    await ledger.call_back(ledger.world.callbacks[0])
    ledger.pass_time(seconds=10)
    ledger.world.reset(operation_id)
    ledger.world.fail(operation_id, "worse")
    assert await ledger.call_back(ledger.world.callbacks[1]) is APPLIED
    row = ledger.row(operation_id)
    assert (row.status, row.result) == (COMPLETED, 1)
    assert row.attention is not None
    assert row.attention.kind is AttentionKind.DIVERGED


async def test_an_execution_deleted_while_running_is_terminated() -> None:
    """The engine calls as for a termination and then no longer knows the execution, so the callback counts."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.delete(operation_id)
    assert await ledger.call_back(the_call(ledger)) is APPLIED
    error = ledger.row(operation_id).error
    assert error is not None
    assert error.code is ErrorCode.TERMINATED


async def test_an_execution_deleted_before_it_ran_is_not_started_again() -> None:
    """The callback says that it ended, so NOT_FOUND is no reason to start it."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.dispatched()
    ledger.world.delete(operation_id)
    ledger.pass_time(minutes=2)
    assert await ledger.call_back(the_call(ledger)) is APPLIED
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, FAILED]


async def test_during_an_outage_the_question_is_planned() -> None:
    """It is stored before the response."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.terminate_from_outside(operation_id, "too dear", "bob")
    ledger.engine.break_for("observe", None, DOWN)
    assert await ledger.call_back(the_call(ledger)) is CallbackOutcome.DEFERRED
    assert ledger.row(operation_id).follow_up.due_at == ledger.clock.now()
    ledger.engine.before.clear()
    await ledger.follow_up(1)
    assert ledger.status(operation_id) is FAILED


@pytest.mark.parametrize("claimed", [False, True])
@pytest.mark.parametrize("overdue", [False, True])
async def test_a_late_report_of_the_start_does_not_cancel_the_planned_question(overdue: bool, claimed: bool) -> None:
    """The callback is answered and the question planned, or claimed by a process that crashes. Then the first report
    of the workflow arrives. Also if the routine question had been due before the callback."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.dispatched()
    ledger.world.pick_up(operation_id)
    ledger.world.terminate_from_outside(operation_id, "too dear", "bob")
    ledger.engine.break_for("observe", None, DOWN)
    ledger.pass_time(seconds=3 if overdue else 1)
    assert await ledger.call_back(the_call(ledger)) is CallbackOutcome.DEFERRED
    ledger.engine.before.clear()
    assert await ledger.killed(ledger.follow_up(1), 4) if claimed else True
    await ledger.report(operation_id, ReportKind.STARTED)
    assert ledger.status(operation_id) is RUNNING
    ledger.pass_time(seconds=31)
    await ledger.follow_up(1)
    assert ledger.status(operation_id) is FAILED


async def test_during_an_outage_a_callback_of_a_final_operation_is_refused() -> None:
    """No later question would find the contradiction, so the engine has to call again."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, "at first")
    assert await ledger.call_back(the_call(ledger)) is APPLIED
    ledger.world.reset(operation_id)
    ledger.world.terminate_from_outside(operation_id, "too dear", "bob")
    ledger.engine.break_for("observe", None, DOWN)
    with pytest.raises(EngineUnavailable):
        await ledger.call_back(ledger.world.callbacks[1])
    ledger.engine.before.clear()
    ledger.pass_time(seconds=1)
    assert await ledger.call_back(ledger.world.callbacks[1]) is APPLIED
    attention = ledger.row(operation_id).attention
    assert attention is not None
    assert attention.kind is AttentionKind.DIVERGED


async def test_during_an_outage_a_callback_before_the_dispatch_is_refused() -> None:
    """The dispatcher would ask, but a late report of the start may come first. The engine calls again."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    ledger.world.pick_up(operation_id)
    ledger.world.terminate_from_outside(operation_id, "too dear", "bob")
    ledger.engine.break_for("observe", None, DOWN)
    with pytest.raises(EngineUnavailable):
        await ledger.call_back(the_call(ledger))
    await ledger.report(operation_id, ReportKind.STARTED)
    assert await ledger.call_back(the_call(ledger)) is CallbackOutcome.DEFERRED
    ledger.engine.before.clear()
    await ledger.follow_up(1)
    assert ledger.status(operation_id) is FAILED


async def test_a_callback_of_an_unknown_operation_is_refused() -> None:
    """The callback may come before the row is visible. A token is valid for its own tenant only."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.complete(operation_id)
    message = the_call(ledger).message
    for said in (message, CallbackMessage({}, b"")):
        assert await ledger.receiver.receive(UUID(int=7), "default", said) is CallbackOutcome.UNKNOWN_OPERATION
        assert await ledger.receiver.receive(operation_id, "other", said) is CallbackOutcome.UNKNOWN_OPERATION
    assert ledger.status(operation_id) is RUNNING
    assert ledger.metrics.callbacks == {CallbackOutcome.UNKNOWN_OPERATION: 4}


async def test_an_unreadable_callback_is_kept_and_asked_about() -> None:
    """A part of the body, of a limited number of callbacks."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    message = CallbackMessage({"content-type": "text/html", "secret": "s"}, b"\x00\xff<html>" + b"x" * 100_000)
    assert await ledger.receiver.receive(operation_id, "default", message) is CallbackOutcome.UNREADABLE
    line = ledger.history(operation_id)[-1]
    assert (line.source, line.from_status, line.to_status) == (Source.CALLBACK, RUNNING, RUNNING)
    body = line.details["body"]
    assert isinstance(body, str)
    assert "<html>" in body
    assert len(body) == MAX_KEPT_CHARS
    assert line.details["content_type"] == "text/html"
    assert "secret" not in str(line.details)
    assert ledger.row(operation_id).follow_up.due_at == ledger.clock.now()
    for _ in range(2 * REPEATED_EVENT_LIMIT):
        await ledger.receiver.receive(operation_id, "default", message)
    assert len(ledger.history(operation_id)) == REPEATED_EVENT_LIMIT
    assert ledger.status(operation_id) is RUNNING


async def test_an_unreadable_callback_of_a_final_operation_is_only_kept() -> None:
    """The history keeps it."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, 1)
    await ledger.call_back(the_call(ledger))
    message = CallbackMessage({}, b"")
    assert await ledger.receiver.receive(operation_id, "default", message) is CallbackOutcome.UNREADABLE
    assert (ledger.status(operation_id), ledger.row(operation_id).result) == (COMPLETED, 1)


async def test_an_encoded_result_is_fetched() -> None:
    """Encrypted or custom payloads are read through the engine with the configured converter. If that fails too, the
    report counts."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    await ledger.report(operation_id, ReportKind.COMPLETED, result={"a": 1})
    ledger.world.complete(operation_id, unreadable="its encoding is binary/encrypted")
    assert await ledger.call_back(the_call(ledger)) is APPLIED
    assert ledger.engine.calls["observe"] == [operation_id]
    assert (ledger.status(operation_id), ledger.row(operation_id).result) == (COMPLETED, {"a": 1})


@pytest.mark.parametrize("step", range(10))
async def test_a_crash_at_any_step_loses_no_callback(step: int) -> None:
    """An answered callback is stored; an unanswered one comes again."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.running()
    ledger.world.terminate_from_outside(operation_id, "too dear", "bob")
    await ledger.killed(ledger.call_back(the_call(ledger)), step)
    await ledger.call_back(the_call(ledger))
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, FAILED]


async def test_a_report_after_the_callback_does_not_cancel_the_question() -> None:
    """The callback was answered because the engine will be asked."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.dispatched()
    ledger.world.pick_up(operation_id)
    ledger.world.terminate_from_outside(operation_id, "too dear", "bob")
    ledger.world.go_down()
    assert await ledger.call_back(the_call(ledger)) is CallbackOutcome.DEFERRED
    ledger.pass_time(milliseconds=5)
    await ledger.report(operation_id, ReportKind.STARTED)
    ledger.world.come_back()
    await ledger.follow_up(1)
    assert ledger.status(operation_id) is FAILED
