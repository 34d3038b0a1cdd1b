"""P8: an operation of another workflow type keeps its workflow id, also one that the ledger has adopted."""

from dataclasses import replace
from uuid import UUID

import pytest

from adapters.memory.engine.engine_controls import UNTAGGED
from domain.errors import WorkflowIdInUse
from domain.operation.operation import Operation
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import OperationCatalogue, OperationType
from tests.support.ledger.in_memory import FakeLedger
from tests.unit.application.dispatch.test_check_submitted import in_sql, rejection
from tests.unit.application.dispatch.test_workflow_ids import NAME, error, starts
from tests.unit.application.submit.test_workflow_ids import TYPES, submitted

PAYROLL = OperationType("payroll", "Payroll", "workers", adopt=True)
KINDS = pytest.mark.parametrize("kind", ["use", "terminate"])


async def payroll(tenant: str | None = None) -> FakeLedger:
    """A ledger whose watch has begun. Another client starts a payroll under the workflow id."""
    types = (*TYPES, replace(PAYROLL, tenant=tenant))
    fake = FakeLedger(catalogue=OperationCatalogue({kind.name: kind for kind in types}), callbacks=True)
    await fake.watch()
    fake.world.start_from_outside(NAME, replace(UNTAGGED, workflow_type="Payroll"))
    fake.world.pick_up(NAME)
    return fake


async def adopted(fake: FakeLedger) -> Operation:
    """The operation of the payroll."""
    await fake.watch()
    [row] = [row for row in fake.rows().values() if row.type == "payroll"]
    return row


async def is_untouched(fake: FakeLedger, operation_id: UUID) -> None:
    """The payroll runs on, also after everything that is due was done."""
    fake.pass_time(minutes=1)
    await fake.dispatch(10)
    await fake.follow_up(10)
    row = fake.row(operation_id)
    assert fake.world._executions[NAME].open
    assert (row.done, row.superseded_by) == (False, None)
    assert starts(fake) == []


@KINDS
async def test_submission_is_refused(kind: str) -> None:
    """The conflict names the operation, which is of the same tenant."""
    fake = await payroll()
    row = await adopted(fake)
    with pytest.raises(WorkflowIdInUse) as refused:
        await submitted(fake, kind)
    assert refused.value.operation_id == row.id
    assert len(fake.rows()) == 1
    await is_untouched(fake, row.id)


@KINDS
async def test_submission_in_sql_is_rejected(kind: str) -> None:
    """Its check rejects it."""
    fake = await payroll()
    row = await adopted(fake)
    operation_id = await in_sql(fake, kind, {"machine": "m"})
    await fake.dispatch(10)
    assert rejection(fake, operation_id).details == {"operation_id": str(row.id)}
    await is_untouched(fake, row.id)


@KINDS
@pytest.mark.parametrize("tenant", [None, "another"])
async def test_payroll_that_is_adopted_after_the_submission(kind: str, tenant: str | None) -> None:
    """Before the start, which Temporal refuses. The error names an operation of the same tenant alone."""
    fake = await payroll(tenant)
    operation_id = (await submitted(fake, kind)).id
    row = await adopted(fake)
    await fake.dispatch(10)
    failure = error(fake, operation_id)
    assert failure.code is ErrorCode.START_REJECTED
    assert failure.details == ({"operation_id": str(row.id)} if tenant is None else {})
    await is_untouched(fake, row.id)


@KINDS
async def test_operation_of_an_undeclared_type(kind: str) -> None:
    """Its name is the workflow type, as of one that a report has adopted; or the declaration is gone."""
    for name in ("Payroll", "former-payroll"):
        fake = await payroll()
        row = await adopted(fake)
        fake.store._tables.operations[row.id] = replace(row, type=name)
        with pytest.raises(WorkflowIdInUse) as refused:
            await submitted(fake, kind)
        assert refused.value.operation_id == row.id
        await is_untouched(fake, row.id)


async def test_operation_of_an_undeclared_type_with_the_same_workflow_type() -> None:
    """It gives way, as one of the declared type does."""
    fake = await payroll()
    row = await adopted(fake)
    fake.world.complete(NAME)
    await fake.call_back(fake.world.callbacks[0])
    fake.world.start_from_outside(NAME)
    fake.store._tables.operations[row.id] = replace(row, type="Work", first_run_id=fake.world.latest_run(NAME).run_id)
    assert (await submitted(fake, "use")).id == row.id
