"""The close poll: brings ends within seconds where the engine does not call, and asks nothing twice."""

from datetime import timedelta
from uuid import UUID

from application.batching.claim_loop import ClaimResult
from application.converge.close_poll import OVERLAP, TURN
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from tests.support.ledger import CLOSE_POLL, FakeLedger

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED


async def turn(ledger: FakeLedger) -> ClaimResult:
    """The next turn."""
    ledger.clock.advance(CLOSE_POLL)
    return await ledger.close_poll.step(1)


async def test_an_end_without_callback_is_found_in_the_next_turn() -> None:
    """P4 where callbacks are off: no report, no callback, no scheduled pass."""
    ledger = FakeLedger()
    completed, killed, going_on = [await ledger.running() for _ in range(3)]
    never_picked_up = await ledger.dispatched()
    await turn(ledger)
    ledger.world.complete(completed, {"n": 1})
    ledger.world.terminate_from_outside(killed, "too dear", "bob")
    ledger.world.time_out(never_picked_up)
    assert await turn(ledger) == ClaimResult(3, engine_asked=True)
    assert (ledger.status(completed), ledger.row(completed).result) == (COMPLETED, {"n": 1})
    assert ledger.statuses(killed) == [ACCEPTED, RUNNING, FAILED]
    assert ledger.statuses(never_picked_up) == [ACCEPTED, FAILED]
    error = ledger.row(killed).error
    assert error is not None
    assert (error.code, error.message) == (ErrorCode.TERMINATED, "too dear")
    assert ledger.status(going_on) is RUNNING


async def test_one_list_call_a_turn_and_one_question_a_close() -> None:
    """What runs costs nothing, and what was found once neither."""
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(20)]
    ledger.world.complete(ids[3])
    for _ in range(4):
        await turn(ledger)
    assert len(ledger.engine.calls["changed_since"]) == 4
    assert ledger.engine.calls["observe"] == [ids[3]]


async def test_a_close_that_is_no_end_is_asked_about_once() -> None:
    """A run that failed is retried: the index lists the failure for as long as the overlap lasts."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.freeze_listing()
    ledger.world.fail(operation_id, "attempt 1")
    ledger.world.thaw_listing()
    ledger.world.freeze_listing()
    ledger.world.reset(operation_id)
    for _ in range(4):
        await turn(ledger)
    assert ledger.engine.calls["observe"] == [operation_id]
    assert ledger.status(operation_id) is RUNNING
    ledger.world.fail(operation_id, "attempt 2")
    ledger.world.thaw_listing()
    await turn(ledger)
    assert ledger.status(operation_id) is FAILED


async def test_index_that_lags_is_caught_up_with_by_the_overlap() -> None:
    """Hazard 20: a close that is listed late is found as long as the overlap reaches back to it."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await turn(ledger)
    ledger.world.freeze_listing()
    ledger.world.complete(operation_id)
    for _ in range(int(OVERLAP / CLOSE_POLL) - 1):
        await turn(ledger)
    assert ledger.status(operation_id) is RUNNING
    ledger.world.thaw_listing()
    await turn(ledger)
    assert ledger.status(operation_id) is COMPLETED


async def test_nothing_is_listed_while_the_engine_calls_about_all_that_is_open() -> None:
    """Callbacks on: no cost. An operation that was started while they were refused brings the poll back, for as long
    as it is open."""
    ledger = FakeLedger(callbacks=True)
    called = await ledger.running()
    await turn(ledger)
    assert ledger.engine.calls["changed_since"] == []
    ledger.world.refuse_callbacks()
    uncalled = await ledger.running()
    await turn(ledger)
    assert len(ledger.engine.calls["changed_since"]) == 1
    ledger.world.complete(uncalled)
    await turn(ledger)
    assert ledger.status(uncalled) is COMPLETED
    await turn(ledger)
    assert len(ledger.engine.calls["changed_since"]) == 2
    assert ledger.status(called) is RUNNING


async def test_a_long_pause_reads_nothing_from_before_the_oldest_open_operation() -> None:
    """The mark of a month ago does not make the next turn list a month."""
    ledger = FakeLedger()
    ledger.world.complete(first := await ledger.running())
    await turn(ledger)
    ledger.pass_time(days=30)
    listed: list[object] = []
    inner = ledger.world.changed_since

    async def noted(since: object, *args: object, **named: object) -> object:
        listed.append(since)
        return await inner(since, *args, **named)  # type: ignore[arg-type]

    ledger.world.changed_since = noted  # type: ignore[method-assign, assignment]
    accepted_at = ledger.clock.now()
    await ledger.running()
    await turn(ledger)
    assert listed == [accepted_at - OVERLAP]
    assert ledger.status(first) is COMPLETED


async def test_workers_share_the_turns() -> None:
    """However many poll, the index is asked once in each interval."""
    ledger = FakeLedger()
    await ledger.running()
    ledger.clock.advance(CLOSE_POLL)
    for _ in range(5):
        await ledger.close_poll.step(1)
    assert len(ledger.engine.calls["changed_since"]) == 1
    ledger.clock.advance(CLOSE_POLL - timedelta(milliseconds=1))
    assert await ledger.close_poll.step(1) == ClaimResult(0)
    assert len(ledger.engine.calls["changed_since"]) == 1


async def test_all_pages_are_read_before_the_mark_moves() -> None:
    """A turn that is cut short is made up for by the next one."""
    ledger = FakeLedger(index_page=2)
    ids = [await ledger.running() for _ in range(5)]
    await turn(ledger)
    mark = ledger.store._tables.turns[TURN].mark
    for operation_id in ids:
        ledger.world.complete(operation_id)
    ledger.clock.advance(CLOSE_POLL)
    assert await ledger.killed(ledger.close_poll.step(1), 12)
    assert ledger.store._tables.turns[TURN].mark == mark
    ledger.pass_time(minutes=5)
    await turn(ledger)
    assert {ledger.status(operation_id) for operation_id in ids} == {COMPLETED}
    assert ledger.store._tables.turns[TURN].mark == ledger.clock.now()


async def test_outage_is_waited_out() -> None:
    """Nothing is concluded, the mark stays, and the first turn afterwards finds what has closed meanwhile."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await turn(ledger)
    ledger.world.go_down()
    ledger.world.complete(operation_id)
    for _ in range(20):
        assert await turn(ledger) == ClaimResult(0, engine_available=False)
    ledger.world.come_back()
    await turn(ledger)
    assert ledger.status(operation_id) is COMPLETED


async def test_mark_in_the_future_hides_nothing() -> None:
    """Hazard 33: whatever wrote it, the turn begins no later than the database's present, and the mark comes back."""
    ledger = FakeLedger()
    operation_id: UUID = await ledger.running()
    await turn(ledger)
    tables = ledger.store._tables
    tables.turns[TURN] = type(tables.turns[TURN])(ledger.clock.now(), ledger.clock.now() + timedelta(days=3650))
    ledger.world.complete(operation_id)
    await turn(ledger)
    assert ledger.status(operation_id) is COMPLETED
    assert tables.turns[TURN].mark == ledger.clock.now()
