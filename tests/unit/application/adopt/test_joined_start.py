"""A client's start is answered with an execution that ran already: signal- and update-with-start, and USE_EXISTING."""

from uuid import UUID, uuid4

import pytest

from adapters.memory.engine.executions import StartFields
from application.adopt.receive_start_report import JOINED, StartRecorded
from application.ports.engine.workflow_engine import EngineUnavailable
from application.ports.monitoring.metrics import AdoptionWay, ReportOutcome
from application.submit.record_start import ClientStart
from application.track.record import Recorded
from domain.evidence.reconciliation import NOT_KNOWN
from domain.evidence.start_report import StartReportKind
from domain.operation.operation import MISSING, Cause, Operation
from domain.operation.operation_error import ErrorCode
from domain.operation.origin import Origin
from domain.operation.start.creation import record_start
from domain.operation.start.workflow_id_policy import OnRunning
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger.in_memory import DOWN
from tests.support.operations import T0, at
from tests.unit.application.adopt.reporting import Reporting

RUNNING, COMPLETED, FAILED = OperationStatus.RUNNING, OperationStatus.COMPLETED, OperationStatus.FAILED


async def joined(**options: bool) -> tuple[Reporting, UUID]:
    """An execution runs that is no operation, and a client records a start that Temporal answers with it."""
    ledger = Reporting(**options)
    ledger.begins()
    return ledger, await ledger.record_start()


async def recorded_beside(ledger: Reporting) -> UUID:
    """A client records a start in a transaction that does not see the open operation with the workflow id."""
    change = record_start(
        uuid4(),
        tenant="default",
        type_name="order",
        value=MISSING,
        labels={},
        workflow_id="order-1",
        follow_up_at=at(10),
        cause=Cause(Source.CLIENT, "recorded", T0),
    )
    async with ledger.units() as unit:
        await unit.operations.add(change)
        await unit.commit()
    return change.operation.id


def adopted(ledger: Reporting) -> Operation:
    """The operation of the running execution."""
    return ledger.row(ledger.execution().adopted_id)


def refused_because(ledger: Reporting, operation_id: UUID) -> tuple[str, str, dict[str, object]]:
    """Why the operation has failed: code, message, details."""
    row = ledger.row(operation_id)
    assert (row.status, row.started_at) == (FAILED, None)
    assert row.error is not None
    return row.error.code, row.error.message, dict(row.error.details)


async def test_running_execution_is_adopted_and_the_recorded_operation_fails_at_once() -> None:
    """The execution becomes an operation as by the first report about it. The error says why, and names it."""
    ledger, operation_id = await joined(callbacks=True)
    answer = await ledger.answer_to_start(operation_id)
    row = adopted(ledger)
    assert answer == StartRecorded(Recorded.RECORDED, row.id)
    assert (row.status, row.origin, row.type, row.input) == (RUNNING, Origin.ADOPTED, "order", {"n": 1})
    assert (row.labels, row.dispatch.calls_back) == ({"team": "shop"}, True)
    expected = (ErrorCode.START_REJECTED, JOINED, {"operation_id": str(row.id)})
    assert refused_because(ledger, operation_id) == expected
    line = ledger.history(operation_id)[-1]
    assert (line.source, line.actor, line.reason) == (Source.CLIENT, "shop", JOINED)
    assert [way for way, _ in ledger.metrics.adoptions] == [AdoptionWay.REPORT]
    assert ledger.metrics.reports[ReportOutcome.FOREIGN] == 0


async def test_next_start_joins_the_adopted_operation() -> None:
    """The bug was that each call recorded one more operation."""
    ledger, operation_id = await joined()
    await ledger.client_says(operation_id)
    start = ClientStart("default", "OrderWorkflow", "order-1", OnRunning.USE_EXISTING)
    recorded = await ledger.api.record().record(start)
    assert (recorded.new, recorded.operation.id) == (False, adopted(ledger).id)
    assert recorded.operation.first_run_id == ledger.execution().first_run_id
    assert len(ledger.rows()) == 2


async def test_end_of_the_joined_execution_is_that_of_its_operation() -> None:
    """By the callback that was attached."""
    ledger, operation_id = await joined(callbacks=True)
    await ledger.client_says(operation_id)
    ledger.world.complete("order-1", 7)
    for pending in ledger.world.callbacks:
        await ledger.call_back(pending)
    assert (adopted(ledger).status, adopted(ledger).result) == (COMPLETED, 7)


