"""WatchStarts: sees unreported starts soon, at a cost that does not grow with the waiting operations."""

from datetime import timedelta

import pytest

from application.batching.step_result import StepResult
from application.converge.start_watch import FIRST_SAMPLE, INTERVAL, REPORT_DELAY
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger.in_memory import FakeLedger

ACCEPTED, RUNNING, COMPLETED = OperationStatus.ACCEPTED, OperationStatus.RUNNING, OperationStatus.COMPLETED


async def watch(ledger: FakeLedger) -> StepResult:
    """Runs one watch."""
    ledger.clock.advance(INTERVAL)
    return await ledger.start_watch.step(1)


@pytest.mark.parametrize("callbacks", [False, True], ids=["no callbacks", "callbacks"])
async def test_an_unreported_start_is_seen_by_the_next_watch(callbacks: bool) -> None:
    """However long the operation has waited."""
    ledger = FakeLedger(callbacks=callbacks)
    operation_id = await ledger.dispatched()
    ledger.pass_time(hours=3)
    await watch(ledger)
    assert ledger.status(operation_id) is ACCEPTED
    ledger.world.pick_up(operation_id)
    await watch(ledger)
    assert ledger.status(operation_id) is RUNNING
    assert ledger.history(operation_id)[-1].source is Source.CONFIRMATION
    assert await watch(ledger) == StepResult(0)


async def test_an_unreported_execution_that_closed_is_seen_as_closed() -> None:
    """It started and closed between two watches."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.dispatched()
    ledger.world.complete(operation_id, 7)
    await watch(ledger)
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]


async def test_a_workflow_that_reports_costs_no_question() -> None:
    """The report arrives before the watch asks."""
    ledger = FakeLedger()
    await ledger.running()
    await ledger.dispatched()
    ledger.clock.advance(REPORT_DELAY - timedelta(milliseconds=1))
    assert await ledger.start_watch.step(1) == StepResult(0)
    assert ledger.engine.calls["observe"] == []


async def test_a_thousand_waiting_operations_cost_eight_questions() -> None:
    """The watch asks about both ends of the queue only."""
    ledger = FakeLedger()
    for _ in range(1_000):
        await ledger.submit()
    while (await ledger.dispatch(100)).found:
        pass
    for _ in range(3):
        ledger.engine.calls.clear()
        assert await watch(ledger) == StepResult(2 * FIRST_SAMPLE)
        assert len(ledger.engine.calls["observe"]) == 2 * FIRST_SAMPLE


@pytest.mark.parametrize("from_the_end", [False, True], ids=["oldest first", "newest first"])
async def test_all_started_executions_are_seen_in_one_watch(from_the_end: bool) -> None:
    """The watch continues while half of the operations asked about had started."""
    ledger = FakeLedger()
    ids = []
    for _ in range(400):
        ids.append(await ledger.dispatched())
        ledger.pass_time(milliseconds=1)
    taken = ids[300:] if from_the_end else ids[:100]
    for operation_id in taken:
        ledger.world.pick_up(operation_id)
    for _ in range(3):
        await watch(ledger)
    assert {ledger.status(operation_id) for operation_id in taken} == {RUNNING}
    assert len(ledger.engine.calls["observe"]) < 300


async def test_a_type_without_worker_delays_no_other_type() -> None:
    """Each type is a queue of its own."""
    ledger = FakeLedger()
    for _ in range(50):
        await ledger.dispatched()
    other = await ledger.submit(type="other")
    await ledger.dispatch(1)
    for _ in range(50):
        await ledger.dispatched()
    ledger.world.pick_up(other)
    await watch(ledger)
    assert ledger.status(other) is RUNNING


async def test_workers_share_the_lease() -> None:
    """One worker asks about an operation in each interval, however many run."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.clock.advance(INTERVAL)
    for _ in range(5):
        await ledger.start_watch.step(1)
    assert ledger.engine.calls["observe"] == [operation_id]


async def test_an_outage_costs_one_question_per_interval() -> None:
    """At most one question and one ping for each operation."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.go_down()
    assert await watch(ledger) == StepResult(0, engine_available=False)
    ledger.world.come_back()
    ledger.world.pick_up(operation_id)
    await watch(ledger)
    assert ledger.status(operation_id) is RUNNING


async def test_an_execution_that_is_not_visible_yet_changes_nothing() -> None:
    """Hazard 20: an early question writes no row."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.lose(operation_id)
    before = ledger.row(operation_id)
    for _ in range(5):
        await watch(ledger)
    assert ledger.row(operation_id) == before
