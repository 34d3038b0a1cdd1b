"""The first report of an execution that is no operation makes it one."""

import asyncio
from uuid import UUID

import pytest

from adapters.memory.engine.executions import StartFields
from application.ports.engine.workflow_engine import EngineUnavailable
from application.ports.monitoring.metrics import AdoptionWay, ReportOutcome
from application.track.record import Recorded
from domain.evidence.reported_execution import ReportedExecution, ReportedParent
from domain.operation.chain import Run
from domain.operation.origin import Origin
from domain.operation.report import ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger.in_memory import DOWN
from tests.unit.application.adopt.reporting import Reporting

OTHER = UUID("019a0000-0000-7000-8000-0000000000aa")


async def test_the_first_report_makes_the_operation() -> None:
    """Type and labels are those of the declared type that adopts; the input is that of the engine."""
    ledger = Reporting()
    ledger.begins()
    assert await ledger.reports_itself() in (Recorded.RECORDED, Recorded.IGNORED)
    row = ledger.only()
    assert (row.id, row.tenant, row.type) == (ledger.execution().adopted_id, "default", "order")
    assert (row.input, row.labels, row.origin) == ({"n": 1}, {"team": "shop"}, Origin.ADOPTED)
    assert (row.workflow_id, row.first_run_id) == ("order-1", ledger.execution().first_run_id)
    assert ledger.statuses(row.id) == [OperationStatus.ACCEPTED, OperationStatus.RUNNING]
    assert ledger.history(row.id)[0].source is Source.ADOPTION


async def test_the_first_report_costs_three_requests() -> None:
    """The description says that the execution runs, and the attached callback that its close becomes known."""
    ledger = Reporting(callbacks=True)
    ledger.begins()
    await ledger.reports_itself()
    assert ledger.only().dispatch.calls_back
    calls = {call: len(made) for call, made in ledger.engine.calls.items()}
    assert calls == {"describe": 1, "input_of": 1, "attach_callback": 1}


async def test_a_close_without_callbacks_is_seen_at_once() -> None:
    """Hazard 39: the adoption races with the close, and nothing else tells of it."""
    ledger = Reporting()
    ledger.begins()

    async def close() -> None:
        ledger.world.complete("order-1", {"ok": True})

    ledger.engine.before["input_of", None] = close
    await ledger.reports_itself()
    assert ledger.only().status is OperationStatus.COMPLETED


async def test_a_lost_first_report_is_made_good_by_the_next() -> None:
    """Progress of an unknown operation."""
    ledger = Reporting()
    ledger.begins()
    assert await ledger.reports_itself(ReportKind.PROGRESS) is Recorded.RECORDED
    progress = ledger.only().progress
    assert progress is not None
    assert progress.fraction == 0.5


async def test_a_repeat_asks_the_engine_nothing() -> None:
    """Only the first report costs requests."""
    ledger = Reporting()
    ledger.begins()
    await ledger.reports_itself()
    before = {call: len(made) for call, made in ledger.engine.calls.items()}
    assert await ledger.reports_itself() is Recorded.IGNORED
    assert await ledger.reports_itself(ReportKind.PROGRESS) is Recorded.RECORDED
    assert {call: len(made) for call, made in ledger.engine.calls.items()} == before
    assert len(ledger.rows()) == 1


async def test_reports_at_once_make_one_operation() -> None:
    """Hazard 39: they race with each other, as with every other way in."""
    ledger = Reporting(callbacks=True)
    ledger.begins()
    await asyncio.gather(*(ledger.reports_itself(tenant="default") for _ in range(5)))
    assert ledger.only().dispatch.calls_back
    assert len(ledger.history(ledger.only().id)) == 2


async def test_reports_of_a_used_execution_are_about_the_operation_that_uses_it() -> None:
    """Its chain has one row, also when others had the workflow id since."""
    ledger = Reporting()
    ledger.begins()
    execution = ledger.execution()
    operation_id = await ledger.submit(type="use")
    await ledger.dispatch(1)
    assert await ledger.reports_itself(execution=execution) is Recorded.RECORDED
    assert await ledger.reports_itself(ReportKind.PROGRESS, execution=execution) is Recorded.RECORDED
    assert ledger.only().id == operation_id
    assert ledger.only().progress is not None
    for _ in range(2):
        ledger.world.complete("order-1")
        ledger.pass_time(seconds=10)
        await ledger.follow_up(1)
        await ledger.submit(type="use")
        await ledger.dispatch(1)
    before = set(ledger.rows())
    assert await ledger.reports_itself(ReportKind.PROGRESS, execution=execution) is Recorded.IGNORED
    assert set(ledger.rows()) == before


