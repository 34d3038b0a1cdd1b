"""The start watch: RUNNING is seen soon without a report, at a cost that does not grow with what waits."""

from datetime import timedelta

import pytest

from application.batching.claim_loop import ClaimResult
from application.converge.start_watch import FIRST_SAMPLE, INTERVAL, REPORT_DELAY
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger import FakeLedger

ACCEPTED, RUNNING, COMPLETED = OperationStatus.ACCEPTED, OperationStatus.RUNNING, OperationStatus.COMPLETED


async def turn(ledger: FakeLedger) -> ClaimResult:
    """The next turn."""
    ledger.clock.advance(INTERVAL)
    return await ledger.start_watch.step(1)


@pytest.mark.parametrize("callbacks", [False, True], ids=["no callbacks", "callbacks"])
async def test_a_start_without_report_is_seen_in_the_next_turn(callbacks: bool) -> None:
    """However long it has waited."""
    ledger = FakeLedger(callbacks=callbacks)
    operation_id = await ledger.dispatched()
    ledger.pass_time(hours=3)
    await turn(ledger)
    assert ledger.status(operation_id) is ACCEPTED
    ledger.world.pick_up(operation_id)
    await turn(ledger)
    assert ledger.status(operation_id) is RUNNING
    assert ledger.history(operation_id)[-1].source is Source.CONFIRMATION
    assert await turn(ledger) == ClaimResult(0)


async def test_a_quick_workflow_without_report_is_seen_to_have_ended() -> None:
    """Started and closed before anybody looked."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.dispatched()
    ledger.world.complete(operation_id, 7)
    await turn(ledger)
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]


async def test_a_workflow_that_reports_costs_no_question() -> None:
    """It has said so before the watch looks."""
    ledger = FakeLedger()
    await ledger.running()
    await ledger.dispatched()
    ledger.clock.advance(REPORT_DELAY - timedelta(milliseconds=1))
    assert await ledger.start_watch.step(1) == ClaimResult(0)
    assert ledger.engine.calls["observe"] == []


async def test_a_thousand_that_wait_cost_eight_questions_a_turn() -> None:
    """Both ends of the queue are looked at, and nothing else."""
    ledger = FakeLedger()
    for _ in range(1_000):
        await ledger.submit()
    while (await ledger.dispatch(100)).claimed:
        pass
    for _ in range(3):
        ledger.engine.calls.clear()
        assert await turn(ledger) == ClaimResult(2 * FIRST_SAMPLE)
        assert len(ledger.engine.calls["observe"]) == 2 * FIRST_SAMPLE


@pytest.mark.parametrize("from_the_end", [False, True], ids=["oldest first", "newest first"])
async def test_all_that_were_taken_are_seen_in_one_turn(from_the_end: bool) -> None:
    """As long as what it asks about was taken, the watch goes on."""
    ledger = FakeLedger()
    ids = []
    for _ in range(400):
        ids.append(await ledger.dispatched())
        ledger.pass_time(milliseconds=1)
    taken = ids[300:] if from_the_end else ids[:100]
    for operation_id in taken:
        ledger.world.pick_up(operation_id)
    for _ in range(3):
        await turn(ledger)
    assert {ledger.status(operation_id) for operation_id in taken} == {RUNNING}
    assert len(ledger.engine.calls["observe"]) < 300


async def test_a_type_without_worker_hides_no_other() -> None:
    """Each type has a queue of its own."""
    ledger = FakeLedger()
    for _ in range(50):
        await ledger.dispatched()
    other = await ledger.submit(type="other")
    await ledger.dispatch(1)
    for _ in range(50):
        await ledger.dispatched()
    ledger.world.pick_up(other)
    await turn(ledger)
    assert ledger.status(other) is RUNNING


async def test_workers_share_the_turns() -> None:
    """However many watch, each operation is asked about once in a turn."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.clock.advance(INTERVAL)
    for _ in range(5):
        await ledger.start_watch.step(1)
    assert ledger.engine.calls["observe"] == [operation_id]


async def test_an_outage_is_waited_out() -> None:
    """And costs one question and one ping a turn at most for each operation."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.go_down()
    assert await turn(ledger) == ClaimResult(0, engine_available=False)
    ledger.world.come_back()
    ledger.world.pick_up(operation_id)
    await turn(ledger)
    assert ledger.status(operation_id) is RUNNING


async def test_an_execution_that_does_not_show_yet_changes_nothing() -> None:
    """Hazard 20: its row is written for no question that is too early."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.lose(operation_id)
    before = ledger.row(operation_id)
    for _ in range(5):
        await turn(ledger)
    assert ledger.row(operation_id) == before
