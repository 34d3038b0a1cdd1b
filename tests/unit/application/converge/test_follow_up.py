"""Following up: cancels are delivered, and the engine is asked soon, ever less often, and no longer than needed."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from application.batching.claim_loop import ClaimResult
from application.dispatch.dispatch import FIRST_QUESTION
from application.ports.workflow_engine import PayloadsUnavailable
from domain.evidence.reporting import CONFIRM_AFTER
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from domain.scheduling.schedule import FollowUp
from tests.support.ledger import DOWN, LEASE, FakeLedger

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED


def due(ledger: FakeLedger, operation_id: UUID) -> datetime:
    """When its next question is due."""
    due_at = ledger.row(operation_id).follow_up.due_at
    assert due_at is not None
    return due_at


async def next_step(ledger: FakeLedger, operation_id: UUID) -> float:
    """Wait until the question is due, not a moment less, and have it asked; how many seconds that took."""
    wait = due(ledger, operation_id) - ledger.clock.now()
    if wait.total_seconds() > 0:
        ledger.clock.advance(wait / 2)
        assert await ledger.follow_up(1) == ClaimResult(0)
        ledger.clock.advance(wait - wait / 2)
    assert await ledger.follow_up(1) == ClaimResult(1)
    return wait.total_seconds()


async def waits(ledger: FakeLedger, operation_id: UUID, count: int) -> list[float]:
    """The waits of so many questions in a row."""
    return [await next_step(ledger, operation_id) for _ in range(count)]


async def reported(kind: ReportKind = ReportKind.COMPLETED, **fields: Any) -> tuple[FakeLedger, UUID]:
    """A running operation whose workflow has reported its outcome, and is not closed yet."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await ledger.report(operation_id, kind, **fields)
    return ledger, operation_id


@pytest.mark.parametrize("callbacks", [False, True], ids=["no callbacks", "callbacks"])
async def test_start_is_asked_about_ever_less_often(callbacks: bool) -> None:
    """Hazard 17: what has not reported is asked about after 10 s, then with doubled waits up to 10 minutes, for ever.
    The start watch sees most starts before."""
    ledger = FakeLedger(callbacks=callbacks)
    operation_id = await ledger.dispatched()
    assert await waits(ledger, operation_id, 9) == [10, 10, 20, 40, 80, 160, 320, 600, 600]
    assert ledger.status(operation_id) is ACCEPTED
    assert len(ledger.history(operation_id)) == 1


async def test_questions_end_once_it_runs() -> None:
    """A running operation without news is asked about by nobody but the scheduled reconciliation."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.pick_up(operation_id)
    await next_step(ledger, operation_id)
    assert ledger.status(operation_id) is RUNNING
    assert ledger.history(operation_id)[-1].source is Source.CONFIRMATION
    assert ledger.row(operation_id).follow_up == FollowUp()


async def test_question_about_a_running_one_is_the_last() -> None:
    """An observation of RUNNING ends the questions when no outcome and no cancel wait for an answer."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    async with ledger.store.units() as unit:
        await unit.operations.set_follow_up(ledger.row(operation_id), FollowUp(ledger.clock.now(), 3))
        await unit.commit()
    assert await ledger.follow_up(1) == ClaimResult(1)
    assert ledger.row(operation_id).follow_up == FollowUp()