async def test_later_runs_of_the_chain_are_the_same_operation() -> None:
    """The plugin computes the id from the first run."""
    ledger = Reporting()
    ledger.begins()
    ledger.world.continue_as_new("order-1")
    assert ledger.execution().run_id != ledger.execution().first_run_id
    assert await ledger.reports_itself(ReportKind.PROGRESS) is Recorded.RECORDED
    assert ledger.only().id == ledger.execution().adopted_id


async def test_the_adoption_has_asked_for_the_chain_of_a_later_run() -> None:
    """So the report that caused it asks for nothing more, and neither do the next ones of the run."""
    ledger = Reporting()
    ledger.begins()
    ledger.world.continue_as_new("order-1")
    for _ in range(2):
        await ledger.reports_itself(ReportKind.PROGRESS)
    assert ledger.only().progress is not None
    assert len(ledger.engine.calls["describe"]) == 1
    assert ledger.engine.calls["origin"] == []


async def test_the_end_arrives_by_callback() -> None:
    """It is attached with the first report."""
    ledger = Reporting(callbacks=True)
    ledger.begins()
    await ledger.reports_itself()
    ledger.world.complete("order-1", {"ok": True})
    for pending in ledger.world.callbacks:
        await ledger.call_back(pending)
    assert (ledger.only().status, ledger.only().result) == (OperationStatus.COMPLETED, {"ok": True})


async def test_an_undeclared_workflow_type_gives_the_type() -> None:
    """Without control characters, and cut."""
    ledger = Reporting()
    ledger.begins("x-1", "Un\nknown" + "x" * 300)
    await ledger.reports_itself(execution=ledger.execution("x-1"))
    assert ledger.only().type == ("Un_known" + "x" * 300)[:255]
    assert [way for way, _ in ledger.metrics.adoptions] == [AdoptionWay.REPORT]


async def test_the_tenant_is_that_of_the_credential_or_of_the_type() -> None:
    """By activity there is no credential."""
    ledger = Reporting()
    ledger.begins("cart-1", "CartWorkflow")
    await ledger.reports_itself(execution=ledger.execution("cart-1"))
    assert (ledger.only().tenant, ledger.only().type) == ("acme", "cart")
    ledger = Reporting()
    ledger.begins()
    await ledger.reports_itself(tenant="shop")
    assert ledger.only().tenant == "shop"


async def test_a_type_of_another_tenant_is_refused() -> None:
    """Its executions belong to that tenant."""
    ledger = Reporting()
    ledger.begins("cart-1", "CartWorkflow")
    assert await ledger.reports_itself(execution=ledger.execution("cart-1"), tenant="shop") is Recorded.FOREIGN
    assert ledger.rows() == {}


async def test_the_operation_of_another_tenant_is_refused() -> None:
    """Hazard 32: it is counted, and nothing changes."""
    ledger = Reporting()
    ledger.begins()
    await ledger.reports_itself(tenant="acme")
    before = ledger.only()
    assert await ledger.reports_itself(ReportKind.PROGRESS, tenant="shop") is Recorded.FOREIGN
    assert ledger.only() == before
    assert ledger.metrics.reports[ReportOutcome.FOREIGN] == 1


@pytest.mark.parametrize("lie", ["run_id", "first_run_id", "workflow_id", "namespace"])
async def test_a_report_cannot_invent_an_execution(lie: str) -> None:
    """The engine must know the chain."""
    ledger = Reporting()
    ledger.begins()
    invented = ledger.execution(**{lie: "invented"})
    assert await ledger.reports_itself(execution=invented, tenant="default") is Recorded.FOREIGN
    assert ledger.rows() == {}


async def test_a_workflow_cannot_report_for_another() -> None:
    """By activity the engine names the sender."""
    ledger = Reporting()
    ledger.begins()
    assert await ledger.reports_itself(run=Run("other", "run")) is Recorded.FOREIGN
    assert ledger.rows() == {}


async def test_an_unknown_operation_with_another_id_stays_unknown() -> None:
    """It was deleted, or belongs to another ledger."""
    ledger = Reporting()
    ledger.begins()
    assert await ledger.reports_itself(operation_id=OTHER) is Recorded.UNKNOWN_OPERATION
    assert ledger.rows() == {}


