"""FollowUp: delivers cancellation requests, and asks the engine soon, with growing waits, no longer than needed."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from application.batching.step_result import StepResult
from application.dispatch.dispatch import FIRST_QUESTION
from application.ports.engine.workflow_engine import PayloadsUnavailable
from domain.evidence.reporting import CONFIRM_AFTER
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from domain.scheduling.schedule import FollowUp
from tests.support.ledger.in_memory import DOWN, LEASE, FakeLedger

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED


def due(ledger: FakeLedger, operation_id: UUID) -> datetime:
    """Returns when the next question is due."""
    due_at = ledger.row(operation_id).follow_up.due_at
    assert due_at is not None
    return due_at


async def next_step(ledger: FakeLedger, operation_id: UUID) -> float:
    """Waits until the question is due, and has it asked. Returns the seconds waited."""
    wait = due(ledger, operation_id) - ledger.clock.now()
    if wait.total_seconds() > 0:
        ledger.clock.advance(wait / 2)
        assert await ledger.follow_up(1) == StepResult(0)
        ledger.clock.advance(wait - wait / 2)
    assert await ledger.follow_up(1) == StepResult(1)
    return wait.total_seconds()


async def waits(ledger: FakeLedger, operation_id: UUID, count: int) -> list[float]:
    """Returns the waits before that many questions."""
    return [await next_step(ledger, operation_id) for _ in range(count)]


async def reported(kind: ReportKind = ReportKind.COMPLETED, **fields: Any) -> tuple[FakeLedger, UUID]:
    """Adds a running operation whose workflow has reported its outcome and has not closed."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await ledger.report(operation_id, kind, **fields)
    return ledger, operation_id


@pytest.mark.parametrize("callbacks", [False, True], ids=["no callbacks", "callbacks"])
async def test_an_unreported_start_is_asked_about_with_growing_waits(callbacks: bool) -> None:
    """Hazard 17: after 10 s, then with doubled waits up to 10 minutes, without end. The start watch sees most starts
    before."""
    ledger = FakeLedger(callbacks=callbacks)
    operation_id = await ledger.dispatched()
    assert await waits(ledger, operation_id, 9) == [10, 10, 20, 40, 80, 160, 320, 600, 600]
    assert ledger.status(operation_id) is ACCEPTED
    assert len(ledger.history(operation_id)) == 1


async def test_a_running_operation_is_not_asked_about() -> None:
    """Only the scheduled reconciliation does."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.pick_up(operation_id)
    await next_step(ledger, operation_id)
    assert ledger.status(operation_id) is RUNNING
    assert ledger.history(operation_id)[-1].source is Source.CONFIRMATION
    assert ledger.row(operation_id).follow_up == FollowUp()


async def test_an_observation_of_running_ends_the_questions() -> None:
    """Unless an outcome or a cancellation waits for an answer."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    async with ledger.store.units() as unit:
        await unit.operations.set_follow_up(ledger.row(operation_id), FollowUp(ledger.clock.now(), 3))
        await unit.commit()
    assert await ledger.follow_up(1) == StepResult(1)
    assert ledger.row(operation_id).follow_up == FollowUp()


async def test_a_report_of_the_start_cancels_the_question() -> None:
    """A workflow that reports costs no call to the engine."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.clock.advance(FIRST_QUESTION * 10)
    assert await ledger.follow_up(10) == StepResult(0)
    assert ledger.status(operation_id) is RUNNING
    assert not ledger.engine.calls["observe"]


async def test_reported_outcome_is_confirmed_soon() -> None:
    """P3, P4: the engine is asked within 50 ms of the report, and its answer becomes the status. Then nothing is
    due."""
    ledger, operation_id = await reported(result={"n": 1})
    ledger.world.complete(operation_id, {"n": 1})
    assert await next_step(ledger, operation_id) == CONFIRM_AFTER.total_seconds()
    row = ledger.row(operation_id)
    assert (row.status, row.result, row.follow_up, row.reported) == (COMPLETED, {"n": 1}, FollowUp(), None)
    assert ledger.history(operation_id)[-1].source is Source.CONFIRMATION
    ledger.pass_time(hours=1)
    assert await ledger.follow_up(10) == StepResult(0)


async def test_a_reported_outcome_waits_while_the_execution_is_open() -> None:
    """Hazard 16: the questions get less frequent."""
    ledger, operation_id = await reported()
    asked = await waits(ledger, operation_id, 13)
    assert asked == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60]
    assert ledger.status(operation_id) is RUNNING


async def test_the_engine_overrules_a_reported_outcome() -> None:
    """Hazard 16: reported COMPLETED, then terminated. The history keeps the report."""
    ledger, operation_id = await reported(result=1)
    ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    await next_step(ledger, operation_id)
    row, line = ledger.row(operation_id), ledger.history(operation_id)[-1]
    assert row.error is not None
    assert (row.status, row.result, row.error.code) == (FAILED, None, ErrorCode.TERMINATED)
    assert (line.actor, line.details["reported"]) == ("operator", "COMPLETED")


async def test_the_last_result_counts_if_a_close_was_refused() -> None:
    """Hazard 16: the workflow went on after its report, and completed with another result."""
    ledger, operation_id = await reported(result="first")
    await next_step(ledger, operation_id)
    ledger.world.complete(operation_id, "second")
    await next_step(ledger, operation_id)
    assert ledger.row(operation_id).result == "second"


async def test_a_failed_attempt_that_is_retried_leaves_nothing_behind() -> None:
    """Hazard 11: the engine says RUNNING."""
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


async def test_a_report_during_the_question_plans_the_next_one() -> None:
    """The older plan is dropped."""
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
    """The engine gets the request at once, and is asked about the outcome 50 ms later."""
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


async def test_force_terminates_in_the_same_step() -> None:
    """`force` terminates the execution in the same step, without the workflow's consent."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await ledger.cancel(operation_id, force=True)
    await next_step(ledger, operation_id)
    error = ledger.row(operation_id).error
    assert error is not None
    assert (error.code, error.message) == (ErrorCode.TERMINATED, "no need")
    assert not ledger.engine.calls["cancel"]