async def test_report_before_the_question_makes_it_needless() -> None:
    """A workflow that reports by itself costs no call to the engine."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.clock.advance(FIRST_QUESTION * 10)
    assert await ledger.follow_up(10) == ClaimResult(0)
    assert ledger.status(operation_id) is RUNNING
    assert not ledger.engine.calls["observe"]


async def test_reported_outcome_is_confirmed_soon() -> None:
    """P3, P4: after a report the engine is asked within 50 ms, and its word makes the status; then nothing is due."""
    ledger, operation_id = await reported(result={"n": 1})
    ledger.world.complete(operation_id, {"n": 1})
    assert await next_step(ledger, operation_id) == CONFIRM_AFTER.total_seconds()
    row = ledger.row(operation_id)
    assert (row.status, row.result, row.follow_up, row.reported) == (COMPLETED, {"n": 1}, FollowUp(), None)
    assert ledger.history(operation_id)[-1].source is Source.CONFIRMATION
    ledger.pass_time(hours=1)
    assert await ledger.follow_up(10) == ClaimResult(0)


async def test_close_that_lets_wait_is_asked_about_ever_less_often() -> None:
    """Hazard 16: while the engine says that it runs, the reported outcome waits, and the questions thin out."""
    ledger, operation_id = await reported()
    asked = await waits(ledger, operation_id, 13)
    assert asked == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60]
    assert ledger.status(operation_id) is RUNNING


async def test_reported_completed_then_terminated() -> None:
    """Hazard 16: the engine's word wins, and what the workflow had reported is in the history."""
    ledger, operation_id = await reported(result=1)
    ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    await next_step(ledger, operation_id)
    row, line = ledger.row(operation_id), ledger.history(operation_id)[-1]
    assert row.error is not None
    assert (row.status, row.result, row.error.code) == (FAILED, None, ErrorCode.TERMINATED)
    assert (line.actor, line.details["reported"]) == ("operator", "COMPLETED")


async def test_reported_completed_then_completed_with_another_result() -> None:
    """Hazard 16: the close was refused once, the workflow went on, and its last result is the operation's."""
    ledger, operation_id = await reported(result="first")
    await next_step(ledger, operation_id)
    ledger.world.complete(operation_id, "second")
    await next_step(ledger, operation_id)
    assert ledger.row(operation_id).result == "second"


async def test_reported_failure_of_an_attempt_that_is_retried() -> None:
    """Hazard 11: the engine says RUNNING, and the failed attempt leaves nothing behind."""
    error = OperationError(ErrorCode.WORKFLOW_FAILED, "attempt 1")
    ledger, operation_id = await reported(ReportKind.FAILED, error=error, provisional=True)
    ledger.world.retry_attempt(operation_id)
    await next_step(ledger, operation_id)
    await ledger.report(operation_id, ReportKind.STARTED, attempt=2)
    ledger.world.complete(operation_id, 2)
    await ledger.report(operation_id, ReportKind.COMPLETED, attempt=2, result=2)
    await next_step(ledger, operation_id)
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]
    assert ledger.row(operation_id).error is None
    assert "reported" not in ledger.history(operation_id)[-1].details


async def test_report_while_the_engine_is_asked_keeps_its_own_date() -> None:
    """A change that comes in during the question has planned the next one; the older plan is dropped."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.clock.advance(FIRST_QUESTION)

    async def meanwhile() -> None:
        ledger.world.pick_up(operation_id)
        await ledger.report(operation_id, ReportKind.COMPLETED)

    ledger.engine.after[("observe", operation_id)] = meanwhile
    await ledger.follow_up(1)
    assert due(ledger, operation_id) == ledger.clock.now() + CONFIRM_AFTER


async def test_cancel_is_delivered_once_with_its_reason() -> None:
    """The engine is told at once, is asked 50 ms later what came of it, and is told no second time."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await ledger.cancel(operation_id, actor="alice")
    assert await next_step(ledger, operation_id) == 0
    request = ledger.row(operation_id).cancel_request
    assert request is not None
    assert (request.delivered_at, request.by) == (ledger.clock.now(), "alice")
    asked = await waits(ledger, operation_id, 3)
    assert asked == [0.1, 0.2, 0.4]
    assert ledger.status(operation_id) is RUNNING
    ledger.world.cancel_acknowledged(operation_id)
    await next_step(ledger, operation_id)
    error = ledger.row(operation_id).error
    assert error is not None
    assert (error.code, error.message) == (ErrorCode.CANCELED, "no need")
    assert ledger.engine.calls["cancel"] == [operation_id]