async def test_an_execution_that_is_an_operation_is_not_adopted() -> None:
    """Its report counts for the operation that the ledger started."""
    ledger = Reporting()
    operation_id = await ledger.dispatched()
    ledger.world.pick_up(operation_id)
    named = ledger.execution(str(operation_id))
    assert await ledger.reports_itself(execution=named, tenant="default") is Recorded.RECORDED
    assert ledger.only().id == operation_id
    assert ledger.status(operation_id) is OperationStatus.RUNNING


async def test_an_adoption_under_another_type_takes_the_reports() -> None:
    """A call names the type; the report finds what it made."""
    ledger = Reporting()
    ledger.begins()
    adopted = await ledger.api.adopter().adopt("default", "a-order", "order-1")
    assert await ledger.reports_itself(ReportKind.PROGRESS, tenant="default") is Recorded.RECORDED
    assert (ledger.only().id, ledger.only().type) == (adopted.operation.id, "a-order")


async def test_the_parent_is_the_operation_of_the_starting_workflow() -> None:
    """The engine names the parent."""
    ledger = Reporting()
    ledger.begins()
    await ledger.reports_itself()
    parent = ledger.only()
    ledger.begins("item-1", "ItemWorkflow", parent=ledger.world.latest_run("order-1"))
    child = ledger.execution("item-1")
    await ledger.reports_itself(execution=child)
    assert ledger.row(child.adopted_id).parent_id == parent.id


def with_child(ledger: Reporting, workflow_type: str = "OrderWorkflow") -> tuple[ReportedExecution, ReportedExecution]:
    """A parent that has not reported, and its child, which names it as the plugin does."""
    ledger.begins(workflow_type=workflow_type)
    parent = ledger.execution()
    ledger.begins("item-1", "ItemWorkflow", parent=ledger.world.latest_run("order-1"))
    named = ReportedParent("order-1", parent.first_run_id, parent.adopted_id)
    return parent, ledger.execution("item-1", parent=named)


async def test_a_child_that_reports_first_adopts_its_parent() -> None:
    """`parent_id` refers to a row, also if the parent never reports."""
    ledger = Reporting()
    parent, child = with_child(ledger)
    await ledger.reports_itself(execution=child)
    assert ledger.row(child.adopted_id).parent_id == parent.adopted_id
    row = ledger.row(parent.adopted_id)
    assert (row.type, row.input, row.labels) == ("order", {"n": 1}, {"team": "shop"})
    await ledger.reports_itself(execution=parent)
    assert ledger.row(parent.adopted_id).status is OperationStatus.RUNNING
    assert len(ledger.rows()) == 2


async def test_a_parent_that_is_a_child_itself_names_its_own_parent() -> None:
    """Only its own report names that. Until then its child refers to the id that its adoption gives."""
    ledger = Reporting()
    parent, child = with_child(ledger)
    ledger.begins("box-1", "BoxWorkflow", parent=ledger.world.latest_run("item-1"))
    named = ReportedParent("item-1", child.first_run_id, child.adopted_id)
    grandchild = ledger.execution("box-1", parent=named)
    await ledger.reports_itself(execution=grandchild)
    assert [*ledger.rows()] == [grandchild.adopted_id]
    assert ledger.only().parent_id == child.adopted_id
    await ledger.reports_itself(execution=child)
    assert ledger.row(child.adopted_id).parent_id == parent.adopted_id
    assert parent.adopted_id in ledger.rows()


async def test_a_credential_adopts_no_parent_of_other_workers() -> None:
    """Hazard 39: the parent runs on another task queue, whose workers may report for another tenant."""
    ledger = Reporting()
    ledger.begins()
    parent = ledger.execution()
    ledger.world.start_from_outside(
        "item-1", StartFields("ItemWorkflow", "items", parent=ledger.world.latest_run("order-1"))
    )
    ledger.world.pick_up("item-1")
    child = ledger.execution("item-1", parent=ReportedParent("order-1", parent.first_run_id, parent.adopted_id))
    await ledger.reports_itself(execution=child, tenant="shop")
    assert [*ledger.rows()] == [child.adopted_id]
    await ledger.reports_itself(execution=parent, tenant="default")
    assert ledger.row(parent.adopted_id).tenant == "default"


async def test_a_child_adopts_a_parent_that_has_continued_as_new_or_closed() -> None:
    """The engine knows the run that started the child."""
    ledger = Reporting()
    parent, child = with_child(ledger)
    ledger.world.continue_as_new("order-1")
    ledger.world.complete("order-1", 7)
    await ledger.reports_itself(execution=child)
    assert ledger.row(child.adopted_id).parent_id == parent.adopted_id
    assert ledger.row(parent.adopted_id).result == 7