async def test_repeated_report_changes_nothing() -> None:
    """The answer names the operation again: the first one may be lost."""
    ledger, operation_id = await joined()
    await ledger.client_says(operation_id)
    before = ledger.rows()
    answer = await ledger.answer_to_start(operation_id)
    assert answer == StartRecorded(Recorded.IGNORED, adopted(ledger).id)
    assert ledger.rows() == before


async def test_every_step_can_be_repeated_after_a_crash() -> None:
    """The client repeats the report of an API process that was killed."""
    for step in range(60):
        ledger, operation_id = await joined(callbacks=True)
        died = await ledger.killed(ledger.client_says(operation_id), step)
        assert (await ledger.answer_to_start(operation_id)).operation_id == adopted(ledger).id
        assert refused_because(ledger, operation_id)[2] == {"operation_id": str(adopted(ledger).id)}
        assert (adopted(ledger).status, adopted(ledger).dispatch.calls_back, len(ledger.rows())) == (RUNNING, True, 2)
        if not died:
            return
    raise AssertionError("the report takes more steps than this test has tried")


async def test_late_report_adopts_the_execution() -> None:
    """The recorded operation has failed meanwhile, with a reason that is true."""
    ledger, operation_id = await joined()
    ledger.pass_time(minutes=3)
    await ledger.follow_up(100)
    assert refused_because(ledger, operation_id) == (ErrorCode.START_REJECTED, NOT_KNOWN, {})
    answer = await ledger.answer_to_start(operation_id)
    assert answer == StartRecorded(Recorded.IGNORED, adopted(ledger).id)
    assert adopted(ledger).status is RUNNING


async def test_execution_that_is_an_operation_already_is_named() -> None:
    """A watch rule has found it between the record and the report."""
    ledger, operation_id = await joined()
    known = (await ledger.adopt("order-1")).operation
    assert await ledger.answer_to_start(operation_id) == StartRecorded(Recorded.RECORDED, known.id)
    assert refused_because(ledger, operation_id)[2] == {"operation_id": str(known.id)}
    assert len(ledger.rows()) == 2


async def test_start_of_another_client_is_named() -> None:
    """Two clients record at the same time, and Temporal gives both the execution of the first. Its own report of the
    start has not come yet."""
    ledger = Reporting(callbacks=True)
    first = await ledger.record_start()
    second = await recorded_beside(ledger)
    ledger.world.start_from_outside("order-1", StartFields("OrderWorkflow", "orders", operation_id=first))
    assert await ledger.answer_to_start(second) == StartRecorded(Recorded.RECORDED, first)
    assert refused_because(ledger, second)[2] == {"operation_id": str(first)}
    assert ledger.row(first).dispatch.calls_back


async def test_operation_that_the_ledger_started_is_named() -> None:
    """With another type than that of the workflow: the template of a type gave it the workflow id."""
    ledger = Reporting()
    submitted = await ledger.submit(type="use")
    await ledger.dispatch(1)
    ledger.world.pick_up("order-1")
    operation_id = await recorded_beside(ledger)
    assert await ledger.answer_to_start(operation_id) == StartRecorded(Recorded.RECORDED, submitted)
    assert refused_because(ledger, operation_id)[2] == {"operation_id": str(submitted)}


async def test_execution_that_has_closed_meanwhile_is_final_at_once() -> None:
    """It has the outcome of the execution."""
    ledger, operation_id = await joined()
    ledger.world.complete("order-1", 7)
    answer = await ledger.answer_to_start(operation_id)
    assert answer.operation_id == adopted(ledger).id
    assert (adopted(ledger).status, adopted(ledger).result) == (COMPLETED, 7)
    assert refused_because(ledger, operation_id)[1] == JOINED


async def test_execution_that_is_gone_is_not_confirmed() -> None:
    """The reason then is that no start is known."""
    ledger, operation_id = await joined()
    named = ledger.execution()
    ledger.world.delete("order-1")
    assert await ledger.answer_to_start(operation_id, execution=named) == StartRecorded(Recorded.FOREIGN)
    assert ledger.status(operation_id) is OperationStatus.ACCEPTED


async def test_execution_of_another_workflow_id_is_not_joined() -> None:
    """A start names the execution of its own workflow id."""
    ledger, operation_id = await joined()
    ledger.begins("order-2")
    answer = await ledger.answer_to_start(operation_id, execution=ledger.execution("order-2"))
    assert answer == StartRecorded(Recorded.FOREIGN)
    assert ledger.status(operation_id) is OperationStatus.ACCEPTED
    assert len(ledger.rows()) == 1