async def test_force_terminates() -> None:
    """`force` ends it in the same step, without the workflow's consent."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await ledger.cancel(operation_id, force=True)
    await next_step(ledger, operation_id)
    error = ledger.row(operation_id).error
    assert error is not None
    assert (error.code, error.message) == (ErrorCode.TERMINATED, "no need")
    assert not ledger.engine.calls["cancel"]


async def test_force_after_a_plain_cancel_is_delivered_too() -> None:
    """A workflow that does not give way can still be ended."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await ledger.cancel(operation_id)
    await next_step(ledger, operation_id)
    await ledger.cancel(operation_id, force=True)
    await next_step(ledger, operation_id)
    assert ledger.status(operation_id) is FAILED
    assert (len(ledger.engine.calls["cancel"]), len(ledger.engine.calls["terminate"])) == (1, 1)


async def test_force_that_comes_while_the_plain_one_is_delivered() -> None:
    """The newer request is not taken for delivered because the older one was."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await ledger.cancel(operation_id)

    async def meanwhile() -> None:
        await ledger.cancel(operation_id, force=True)

    ledger.engine.after[("cancel", operation_id)] = meanwhile
    await ledger.follow_up(1)
    assert ledger.row(operation_id).cancel_pending
    await next_step(ledger, operation_id)
    assert ledger.status(operation_id) is FAILED


async def test_cancel_of_what_has_closed_gives_its_true_outcome() -> None:
    """A cancel that comes too late changes no outcome."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, [1])
    await ledger.cancel(operation_id)
    await next_step(ledger, operation_id)
    assert (ledger.status(operation_id), ledger.row(operation_id).result) == (COMPLETED, [1])


async def test_cancel_waits_for_an_outage_to_end() -> None:
    """P5: kept while the engine is down, tried with growing waits, delivered once when it is back."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.go_down()
    await ledger.cancel(operation_id, force=True)
    asked = []
    for _ in range(9):
        ledger.clock.advance(max(due(ledger, operation_id) - ledger.clock.now(), FIRST_QUESTION * 0))
        assert await ledger.follow_up(5) == ClaimResult(1, engine_available=False)
        asked.append((due(ledger, operation_id) - ledger.clock.now()).total_seconds())
    assert asked == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert ledger.status(operation_id) is RUNNING
    ledger.world.come_back()
    await next_step(ledger, operation_id)
    assert ledger.status(operation_id) is FAILED


def fails(error: Exception) -> Callable[[], Awaitable[None]]:
    """A hook that raises it."""

    async def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(("error", "available"), [(RuntimeError("a bug"), True), (DOWN, False)], ids=["bug", "outage"])
async def test_one_bad_row_stops_no_other(error: Exception, available: bool) -> None:
    """Hazard 5: the others of the step are followed up; the bad one is due again."""
    ledger = FakeLedger()
    ids = [await ledger.dispatched() for _ in range(7)]
    for operation_id in ids:
        ledger.world.complete(operation_id, 1)
    ledger.clock.advance(FIRST_QUESTION)
    ledger.engine.before[("observe", ids[3])] = fails(error)
    assert await ledger.follow_up(100) == ClaimResult(7, engine_available=available)
    assert [ledger.status(operation_id) for operation_id in ids].count(COMPLETED) == 6
    ledger.engine.before.clear()
    ledger.clock.advance(LEASE)
    await ledger.follow_up(100)
    assert ledger.status(ids[3]) is COMPLETED


@pytest.mark.parametrize("step", range(24))
async def test_crash_anywhere_delivers_the_cancel_all_the_same(step: int) -> None:
    """Killed at any step of delivering and asking, the next one after the lease finishes it, once."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await ledger.cancel(operation_id, force=True)
    assert await ledger.killed(ledger.follow_up(1), step)
    ledger.clock.advance(LEASE)
    await ledger.follow_up(1)
    error = ledger.row(operation_id).error
    assert error is not None
    assert error.code is ErrorCode.TERMINATED
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, FAILED]
    ledger.pass_time(hours=1)
    assert await ledger.follow_up(1) == ClaimResult(0)