@pytest.mark.parametrize("lie", ["workflow_id", "first_run_id", "operation_id"])
async def test_a_forged_parent_has_no_effect(lie: str) -> None:
    """The engine says which run has started the child."""
    ledger = Reporting()
    ledger.begins()
    earlier = ledger.execution()
    ledger.world.complete("order-1")
    parent, child = with_child(ledger)
    ledger.begins("other")
    other = ledger.execution("other")
    told = {
        "workflow_id": ReportedParent("other", other.first_run_id, other.adopted_id),
        "first_run_id": ReportedParent("order-1", earlier.first_run_id, earlier.adopted_id),
        "operation_id": ReportedParent("order-1", parent.first_run_id, OTHER),
    }[lie]
    child = ledger.execution("item-1", parent=told)
    await ledger.reports_itself(execution=child)
    assert [*ledger.rows()] == [child.adopted_id]
    assert ledger.only().parent_id is None


async def test_a_parent_that_is_an_operation_is_not_taken_for_another_chain() -> None:
    """The child names an earlier chain with the workflow id of its parent."""
    ledger = Reporting()
    ledger.begins()
    earlier = ledger.execution()
    await ledger.reports_itself(execution=earlier)
    ledger.world.complete("order-1")
    with_child(ledger)
    told = ReportedParent("order-1", earlier.first_run_id, earlier.adopted_id)
    child = ledger.execution("item-1", parent=told)
    await ledger.reports_itself(execution=child)
    assert ledger.row(child.adopted_id).parent_id is None


async def test_a_child_adopts_no_parent_of_another_tenant() -> None:
    """Hazard 39: the type of the parent belongs to a tenant. Without a credential it is that of the type."""
    ledger = Reporting()
    parent, child = with_child(ledger, "CartWorkflow")
    await ledger.reports_itself(execution=child, tenant="shop")
    assert [*ledger.rows()] == [child.adopted_id]
    assert ledger.only().parent_id is None
    ledger = Reporting()
    parent, child = with_child(ledger, "CartWorkflow")
    await ledger.reports_itself(execution=child)
    assert ledger.row(parent.adopted_id).tenant == "acme"
    assert (ledger.row(child.adopted_id).tenant, ledger.row(child.adopted_id).parent_id) == ("default", None)


async def test_a_child_of_a_used_execution_names_the_operation_that_uses_it() -> None:
    """The chain of the parent has a row with another id."""
    ledger = Reporting()
    _, child = with_child(ledger)
    operation_id = await ledger.submit(type="use")
    await ledger.dispatch(1)
    await ledger.reports_itself(execution=child)
    assert ledger.row(child.adopted_id).parent_id == operation_id
    assert len(ledger.rows()) == 2


async def test_a_child_is_adopted_without_a_parent_that_cannot_be_stored() -> None:
    """Its workflow id is too long for the ledger."""
    ledger = Reporting()
    long = "x" * 1001
    ledger.begins(long)
    parent = ledger.execution(long)
    ledger.begins("item-1", "ItemWorkflow", parent=ledger.world.latest_run(long))
    child = ledger.execution("item-1", parent=ReportedParent(long, parent.first_run_id, parent.adopted_id))
    await ledger.reports_itself(execution=child)
    assert ledger.only().parent_id is None


async def test_an_outage_of_the_engine_stores_nothing() -> None:
    """The sender retries."""
    ledger = Reporting()
    ledger.begins()
    ledger.engine.break_for("describe", None, DOWN)
    with pytest.raises(EngineUnavailable):
        await ledger.reports_itself()
    assert ledger.rows() == {}


@pytest.mark.parametrize("step", range(1, 12))
async def test_a_killed_process_leaves_what_the_next_report_completes(step: int) -> None:
    """Every step repeats."""
    ledger = Reporting(callbacks=True)
    ledger.begins()
    await ledger.killed(ledger.reports_itself(), step)
    await ledger.reports_itself(ReportKind.PROGRESS)
    ledger.world.complete("order-1")
    for pending in ledger.world.callbacks:
        await ledger.call_back(pending)
    ledger.pass_time(minutes=1)
    await ledger.close_poll.step(100)
    await ledger.verify(100)
    assert ledger.only().status is OperationStatus.COMPLETED
