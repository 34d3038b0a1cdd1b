"""What clients say of the starts of operations that they have recorded."""

from uuid import UUID

import pytest

from adapters.memory.engine.executions import StartFields
from application.ports.engine.workflow_engine import EngineUnavailable
from application.track.record import Recorded
from domain.evidence.start_report import StartReportKind
from domain.operation.operation_error import ErrorCode
from domain.operation.origin import Origin
from domain.operation.report import ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger.in_memory import DOWN
from tests.unit.application.adopt.reporting import Reporting

REJECTED = StartReportKind.START_REJECTED
OTHER = UUID("019a0000-0000-7000-8000-0000000000aa")


async def started(ledger: Reporting, workflow_id: str = "order-1") -> UUID:
    """A client records and starts; no worker has it yet."""
    operation_id = await ledger.record_start(workflow_id)
    ledger.world.start_from_outside(workflow_id, StartFields("OrderWorkflow", "orders", operation_id=operation_id))
    return operation_id


async def test_a_start_gives_run_and_callback() -> None:
    """The end is pushed, and no worker has reported anything."""
    ledger = Reporting(callbacks=True)
    operation_id = await started(ledger)
    assert await ledger.client_says(operation_id) is Recorded.RECORDED
    row = ledger.only()
    assert (row.status, row.origin) == (OperationStatus.ACCEPTED, Origin.CLIENT)
    assert (row.first_run_id, row.dispatch.calls_back) == (ledger.execution().first_run_id, True)
    assert await ledger.client_says(operation_id) is Recorded.IGNORED
    ledger.world.pick_up("order-1")
    ledger.world.complete("order-1", 7)
    for pending in ledger.world.callbacks:
        await ledger.call_back(pending)
    assert (ledger.only().status, ledger.only().result) == (OperationStatus.COMPLETED, 7)


async def test_the_worker_may_report_first() -> None:
    """Its report has the id of the search attribute."""
    ledger = Reporting()
    operation_id = await started(ledger)
    ledger.world.pick_up("order-1")
    assert await ledger.reports_itself(operation_id=operation_id, tenant="default") is Recorded.RECORDED
    assert ledger.only().status is OperationStatus.RUNNING
    assert ledger.only().first_run_id == ledger.execution().first_run_id
    assert await ledger.client_says(operation_id) is Recorded.RECORDED
    assert len(ledger.rows()) == 1


async def test_a_lost_report_of_a_start_is_made_good_by_a_follow_up() -> None:
    """The search attribute identifies the execution."""
    ledger = Reporting()
    operation_id = await started(ledger)
    ledger.world.pick_up("order-1")
    ledger.pass_time(seconds=10)
    await ledger.follow_up(100)
    assert ledger.status(operation_id) is OperationStatus.RUNNING
    assert ledger.only().first_run_id == ledger.execution().first_run_id


async def test_a_refused_start_ends_the_operation() -> None:
    """At once, with the engine's reason."""
    ledger = Reporting()
    operation_id = await ledger.record_start()
    assert await ledger.client_says(operation_id, REJECTED) is Recorded.RECORDED
    error = ledger.only().error
    assert error is not None
    assert (error.code, error.message) == (ErrorCode.START_REJECTED, "already started")
    line = ledger.history(operation_id)[-1]
    assert (line.source, line.actor) == (Source.CLIENT, "shop")
    assert await ledger.client_says(operation_id, REJECTED) is Recorded.IGNORED


async def test_a_refusal_is_not_believed_while_the_engine_has_the_execution() -> None:
    """An earlier attempt of the client had started it, and its answer was lost (hazard 3)."""
    ledger = Reporting()
    operation_id = await started(ledger)
    assert await ledger.client_says(operation_id, REJECTED) is Recorded.IGNORED
    assert ledger.only().status is OperationStatus.ACCEPTED
    assert ledger.only().first_run_id == ledger.execution().first_run_id


@pytest.mark.parametrize("lie", ["run_id", "first_run_id", "workflow_id", "namespace"])
async def test_a_client_cannot_invent_an_execution(lie: str) -> None:
    """The engine must know it."""
    ledger = Reporting()
    operation_id = await started(ledger)
    invented = ledger.execution(**{lie: "invented"})
    assert await ledger.client_says(operation_id, execution=invented) is Recorded.FOREIGN


@pytest.mark.parametrize("kind", StartReportKind)
async def test_operations_that_the_ledger_starts_take_no_such_report(kind: StartReportKind) -> None:
    """Their dispatcher knows better."""
    ledger = Reporting()
    operation_id = await ledger.submit()
    ledger.begins()
    assert await ledger.client_says(operation_id, kind) is Recorded.FOREIGN
    assert ledger.status(operation_id) is OperationStatus.ACCEPTED


async def test_a_start_that_was_not_recorded_makes_the_operation() -> None:
    """The ledger was down at the start."""
    ledger = Reporting()
    ledger.begins()
    adopted = ledger.execution().adopted_id
    assert await ledger.client_says(adopted) is Recorded.RECORDED
    assert (ledger.only().id, ledger.only().origin) == (adopted, Origin.ADOPTED)
    assert await ledger.client_says(adopted, REJECTED) is Recorded.FOREIGN


@pytest.mark.parametrize("kind", StartReportKind)
async def test_an_unknown_operation(kind: StartReportKind) -> None:
    """It is the same answer as for another tenant's."""
    ledger = Reporting()
    ledger.begins("other")
    operation_id = await started(ledger)
    named = ledger.execution()
    for each, tenant in ((OTHER, "default"), (operation_id, "acme")):
        answer = await ledger.client_says(each, kind, execution=named, tenant=tenant)
        assert answer is Recorded.UNKNOWN_OPERATION


@pytest.mark.parametrize("kind", StartReportKind)
async def test_an_outage_of_the_engine_changes_nothing(kind: StartReportKind) -> None:
    """The client retries."""
    ledger = Reporting()
    operation_id = await started(ledger)
    before = ledger.only()
    for call in ("describe", "observe"):
        ledger.engine.break_for(call, None, DOWN)
    with pytest.raises(EngineUnavailable):
        await ledger.client_says(operation_id, kind)
    assert ledger.only() == before


async def test_reports_of_the_chain_count_after_the_start() -> None:
    """Progress by HTTP."""
    ledger = Reporting()
    operation_id = await started(ledger)
    await ledger.client_says(operation_id)
    ledger.world.pick_up("order-1")
    answer = await ledger.reports_itself(ReportKind.PROGRESS, operation_id=operation_id, tenant="default")
    assert answer is Recorded.RECORDED
    assert ledger.only().progress is not None
