"""PollCloses: finds closed executions without a callback, and asks about each close once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from adapters.memory.engine.executions import StartFields
from adapters.memory.storage.tables import LeaseRow
from application.batching.step_result import StepResult
from application.converge.close_poll import LEASE_NAME, OVERLAP
from application.ports.engine.index import IndexPage
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from tests.support.ledger.in_memory import CLOSE_POLL, FakeLedger
from tests.unit.application.adopt.reporting import Reporting

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED


async def poll(ledger: FakeLedger) -> StepResult:
    """Polls once."""
    ledger.clock.advance(CLOSE_POLL)
    return await ledger.close_poll.step(1)


async def test_a_close_without_callback_is_found_by_the_next_poll() -> None:
    """P4, callbacks off: without report, callback or scheduled pass."""
    ledger = FakeLedger()
    completed, killed, going_on = [await ledger.running() for _ in range(3)]
    never_picked_up = await ledger.dispatched()
    await poll(ledger)
    ledger.world.complete(completed, {"n": 1})
    ledger.world.terminate_from_outside(killed, "too dear", "bob")
    ledger.world.time_out(never_picked_up)
    assert await poll(ledger) == StepResult(3, engine_asked=True)
    assert (ledger.status(completed), ledger.row(completed).result) == (COMPLETED, {"n": 1})
    assert ledger.statuses(killed) == [ACCEPTED, RUNNING, FAILED]
    assert ledger.statuses(never_picked_up) == [ACCEPTED, FAILED]
    error = ledger.row(killed).error
    assert error is not None
    assert (error.code, error.message) == (ErrorCode.TERMINATED, "too dear")
    assert ledger.status(going_on) is RUNNING


async def test_a_poll_costs_one_list_call_and_one_question_per_close() -> None:
    """Running executions, and closes found before, cost nothing."""
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(20)]
    ledger.world.complete(ids[3])
    for _ in range(4):
        await poll(ledger)
    assert len(ledger.engine.calls["changed_since"]) == 4
    assert ledger.engine.calls["observe"] == [ids[3]]


async def test_a_failed_run_that_is_retried_is_asked_about_once() -> None:
    """The index lists the failure for as long as the overlap lasts."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.freeze_listing()
    ledger.world.fail(operation_id, "attempt 1")
    ledger.world.thaw_listing()
    ledger.world.freeze_listing()
    ledger.world.reset(operation_id)
    for _ in range(4):
        await poll(ledger)
    assert ledger.engine.calls["observe"] == [operation_id]
    assert ledger.status(operation_id) is RUNNING
    ledger.world.fail(operation_id, "attempt 2")
    ledger.world.thaw_listing()
    await poll(ledger)
    assert ledger.status(operation_id) is FAILED


