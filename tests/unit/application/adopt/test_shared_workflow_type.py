"""P8: two tenants have a watch rule for one workflow type, and no way in gives an execution to the wrong one."""

from dataclasses import replace

import pytest

from adapters.memory.engine.executions import StartFields
from application.adopt.adopt import ExecutionNotFound
from application.ports.engine.index import QueryRefused
from application.submit.record_start import ClientStart
from application.track.record import Recorded
from domain.evidence.reported_execution import ReportedExecution
from domain.operation.operation import Operation
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.report import Progress, Report, ReportKind
from tests.support.ledger.in_memory import NAMESPACE, ORDER, FakeLedger

ONE = replace(ORDER, labels={})
US, EU = (replace(ONE, name=f"{tenant}-order", tenant=tenant, query=f"Region = '{tenant}'") for tenant in ("us", "eu"))
EVERY = replace(ONE, name="any-order")


async def ledger(*types: OperationType) -> FakeLedger:
    """A ledger whose watch has begun, with an execution of eu."""
    fake = FakeLedger(catalogue=OperationCatalogue({one.name: one for one in types or (US, EU)}), callbacks=True)
    await fake.watch()
    start(fake, "order-1", "eu")
    return fake


def start(fake: FakeLedger, workflow_id: str, region: str) -> None:
    """A client without the plugin starts an execution."""
    fake.world.start_from_outside(workflow_id, StartFields("Order", "shop", attributes={"Region": region}))
    fake.world.pick_up(workflow_id)


async def report(fake: FakeLedger, tenant: str | None, kind: ReportKind = ReportKind.STARTED) -> Recorded:
    """The worker reports about the execution; without a tenant by activity."""
    run = fake.world.latest_run("order-1")
    execution = ReportedExecution(NAMESPACE, "order-1", run.run_id, run.run_id, "Order", "shop", fake.clock.now())
    progress = Progress(0.5) if kind is ReportKind.PROGRESS else None
    sent = Report(kind, fake.clock.now(), progress=progress)
    return await fake.reports.receive(execution.adopted_id, sent, run, execution=execution, tenant=tenant)


def only(fake: FakeLedger) -> Operation:
    [row] = fake.rows().values()
    return row


async def test_report_without_a_credential_leaves_the_execution_to_the_rule() -> None:
    """It is no error, and the next report counts."""
    fake = await ledger()
    assert await report(fake, None) is Recorded.UNKNOWN_OPERATION
    assert fake.rows() == {}
    await fake.watch()
    assert (only(fake).tenant, only(fake).type) == ("eu", "eu-order")
    assert await report(fake, None, ReportKind.PROGRESS) is Recorded.RECORDED
    assert only(fake).progress is not None


@pytest.mark.parametrize("tenant", ["eu", "us"])
async def test_report_with_a_credential_has_the_type_of_its_tenant(tenant: str) -> None:
    """Before the rule has adopted."""
    fake = FakeLedger(catalogue=OperationCatalogue({"us-order": US, "eu-order": EU}))
    await fake.watch()
    start(fake, "order-1", tenant)
    assert await report(fake, tenant) in (Recorded.RECORDED, Recorded.IGNORED)
    assert (only(fake).tenant, only(fake).type) == (tenant, f"{tenant}-order")
    await fake.watch()
    assert len(fake.rows()) == 1


async def test_report_of_a_tenant_without_a_type_is_refused() -> None:
    """Before and after the adoption."""
    fake = await ledger()
    assert await report(fake, "another") is Recorded.FOREIGN
    await fake.watch()
    assert await report(fake, "another") is Recorded.FOREIGN
    assert only(fake).tenant == "eu"


async def test_type_without_a_tenant_is_none_of_another_tenants_executions() -> None:
    """A type to submit with says nothing of who may adopt."""
    fake = await ledger(EU, replace(ORDER, name="a-order", adopt=False))
    assert await report(fake, "another") is Recorded.FOREIGN
    with pytest.raises(ExecutionNotFound):
        await fake.adopt("order-1", type="a-order", tenant="another")
    assert await report(fake, None) in (Recorded.RECORDED, Recorded.IGNORED)
    assert (only(fake).tenant, only(fake).type) == ("eu", "eu-order")


async def test_default_tenant_is_a_tenant() -> None:
    """A rule without a tenant adopts for it."""
    fake = await ledger(EU, replace(EVERY, query="Region = 'us'"))
    assert await report(fake, None) is Recorded.UNKNOWN_OPERATION
    start(fake, "order-2", "us")
    with pytest.raises(ExecutionNotFound):
        await fake.adopt("order-2", type="eu-order", tenant="eu")
    with pytest.raises(ExecutionNotFound):
        await fake.adopt("order-1", type="any-order")
    assert (await fake.adopt("order-2", type="any-order")).operation.tenant == "default"


async def test_call_adopts_what_the_rule_of_the_type_selects() -> None:
    """The answer about another tenant's execution is that about a missing one."""
    fake = await ledger()
    with pytest.raises(ExecutionNotFound, match="no execution with workflow id 'order-1'"):
        await fake.adopt("order-1", type="us-order", tenant="us")
    assert fake.rows() == {}
    assert (await fake.adopt("order-1", type="eu-order", tenant="eu")).operation.tenant == "eu"
    assert not (await fake.adopt("order-1", type="eu-order", tenant="eu")).new
    with pytest.raises(ExecutionNotFound):
        await fake.adopt("order-1", type="us-order", tenant="us")


async def test_call_with_a_type_without_a_rule_is_refused() -> None:
    """Nothing shows that the execution is the tenant's."""
    fake = await ledger(US, replace(EU, adopt=False, query=None))
    with pytest.raises(ExecutionNotFound):
        await fake.adopt("order-1", type="eu-order", tenant="eu")
    every = await ledger(replace(EU, query=None), replace(US, adopt=False, query=None))
    assert (await every.adopt("order-1", type="eu-order", tenant="eu")).new


async def test_call_about_an_execution_that_is_not_listed_yet() -> None:
    """A repeat finds it."""
    fake = FakeLedger(catalogue=OperationCatalogue({"us-order": US, "eu-order": EU}))
    fake.world.freeze_listing()
    start(fake, "order-1", "eu")
    with pytest.raises(ExecutionNotFound):
        await fake.adopt("order-1", type="eu-order", tenant="eu")
    fake.world.thaw_listing()
    assert (await fake.adopt("order-1", type="eu-order", tenant="eu")).new


async def test_call_with_a_refused_query_adopts_nothing() -> None:
    """Temporal cannot say what it selects."""
    fake = await ledger()
    fake.engine.break_for("selects", None, QueryRefused("invalid query"))
    with pytest.raises(ExecutionNotFound):
        await fake.adopt("order-1", type="eu-order", tenant="eu")


async def test_workflow_type_of_one_tenant_costs_no_list_call() -> None:
    """Only a shared one has to be looked up in the index."""
    fake = await ledger(EU)
    await fake.adopt("order-1", type="eu-order", tenant="eu")
    assert fake.engine.calls["selects"] == []


async def test_recorded_start_has_the_type_of_its_tenant() -> None:
    """The client names the workflow type alone."""
    fake = await ledger()
    start_of_us = ClientStart("us", "Order", "order-2")
    assert (await fake.api.record().record(start_of_us)).operation.type == "us-order"
