"""The answer to the dispatcher's start was lost, and a report names the execution before the dispatcher asks again."""

from uuid import UUID

import pytest

from adapters.memory.engine.executions import StartFields
from application.adopt.adopt import ExecutionNotFound
from application.adopt.receive_start_report import StartRecorded
from application.track.record import Recorded
from domain.evidence.reported_execution import ReportedExecution
from domain.operation.status import OperationStatus
from tests.unit.application.adopt.reporting import Reporting

NAME = "order-1"


async def unanswered(ledger: Reporting) -> tuple[UUID, ReportedExecution]:
    """The operation, and its execution, of which the ledger does not know."""
    operation_id = await ledger.submit(type="use")
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    assert ledger.row(operation_id).first_run_id is None
    return operation_id, ledger.execution(NAME)


def taken_over_and_deleted(ledger: Reporting) -> None:
    """Another client's execution has the workflow id, and then none: the engine does not find the first one by
    `OperationUUID` any more."""
    ledger.world.supersede(NAME, tagged=False)
    ledger.world.delete(NAME)


async def dispatched_again(ledger: Reporting) -> None:
    """Also after the time in which an absence is no proof."""
    for _ in range(3):
        ledger.pass_time(minutes=1)
        await ledger.dispatch(1)
        await ledger.follow_up(1)
    assert len(ledger.world.starts) == 1


async def test_reported_execution_is_that_of_the_operation() -> None:
    """P1: the ledger names the operation to the client, so it may not start another execution."""
    ledger = Reporting()
    operation_id, named = await unanswered(ledger)
    ledger.world.pick_up(NAME)
    ledger.world.complete(NAME, 7)
    taken_over_and_deleted(ledger)
    answer = await ledger.answer_to_start(named.adopted_id, execution=named)
    assert answer == StartRecorded(Recorded.RECORDED, operation_id)
    row = ledger.row(operation_id)
    assert (row.status, row.result, row.first_run_id) == (OperationStatus.COMPLETED, 7, named.first_run_id)
    await dispatched_again(ledger)


async def test_execution_without_a_worker_is_remembered() -> None:
    """The operation stays ACCEPTED, and the next attempt asks about that execution."""
    ledger = Reporting()
    operation_id, named = await unanswered(ledger)
    await ledger.answer_to_start(named.adopted_id, execution=named)
    row = ledger.row(operation_id)
    assert (row.status, row.first_run_id) == (OperationStatus.ACCEPTED, named.first_run_id)
    taken_over_and_deleted(ledger)
    await dispatched_again(ledger)
    assert ledger.status(operation_id) is OperationStatus.FAILED


@pytest.mark.parametrize("known", [False, True])
async def test_adoption_on_request_learns_it_too(known: bool) -> None:
    """Of an execution of which the ledger knows, it asks nothing."""
    ledger = Reporting()
    operation_id, named = await unanswered(ledger)
    if known:
        ledger.pass_time(minutes=1)
        await ledger.dispatch(1)
        ledger.engine.calls.clear()
    adopted = (await ledger.adopt(NAME, type="use")).operation
    assert (adopted.id, adopted.first_run_id) == (operation_id, named.first_run_id)
    assert not (known and ledger.engine.calls["observe"])


async def started_twice(ledger: Reporting) -> tuple[UUID, ReportedExecution]:
    """The operation, and the execution of its first start, of which the ledger does not know."""
    operation_id, named = await unanswered(ledger)
    taken_over_and_deleted(ledger)
    ledger.pass_time(minutes=1)
    await ledger.dispatch(1)
    assert ledger.row(operation_id).first_run_id not in (None, named.first_run_id)
    return operation_id, named


async def test_execution_of_an_earlier_start_is_not_adopted() -> None:
    """By no way: it would be an operation that nobody has submitted."""
    ledger = Reporting()
    operation_id, named = await started_twice(ledger)
    with pytest.raises(ExecutionNotFound):
        await ledger.adopt(NAME, type="use", run_id=named.run_id)
    answer = await ledger.answer_to_start(named.adopted_id, execution=named)
    assert answer == StartRecorded(Recorded.FOREIGN)
    assert set(ledger.rows()) == {operation_id}


async def test_later_execution_with_the_same_attribute_is_adopted() -> None:
    """Another client has copied `OperationUUID`; the number of attempts does not matter."""
    ledger = Reporting()
    operation_id, _ = await started_twice(ledger)
    ledger.world.delete(NAME)
    ledger.pass_time(minutes=1)
    fields = StartFields("OrderWorkflow", operation_id=operation_id)
    ledger.world.start_from_outside(NAME, fields)
    adopted = await ledger.adopt(NAME, type="use")
    assert adopted.new
    assert adopted.operation.id != operation_id
