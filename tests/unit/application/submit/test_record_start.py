"""RecordStarts: operations whose workflows clients start."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from adapters.memory.engine.executions import StartFields
from application.submit.record_start import ClientStart, RecordedStart
from domain.errors import IdempotencyKeyReused, InvalidInput, OperationNotFound, WorkflowIdInUse
from domain.operation.operation import MISSING
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.origin import Origin
from domain.operation.start.workflow_id_policy import OnRunning
from domain.operation.start.workflow_id_template import WorkflowIdTemplate
from domain.operation.status import OperationStatus
from tests.support.ledger.in_memory import FakeLedger

CATALOGUE = OperationCatalogue(
    {
        "order": OperationType("order", "OrderWorkflow", "orders", adopt=True),
        "submitted": OperationType(
            "submitted", "OrderWorkflow", "orders", workflow_id=WorkflowIdTemplate.parse("order-1")
        ),
        "an-order": OperationType("an-order", "OrderWorkflow", "orders"),
    }
)
EXECUTION = StartFields("OrderWorkflow", "orders")


class Recorder:
    """A ledger, and its service."""

    def __init__(self) -> None:
        self.ledger = FakeLedger(catalogue=CATALOGUE)
        self.service = self.ledger.api.record()

    async def record(self, **fields: Any) -> RecordedStart:
        """Records a start of order-1."""
        tenant, type_name = fields.pop("tenant", "default"), fields.pop("type", "OrderWorkflow")
        return await self.service.record(ClientStart(tenant, type_name, fields.pop("workflow_id", "order-1"), **fields))

    async def end(self, operation_id: UUID) -> None:
        """The ledger learns the end; that of an operation that was never started is a failure."""
        self.ledger.pass_time(minutes=3)
        await self.ledger.follow_up(100)
        assert self.ledger.row(operation_id).done


async def test_the_operation_is_stored_and_never_dispatched() -> None:
    """It has the values that the client sent."""
    recorder = Recorder()
    recorded = await recorder.record(input={"n": 1}, labels={"team": "a"}, actor="shop")
    row = recorder.ledger.row(recorded.operation.id)
    assert (recorded.new, recorded.replayed, recorded.operation) == (True, False, row)
    assert (row.type, row.input, row.labels, row.workflow_id) == ("order", {"n": 1}, {"team": "a"}, "order-1")
    assert (row.origin, row.status) == (Origin.CLIENT, OperationStatus.ACCEPTED)
    recorder.ledger.pass_time(minutes=1)
    assert (await recorder.ledger.dispatch(100)).found == 0
    [line] = recorder.ledger.history(row.id)
    assert (line.actor, line.reason) == ("shop", "recorded; the client starts the workflow")


@pytest.mark.parametrize(("name", "stored"), [("order", "order"), ("an-order", "an-order"), ("Other", "Other")])
async def test_types_need_no_declaration(name: str, stored: str) -> None:
    """A declared name is a type; the name of a workflow type gives the type that adopts it."""
    recorder = Recorder()
    assert (await recorder.record(type=name)).operation.type == stored
    assert (await recorder.record(type=name, workflow_id="order-2")).operation.input is MISSING


async def test_a_start_that_never_came_fails() -> None:
    """The client crashed between the recording and the start."""
    recorder = Recorder()
    operation_id = (await recorder.record()).operation.id
    recorder.ledger.pass_time(seconds=10)
    await recorder.ledger.follow_up(100)
    assert recorder.ledger.status(operation_id) is OperationStatus.ACCEPTED
    await recorder.end(operation_id)
    error = recorder.ledger.row(operation_id).error
    assert error is not None
    assert error.code is ErrorCode.START_REJECTED


async def test_an_open_operation_has_the_workflow_id() -> None:
    """Its policy is that of the client."""
    recorder = Recorder()
    first = (await recorder.record()).operation
    with pytest.raises(WorkflowIdInUse) as refused:
        await recorder.record(idempotency_key="k")
    assert refused.value.operation_id == first.id
    used = await recorder.record(on_running=OnRunning.USE_EXISTING)
    assert (used.operation.id, used.new) == (first.id, False)
    assert (await recorder.record(on_running=OnRunning.TERMINATE)).new
    assert len(recorder.ledger.rows()) == 2


@pytest.mark.parametrize("policy", [OnRunning.REJECT, OnRunning.USE_EXISTING])
async def test_the_operation_of_another_tenant_has_no_name(policy: OnRunning) -> None:
    """A tenant learns nothing about another."""
    recorder = Recorder()
    await recorder.record(tenant="acme")
    with pytest.raises(WorkflowIdInUse) as refused:
        await recorder.record(on_running=policy)
    assert refused.value.operation_id is None


async def test_the_workflow_id_is_free_after_the_end() -> None:
    """A refused request leaves its key free."""
    recorder = Recorder()
    first = (await recorder.record()).operation
    with pytest.raises(WorkflowIdInUse):
        await recorder.record(idempotency_key="k")
    await recorder.end(first.id)
    again = await recorder.record(idempotency_key="k")
    assert again.new
    assert again.operation.id != first.id


async def test_a_repeat_with_the_same_key_gets_the_first_answer() -> None:
    """Hazard 6, whatever became of the operation."""
    recorder = Recorder()
    first = await recorder.record(idempotency_key="k", input=[1])
    recorder.ledger.world.start_from_outside("order-1", replace(EXECUTION, operation_id=first.operation.id))
    recorder.ledger.world.pick_up("order-1")
    recorder.ledger.world.complete("order-1")
    await recorder.end(first.operation.id)
    again = await recorder.record(idempotency_key="k", input=[1])
    assert (again.new, again.replayed, again.operation) == (True, True, first.operation)
    assert len(recorder.ledger.rows()) == 1


@pytest.mark.parametrize("changed", [{"input": 1}, {"workflow_id": "order-2"}, {"on_running": OnRunning.TERMINATE}])
async def test_another_request_cannot_have_the_key(changed: dict[str, Any]) -> None:
    """Keys are those of submissions too."""
    recorder = Recorder()
    await recorder.record(idempotency_key="k")
    with pytest.raises(IdempotencyKeyReused):
        await recorder.record(idempotency_key="k", **changed)
    with pytest.raises(IdempotencyKeyReused):
        await recorder.ledger.submit(type="order", idempotency_key="k")


async def test_a_repeat_after_an_end_without_a_start_is_a_new_operation() -> None:
    """The client starts the workflow now, as a Nexus operation does that is retried. The key belongs to the new one."""
    recorder = Recorder()
    first = await recorder.record(idempotency_key="k")
    await recorder.end(first.operation.id)
    second = await recorder.record(idempotency_key="k")
    assert (second.new, second.replayed) == (True, False)
    assert second.operation.id != first.operation.id
    third = await recorder.record(idempotency_key="k")
    assert (third.operation.id, third.replayed) == (second.operation.id, True)


async def test_the_key_of_a_deleted_operation() -> None:
    """The answer is that of a submission."""
    recorder = Recorder()
    first = await recorder.record(idempotency_key="k")
    await recorder.end(first.operation.id)
    del recorder.ledger.store._tables.operations[first.operation.id]
    with pytest.raises(OperationNotFound):
        await recorder.record(idempotency_key="k")


async def opened(ledger: FakeLedger, tenant: str = "default") -> UUID:
    """An operation whose execution runs as order-1."""
    ledger.world.start_from_outside("order-1", EXECUTION)
    ledger.world.pick_up("order-1")
    return (await ledger.adopt("order-1", tenant=tenant)).operation.id


async def followed_up(ledger: FakeLedger) -> None:
    """Several times."""
    for _ in range(5):
        ledger.pass_time(minutes=1)
        await ledger.follow_up(10)


async def test_a_start_that_terminates_supersedes_the_open_operation() -> None:
    """The client's start terminates its execution, and the error names the operation of that start."""
    recorder = Recorder()
    ledger = recorder.ledger
    old = await opened(ledger)
    new = (await recorder.record(on_running=OnRunning.TERMINATE, actor="shop")).operation.id
    assert ledger.row(old).superseded_by == new
    assert ledger.history(old)[-1].actor == "shop"
    await ledger.follow_up(10)
    assert ledger.world._executions["order-1"].open
    ledger.world.supersede("order-1", replace(EXECUTION, operation_id=new))
    await followed_up(ledger)
    error = ledger.row(old).error
    assert error is not None
    assert (error.code, error.details["superseded_by"]) == (ErrorCode.TERMINATED, str(new))
    assert ledger.row(new).first_run_id == ledger.world.latest_run("order-1").run_id