async def test_missing_execution_is_waited_for_then_started_again() -> None:
    """Hazard 20: what the engine does not show yet is asked about again; only after the grace it is started again."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.lose(operation_id)
    await waits(ledger, operation_id, 2)  # 20 s of the 30
    assert ledger.row(operation_id).dispatch.due_at is None
    await next_step(ledger, operation_id)
    assert ledger.row(operation_id).dispatch.due_at == ledger.clock.now()
    assert ledger.row(operation_id).follow_up == FollowUp()
    await ledger.dispatch(1)
    assert len(ledger.world.starts) == 2


async def test_unknown_state_changes_nothing_and_is_asked_again() -> None:
    """Hazard 18: a state of a later engine is no end; the question stays."""
    ledger, operation_id = await reported()
    ledger.world.report_unknown_state(operation_id)
    before = ledger.row(operation_id)
    await next_step(ledger, operation_id)
    assert ledger.row(operation_id).version == before.version
    ledger.world.report_unknown_state(operation_id, False)
    ledger.world.complete(operation_id)
    await next_step(ledger, operation_id)
    assert ledger.status(operation_id) is COMPLETED


@pytest.mark.parametrize("lost", ["before the cancel", "after the cancel"])
async def test_a_cancelled_execution_that_got_lost_is_not_started_again(lost: str) -> None:
    """Hazards 2 and 3: the engine lost the execution that the request was for; another one is not started in its place,
    and does not run as if nobody had cancelled."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    if lost == "before the cancel":
        ledger.world.lose(operation_id)
    await ledger.cancel(operation_id)
    await ledger.follow_up(1)
    if lost == "after the cancel":
        ledger.world.lose(operation_id)
    ledger.pass_time(minutes=1)
    await ledger.follow_up(1)
    await ledger.dispatch(1)
    assert len(ledger.world.starts) == 1
    error = ledger.row(operation_id).error
    assert error is not None
    assert (error.code, error.message) == (ErrorCode.CANCELED, "no need")


async def test_cancel_of_an_execution_that_does_not_show_yet_is_delivered_once_it_does() -> None:
    """Hazard 20: the engine says nothing when it is told to cancel what it does not know (fail-over, replication):
    that is no delivery."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.lose(operation_id)
    await ledger.cancel(operation_id)
    await ledger.follow_up(1)
    assert ledger.row(operation_id).cancel_pending
    ledger.world.find_again(operation_id)
    ledger.world.pick_up(operation_id)
    await next_step(ledger, operation_id)
    assert not ledger.row(operation_id).cancel_pending
    ledger.world.cancel_acknowledged(operation_id)
    await next_step(ledger, operation_id)
    error = ledger.row(operation_id).error
    assert error is not None
    assert error.code is ErrorCode.CANCELED


async def test_codec_outage_delays_one_operation_and_no_other() -> None:
    """The engine answers and this one's payloads cannot be decoded: the question is planned again, and the loop keeps
    its pace."""
    ledger, operation_id = await reported(result=1)
    ledger.world.complete(operation_id, 1)
    ledger.clock.advance(CONFIRM_AFTER)
    ledger.engine.break_for("observe", operation_id, PayloadsUnavailable("the payload codec is unavailable"))
    assert await ledger.follow_up(1) == ClaimResult(1, engine_available=True)
    assert ledger.status(operation_id) is RUNNING
    assert due(ledger, operation_id) > ledger.clock.now()
    ledger.engine.before.clear()
    await next_step(ledger, operation_id)
    assert (ledger.status(operation_id), ledger.row(operation_id).result) == (COMPLETED, 1)