async def test_force_after_a_plain_cancel_is_delivered_too() -> None:
    """A workflow that ignores the cancellation can still be terminated."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await ledger.cancel(operation_id)
    await next_step(ledger, operation_id)
    await ledger.cancel(operation_id, force=True)
    await next_step(ledger, operation_id)
    assert ledger.status(operation_id) is FAILED
    assert (len(ledger.engine.calls["cancel"]), len(ledger.engine.calls["terminate"])) == (1, 1)


async def test_force_during_the_delivery_of_a_plain_cancel_is_delivered() -> None:
    """The delivery of the older request does not count for the newer one."""
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


async def test_cancel_of_a_closed_execution_records_its_outcome() -> None:
    """A late cancellation changes no outcome."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, [1])
    await ledger.cancel(operation_id)
    await next_step(ledger, operation_id)
    assert (ledger.status(operation_id), ledger.row(operation_id).result) == (COMPLETED, [1])


async def test_cancel_is_delivered_once_after_an_outage() -> None:
    """P5: the request is kept and retried with growing waits while the engine is down."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.go_down()
    await ledger.cancel(operation_id, force=True)
    asked = []
    for _ in range(9):
        ledger.clock.advance(max(due(ledger, operation_id) - ledger.clock.now(), FIRST_QUESTION * 0))
        assert await ledger.follow_up(5) == StepResult(1, engine_available=False)
        asked.append((due(ledger, operation_id) - ledger.clock.now()).total_seconds())
    assert asked == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert ledger.status(operation_id) is RUNNING
    ledger.world.come_back()
    await next_step(ledger, operation_id)
    assert ledger.status(operation_id) is FAILED


def fails(error: Exception) -> Callable[[], Awaitable[None]]:
    """Returns a hook that raises the error."""

    async def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(("error", "available"), [(RuntimeError("a bug"), True), (DOWN, False)], ids=["bug", "outage"])
async def test_one_failing_operation_stops_no_other(error: Exception, available: bool) -> None:
    """Hazard 5: the step follows up the others; the failing one is due again."""
    ledger = FakeLedger()
    ids = [await ledger.dispatched() for _ in range(7)]
    for operation_id in ids:
        ledger.world.complete(operation_id, 1)
    ledger.clock.advance(FIRST_QUESTION)
    ledger.engine.before[("observe", ids[3])] = fails(error)
    assert await ledger.follow_up(100) == StepResult(7, engine_available=available)
    assert [ledger.status(operation_id) for operation_id in ids].count(COMPLETED) == 6
    ledger.engine.before.clear()
    ledger.clock.advance(LEASE)
    await ledger.follow_up(100)
    assert ledger.status(ids[3]) is COMPLETED


@pytest.mark.parametrize("step", range(24))
async def test_a_crash_at_any_step_does_not_lose_the_cancel(step: int) -> None:
    """The next step after the lease delivers it, once."""
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
    assert await ledger.follow_up(1) == StepResult(0)


async def test_missing_execution_is_waited_for_then_started_again() -> None:
    """Hazard 20: a missing execution is asked about again during the grace, and started again after it."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.lose(operation_id)
    await waits(ledger, operation_id, 2)  # 20 s of the grace of 30 s
    assert ledger.row(operation_id).dispatch.due_at is None
    await next_step(ledger, operation_id)
    assert ledger.row(operation_id).dispatch.due_at == ledger.clock.now()
    assert ledger.row(operation_id).follow_up == FollowUp()
    await ledger.dispatch(1)
    assert len(ledger.world.starts) == 2


async def test_unknown_state_changes_nothing_and_is_asked_again() -> None:
    """Hazard 18: a state of a later server version is no end; the question stays."""
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
async def test_a_lost_execution_is_not_started_again_after_a_cancel(lost: str) -> None:
    """Hazards 2 and 3: the engine lost the execution that the request was for. A new one would run uncancelled."""
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


async def test_cancel_of_an_execution_that_is_not_visible_yet_is_delivered_later() -> None:
    """Hazard 20 (fail-over, replication): a cancel of an unknown execution, which the engine accepts silently, does
    not count as delivered."""
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
    """The engine answers, but the payloads cannot be decoded: the question is planned again, at the usual pace."""
    ledger, operation_id = await reported(result=1)
    ledger.world.complete(operation_id, 1)
    ledger.clock.advance(CONFIRM_AFTER)
    ledger.engine.break_for("observe", operation_id, PayloadsUnavailable("the payload codec is unavailable"))
    assert await ledger.follow_up(1) == StepResult(1, engine_available=True)
    assert ledger.status(operation_id) is RUNNING
    assert due(ledger, operation_id) > ledger.clock.now()
    ledger.engine.before.clear()
    await next_step(ledger, operation_id)
    assert (ledger.status(operation_id), ledger.row(operation_id).result) == (COMPLETED, 1)