async def test_an_operation_whose_successor_is_not_started_goes_on() -> None:
    """P7: the ledger terminates nothing that the client has not. Its workflow id is taken as before."""
    recorder = Recorder()
    ledger = recorder.ledger
    old = await opened(ledger)
    new = (await recorder.record(on_running=OnRunning.TERMINATE)).operation.id
    await followed_up(ledger)
    assert ledger.row(new).done
    row = ledger.row(old)
    assert (row.status, row.superseded_by, row.follow_up.due_at) == (OperationStatus.RUNNING, None, None)
    assert ledger.world._executions["order-1"].open
    used = await recorder.record(on_running=OnRunning.USE_EXISTING)
    assert (used.operation.id, used.new) == (old, False)


async def test_a_superseded_operation_can_be_cancelled() -> None:
    """The client has not started the successor yet."""
    recorder = Recorder()
    ledger = recorder.ledger
    old = await opened(ledger)
    await recorder.record(on_running=OnRunning.TERMINATE)
    await ledger.cancel(old, force=True)
    await ledger.follow_up(10)
    error = ledger.row(old).error
    assert error is not None
    assert error.code is ErrorCode.TERMINATED
    assert not ledger.world._executions["order-1"].open


async def test_a_successor_that_has_ended_meanwhile() -> None:
    """It was also deleted: the execution shows that it was started."""
    recorder = Recorder()
    ledger = recorder.ledger
    old = await opened(ledger)
    new = (await recorder.record(on_running=OnRunning.TERMINATE)).operation.id
    ledger.world.supersede("order-1", replace(EXECUTION, operation_id=new))
    ledger.world.complete("order-1", 1)
    del ledger.store._tables.operations[new]
    await followed_up(ledger)
    error = ledger.row(old).error
    assert error is not None
    assert error.details["superseded_by"] == str(new)