async def test_the_overlap_finds_closes_that_the_index_lists_late() -> None:
    """Hazard 20: the overlap reaches back that far."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await poll(ledger)
    ledger.world.freeze_listing()
    ledger.world.complete(operation_id)
    for _ in range(int(OVERLAP / CLOSE_POLL) - 1):
        await poll(ledger)
    assert ledger.status(operation_id) is RUNNING
    ledger.world.thaw_listing()
    await poll(ledger)
    assert ledger.status(operation_id) is COMPLETED


async def test_nothing_is_listed_while_every_open_operation_has_a_callback() -> None:
    """With callbacks on there is no cost. The poll lists again while an operation is open that was started without
    one."""
    ledger = FakeLedger(callbacks=True)
    called = await ledger.running()
    await poll(ledger)
    assert ledger.engine.calls["changed_since"] == []
    ledger.world.refuse_callbacks()
    uncalled = await ledger.running()
    await poll(ledger)
    assert len(ledger.engine.calls["changed_since"]) == 1
    ledger.world.complete(uncalled)
    await poll(ledger)
    assert ledger.status(uncalled) is COMPLETED
    await poll(ledger)
    assert len(ledger.engine.calls["changed_since"]) == 2
    assert ledger.status(called) is RUNNING


async def test_a_poll_after_a_long_pause_starts_at_the_oldest_open_operation() -> None:
    """A mark of a month ago does not make the next poll list a month."""
    ledger = FakeLedger()
    ledger.world.complete(first := await ledger.running())
    await poll(ledger)
    ledger.pass_time(days=30)
    listed: list[object] = []
    inner = ledger.world.changed_since

    async def noted(since: object, *args: object, **named: object) -> object:
        listed.append(since)
        return await inner(since, *args, **named)  # type: ignore[arg-type]

    ledger.world.changed_since = noted  # type: ignore[method-assign, assignment]
    accepted_at = ledger.clock.now()
    await ledger.running()
    await poll(ledger)
    assert listed == [accepted_at - OVERLAP]
    assert ledger.status(first) is COMPLETED


async def test_workers_share_the_lease() -> None:
    """One worker asks the index in each interval, however many run."""
    ledger = FakeLedger()
    await ledger.running()
    ledger.clock.advance(CLOSE_POLL)
    for _ in range(5):
        await ledger.close_poll.step(1)
    assert len(ledger.engine.calls["changed_since"]) == 1
    ledger.clock.advance(CLOSE_POLL - timedelta(milliseconds=1))
    assert await ledger.close_poll.step(1) == StepResult(0)
    assert len(ledger.engine.calls["changed_since"]) == 1


async def test_all_pages_are_read_before_the_mark_moves() -> None:
    """The next poll repeats an interrupted one."""
    ledger = FakeLedger(index_page=2)
    ids = [await ledger.running() for _ in range(5)]
    await poll(ledger)
    mark = ledger.store._tables.leases[LEASE_NAME].mark
    for operation_id in ids:
        ledger.world.complete(operation_id)
    ledger.clock.advance(CLOSE_POLL)
    assert await ledger.killed(ledger.close_poll.step(1), 12)
    assert ledger.store._tables.leases[LEASE_NAME].mark == mark
    ledger.pass_time(minutes=5)
    await poll(ledger)
    assert {ledger.status(operation_id) for operation_id in ids} == {COMPLETED}
    assert ledger.store._tables.leases[LEASE_NAME].mark == ledger.clock.now()


async def test_a_poll_after_an_outage_finds_what_closed_during_it() -> None:
    """The outage changes no operation and does not move the mark."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await poll(ledger)
    ledger.world.go_down()
    ledger.world.complete(operation_id)
    for _ in range(20):
        assert await poll(ledger) == StepResult(0, engine_available=False)
    ledger.world.come_back()
    await poll(ledger)
    assert ledger.status(operation_id) is COMPLETED


async def test_mark_in_the_future_hides_nothing() -> None:
    """Hazard 33: a poll starts no later than the database's present, and corrects the mark."""
    ledger = FakeLedger()
    operation_id: UUID = await ledger.running()
    await poll(ledger)
    tables = ledger.store._tables
    tables.leases[LEASE_NAME] = LeaseRow(ledger.clock.now(), mark=ledger.clock.now() + timedelta(days=3650))
    ledger.world.complete(operation_id)
    await poll(ledger)
    assert ledger.status(operation_id) is COMPLETED
    assert tables.leases[LEASE_NAME].mark == ledger.clock.now()


BY_HAND = StartFields("Work", "workers")
"""Of a type that is declared and does not adopt."""


async def by_hand(ledger: FakeLedger, workflow_id: str, fields: StartFields = BY_HAND) -> UUID:
    """An execution of another client, adopted on request."""
    ledger.world.start_from_outside(workflow_id, fields)
    ledger.world.pick_up(workflow_id)
    return (await ledger.adopt(workflow_id, type="work")).operation.id


def watching(ledger: FakeLedger) -> list[frozenset[str]]:
    """The workflow types that the index is asked for from now on."""
    watched: list[frozenset[str]] = []
    inner = ledger.world.changed_since

    async def noted(*args: Any, **named: Any) -> IndexPage:
        watched.append(named["watched"])
        return await inner(*args, **named)

    ledger.world.changed_since = noted  # type: ignore[method-assign]
    return watched


async def test_end_of_an_execution_that_was_adopted_on_request_is_found() -> None:
    """P4: although no rule watches its workflow type, and it does not carry `OperationUUID`."""
    ledger = FakeLedger()
    watched = watching(ledger)
    adopted, other = await by_hand(ledger, "a"), await ledger.running()
    ledger.world.complete("a", 1)
    await poll(ledger)
    assert (ledger.status(adopted), ledger.row(adopted).result) == (COMPLETED, 1)
    await poll(ledger)
    assert watched == [frozenset({"Work"}), frozenset()]
    assert ledger.status(other) is RUNNING


async def test_end_of_an_execution_without_a_declared_type_is_found() -> None:
    """Its first report has made it an operation, whose type is the workflow type."""
    ledger = Reporting()
    ledger.begins(workflow_type="Undeclared")
    await ledger.reports_itself()
    ledger.world.complete("order-1", 1)
    await poll(ledger)
    assert (ledger.only().type, ledger.only().status) == ("Undeclared", COMPLETED)
