"""A client is killed between the start of a recorded workflow and its report: the end is pushed all the same (P4)."""

from uuid import UUID

import pytest

from adapters.memory.engine.executions import StartFields
from application.submit.record_start import ClientStart
from domain.operation.operation_error import ErrorCode
from domain.operation.origin import Origin
from domain.operation.report import ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from domain.scheduling.schedule import FollowUp
from tests.support.ledger.in_memory import DOWN
from tests.unit.application.adopt.reporting import Reporting

ACCEPTED, RUNNING, COMPLETED = OperationStatus.ACCEPTED, OperationStatus.RUNNING, OperationStatus.COMPLETED
NAME = "work-1"


async def started(ledger: Reporting, workflow: str = "Work") -> UUID:
    """A client records and starts, and reports nothing. No worker has the workflow yet."""
    recorded = await ledger.api.record().record(ClientStart("default", workflow, NAME))
    fields = StartFields(workflow, "workers", operation_id=recorded.operation.id)
    ledger.world.start_from_outside(NAME, fields)
    return recorded.operation.id


async def completed(ledger: Reporting, operation_id: UUID) -> None:
    """The workflow ends, and nothing but its callback tells the ledger."""
    assert ledger.row(operation_id).dispatch.calls_back
    ledger.world.complete(NAME, 7)
    [pending] = ledger.world.callbacks
    await ledger.call_back(pending)
    row = ledger.row(operation_id)
    assert (row.status, row.result, row.origin) == (COMPLETED, 7, Origin.CLIENT)
    assert ledger.history(operation_id)[-1].source is Source.CALLBACK


@pytest.mark.parametrize("reported", [False, True])
async def test_watch_rule_attaches_the_callback(reported: bool) -> None:
    """The rule holds the execution, whether or not its worker has reported."""
    ledger = Reporting(callbacks=True)
    await ledger.watch()
    operation_id = await started(ledger, "OrderWorkflow")
    ledger.world.pick_up(NAME)
    if reported:
        await ledger.reports_itself(operation_id=operation_id, execution=ledger.execution(NAME))
    await ledger.watch()
    assert ledger.status(operation_id) is RUNNING
    await completed(ledger, operation_id)
    assert len(ledger.rows()) == 1


async def test_watch_rule_leaves_a_reported_start_alone() -> None:
    """It has its callback."""
    ledger = Reporting(callbacks=True)
    await ledger.watch()
    operation_id = await started(ledger, "OrderWorkflow")
    ledger.world.pick_up(NAME)
    await ledger.client_says(operation_id, execution=ledger.execution(NAME))
    ledger.engine.calls.clear()
    await ledger.watch()
    assert ledger.engine.calls["describe"] == []


async def test_follow_up_attaches_the_callback_without_a_rule() -> None:
    """Ten seconds after the recording."""
    ledger = Reporting(callbacks=True)
    operation_id = await started(ledger)
    ledger.world.pick_up(NAME)
    ledger.pass_time(seconds=10)
    await ledger.follow_up(10)
    assert (ledger.status(operation_id), ledger.row(operation_id).follow_up) == (RUNNING, FollowUp())
    await completed(ledger, operation_id)


@pytest.mark.parametrize("by", ["the report of its worker", "the start watch"])
async def test_follow_up_comes_although_the_start_is_known(by: str) -> None:
    """The answer to "has it started?" is there, and the callback is not."""
    ledger = Reporting(callbacks=True)
    operation_id = await started(ledger)
    ledger.world.pick_up(NAME)
    if by == "the start watch":
        ledger.pass_time(seconds=3)
        await ledger.start_watch.step(10)
    else:
        await ledger.reports_itself(operation_id=operation_id, execution=ledger.execution(NAME))
    assert ledger.status(operation_id) is RUNNING
    ledger.pass_time(seconds=10)
    await ledger.follow_up(10)
    assert ledger.row(operation_id).follow_up == FollowUp()
    await completed(ledger, operation_id)


async def test_workflow_without_a_worker_gets_its_callback() -> None:
    """It may end before a worker takes it."""
    ledger = Reporting(callbacks=True)
    operation_id = await started(ledger)
    ledger.pass_time(seconds=10)
    await ledger.follow_up(10)
    assert (ledger.status(operation_id), ledger.row(operation_id).dispatch.calls_back) == (ACCEPTED, True)
    ledger.world.terminate_from_outside(NAME, "too dear", "bob")
    await ledger.call_back(ledger.world.callbacks[0])
    error = ledger.row(operation_id).error
    assert error is not None
    assert error.code is ErrorCode.TERMINATED


@pytest.mark.parametrize("first", ["client", "worker"])
async def test_reported_start_is_not_asked_about(first: str) -> None:
    """Whichever report comes first: the follow-up costs no request."""
    ledger = Reporting(callbacks=True)
    operation_id = await started(ledger)
    ledger.world.pick_up(NAME)
    named = ledger.execution(NAME)
    if first == "client":
        await ledger.client_says(operation_id, execution=named)
    await ledger.reports_itself(ReportKind.STARTED, operation_id=operation_id, execution=named)
    await ledger.client_says(operation_id, execution=named)
    assert ledger.row(operation_id).follow_up == FollowUp()
    assert ledger.row(operation_id).dispatch.calls_back


async def test_cancellation_is_delivered_although_the_callback_comes_later() -> None:
    """Attaching drops no question that something else needs."""
    ledger = Reporting(callbacks=True)
    operation_id = await started(ledger)
    ledger.world.pick_up(NAME)
    await ledger.reports_itself(operation_id=operation_id, execution=ledger.execution(NAME))
    await ledger.cancel(operation_id)
    due = ledger.row(operation_id).follow_up
    await ledger.client_says(operation_id, execution=ledger.execution(NAME))
    assert ledger.row(operation_id).dispatch.calls_back
    assert ledger.row(operation_id).follow_up == due
    await ledger.follow_up(10)
    assert len(ledger.engine.calls["cancel"]) == 1


async def test_close_while_the_callback_is_attached_is_noticed() -> None:
    """Hazard 39: nothing tells of it afterwards."""
    ledger = Reporting(callbacks=True)
    operation_id = await started(ledger)
    ledger.world.pick_up(NAME)

    async def close() -> None:
        ledger.world.complete(NAME, 7)

    ledger.engine.before["attach_callback", None] = close
    ledger.pass_time(seconds=10)
    await ledger.follow_up(10)
    assert (ledger.status(operation_id), ledger.row(operation_id).result) == (COMPLETED, 7)


async def test_outage_while_the_callback_is_attached_delays_it() -> None:
    """The follow-up is repeated."""
    ledger = Reporting(callbacks=True)
    operation_id = await started(ledger)
    ledger.world.pick_up(NAME)
    ledger.engine.break_for("attach_callback", None, DOWN)
    ledger.pass_time(seconds=10)
    await ledger.follow_up(10)
    ledger.engine.before.clear()
    ledger.pass_time(seconds=10)
    await ledger.follow_up(10)
    await completed(ledger, operation_id)


async def test_follow_up_attaches_nothing_while_callbacks_are_off() -> None:
    """One question, and the close poll finds the end."""
    ledger = Reporting()
    operation_id = await started(ledger)
    ledger.world.pick_up(NAME)
    for _ in range(3):
        ledger.pass_time(minutes=1)
        await ledger.follow_up(10)
    assert ledger.row(operation_id).follow_up == FollowUp()
    assert {name: len(calls) for name, calls in ledger.engine.calls.items()} == {"observe": 1}