async def test_an_operation_that_was_not_started_yet_ends_at_once() -> None:
    """A submission ends it so too: the ledger must not start it beside the client's."""
    recorder = Recorder()
    ledger = recorder.ledger
    old = await ledger.submit(type="submitted")
    new = (await recorder.record(on_running=OnRunning.TERMINATE)).operation.id
    assert (ledger.status(old), ledger.row(old).superseded_by) == (OperationStatus.FAILED, new)
    assert (await ledger.dispatch(10)).found == 0


async def test_operations_of_another_tenant_are_not_marked() -> None:
    """A tenant learns nothing about another, and changes nothing of it."""
    recorder = Recorder()
    old = await opened(recorder.ledger, "acme")
    before = recorder.ledger.row(old)
    assert (await recorder.record(on_running=OnRunning.TERMINATE)).new
    assert recorder.ledger.row(old) == before


async def test_starts_at_once_supersede_each_other() -> None:
    """Each transaction sees the operations of those before it: one is left, and names no successor."""
    recorder = Recorder()
    old = await opened(recorder.ledger)
    await asyncio.gather(*(recorder.record(on_running=OnRunning.TERMINATE) for _ in range(5)))
    rows = recorder.ledger.rows()
    [last] = [row for row in rows.values() if row.superseded_by is None]
    assert len(rows) == 6
    assert rows[old].superseded_by == last.id


async def test_labels_are_checked() -> None:
    """The rules are those of a submission."""
    with pytest.raises(InvalidInput):
        await Recorder().record(labels={"!": "x"})