async def test_operation_that_has_its_chain_joins_no_other() -> None:
    """Hazard 34: the engine has its execution."""
    ledger = Reporting()
    operation_id = await ledger.record_start()
    ledger.world.start_from_outside("order-1", StartFields("OrderWorkflow", "orders", operation_id=operation_id))
    await ledger.client_says(operation_id)
    ledger.world.complete("order-1", 1)
    ledger.begins()
    assert await ledger.answer_to_start(operation_id) == StartRecorded(Recorded.FOREIGN)
    assert len(ledger.rows()) == 1


async def test_own_execution_of_an_earlier_attempt_is_not_given_up() -> None:
    """Hazard 3: the answer to the first attempt was lost, its execution has closed, and another client started one."""
    ledger = Reporting()
    operation_id = await ledger.record_start()
    ledger.world.start_from_outside("order-1", StartFields("OrderWorkflow", "orders", operation_id=operation_id))
    ledger.world.pick_up("order-1")
    ledger.world.complete("order-1", 1)
    ledger.begins()
    answer = await ledger.answer_to_start(operation_id)
    assert answer == StartRecorded(Recorded.IGNORED, adopted(ledger).id)
    assert ledger.status(operation_id) is COMPLETED


async def test_execution_that_the_tenant_may_not_have_is_not_adopted() -> None:
    """P8: its type is another tenant's. The recorded operation fails, and says nothing about the execution."""
    ledger = Reporting()
    ledger.begins("cart-1", "CartWorkflow")
    operation_id = await ledger.record_start("cart-1")
    answer = await ledger.answer_to_start(operation_id, execution=ledger.execution("cart-1"))
    assert answer == StartRecorded(Recorded.RECORDED)
    assert refused_because(ledger, operation_id) == (ErrorCode.START_REJECTED, JOINED, {})
    assert len(ledger.rows()) == 1


async def test_operation_of_another_tenant_is_not_named() -> None:
    """P8: it has adopted the execution meanwhile."""
    ledger, operation_id = await joined()
    await ledger.reports_itself(tenant="acme")
    assert adopted(ledger).tenant == "acme"
    assert await ledger.answer_to_start(operation_id) == StartRecorded(Recorded.RECORDED)
    assert refused_because(ledger, operation_id) == (ErrorCode.START_REJECTED, JOINED, {})


async def test_undeclared_workflow_type_is_adopted_by_its_name() -> None:
    """A report of the worker adopts it so too."""
    ledger = Reporting()
    ledger.begins("any-1", "AnyWorkflow")
    operation_id = await ledger.record_start("any-1")
    answer = await ledger.answer_to_start(operation_id, execution=ledger.execution("any-1"))
    assert answer.operation_id is not None
    assert ledger.row(answer.operation_id).type == "AnyWorkflow"


async def test_second_client_learns_the_operation_while_the_first_one_was_killed() -> None:
    """It gets the open operation from the record, and reports under the id of the chain."""
    ledger, operation_id = await joined()
    named = ledger.execution()
    assert await ledger.answer_to_start(named.adopted_id) == StartRecorded(Recorded.RECORDED, named.adopted_id)
    assert adopted(ledger).status is RUNNING
    assert ledger.status(operation_id) is OperationStatus.ACCEPTED
    answer = await ledger.answer_to_start(operation_id)
    assert answer == StartRecorded(Recorded.RECORDED, named.adopted_id)


@pytest.mark.parametrize("call", ["describe", "observe", "attach_callback"])
async def test_outage_of_the_engine_leaves_the_recorded_operation_open(call: str) -> None:
    """The client repeats the report."""
    ledger, operation_id = await joined(callbacks=True)
    ledger.engine.break_for(call, None if call != "observe" else operation_id, DOWN)
    with pytest.raises(EngineUnavailable):
        await ledger.client_says(operation_id)
    assert ledger.status(operation_id) is OperationStatus.ACCEPTED
    ledger.engine.before.clear()
    assert await ledger.client_says(operation_id) is Recorded.RECORDED


async def test_refusal_after_the_report_changes_nothing() -> None:
    """The reason stays."""
    ledger, operation_id = await joined()
    await ledger.client_says(operation_id)
    assert await ledger.client_says(operation_id, StartReportKind.START_REJECTED) is Recorded.IGNORED
    assert refused_because(ledger, operation_id)[1] == JOINED
