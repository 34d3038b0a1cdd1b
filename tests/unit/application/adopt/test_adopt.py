"""AdoptOperation: an execution of another client becomes an operation, once, and its end becomes known."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from adapters.memory.engine.executions import StartFields
from application.adopt.adopt import FIRST_QUESTION, ExecutionNotFound, ExecutionOfOtherType
from application.ports.engine.workflow_engine import CompletionCallback, EngineUnavailable, PayloadsUnavailable
from application.ports.monitoring.metrics import AdoptionWay, CallbackOutcome
from domain.errors import InvalidInput, UnknownOperationType
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_id import adopted_id
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.origin import Origin
from domain.operation.start.arguments import Arguments
from domain.operation.start.workflow_id_policy import OnRunning
from domain.operation.start.workflow_id_template import WorkflowIdTemplate
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger.in_memory import ADOPTING, CLOSE_POLL, NAMESPACE, ORDER, WORK, FakeLedger

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED
FIELDS = StartFields("Order", "shop", ({"cart": 7},))


def shop(*, callbacks: bool = True, catalogue: OperationCatalogue = ADOPTING) -> FakeLedger:
    """A ledger that adopts orders."""
    return FakeLedger(catalogue=catalogue, callbacks=callbacks)


def started(ledger: FakeLedger, workflow_id: str = "order-1", fields: StartFields = FIELDS) -> str:
    """An execution that another client has started and a worker runs. Returns its first run."""
    ledger.world.start_from_outside(workflow_id, fields)
    ledger.world.pick_up(workflow_id)
    return ledger.world.latest_run(workflow_id).run_id


async def test_running_execution_becomes_an_operation() -> None:
    """It has its input, the labels of the type, its own start and the callback."""
    ledger = shop()
    first_run = started(ledger)
    started_at = ledger.clock.now()
    ledger.pass_time(minutes=5)
    adopted = await ledger.adopt("order-1", actor="ci")
    row = adopted.operation
    assert adopted.new
    assert row == ledger.row(row.id)
    assert row.id == adopted_id(NAMESPACE, "order-1", first_run)
    assert (row.tenant, row.type, row.origin, row.labels) == ("default", "order", Origin.ADOPTED, {"team": "shop"})
    assert (row.workflow_id, row.first_run_id, row.input) == ("order-1", first_run, {"cart": 7})
    assert (row.status, row.accepted_at, row.started_at) == (RUNNING, started_at, started_at)
    assert row.dispatch.calls_back
    lines = ledger.history(row.id)
    assert [line.source for line in lines] == [Source.ADOPTION, Source.ADOPTION]
    assert ledger.statuses(row.id) == [ACCEPTED, RUNNING]
    assert (lines[0].actor, lines[0].details) == ("ci", {"first_run_id": first_run})
    assert ledger.metrics.adoptions == [(AdoptionWay.CALL, timedelta(minutes=5))]


async def test_the_end_comes_by_the_attached_callback() -> None:
    """P4: without a question to the engine."""
    ledger = shop()
    started(ledger)
    row = (await ledger.adopt("order-1")).operation
    ledger.engine.calls.clear()
    ledger.world.terminate_from_outside("order-1", "too dear", "bob")
    [pending] = ledger.world.callbacks
    assert await ledger.call_back(pending) is CallbackOutcome.APPLIED
    assert ledger.status(row.id) is FAILED
    await ledger.close_poll.step(1)
    assert ledger.engine.calls["changed_since"] == []


async def test_repeat_returns_the_same_operation() -> None:
    """Also one about a later run of the chain; it asks the engine for the description only."""
    ledger = shop()
    first_run = started(ledger)
    row = (await ledger.adopt("order-1")).operation
    ledger.world.continue_as_new("order-1")
    ledger.engine.calls.clear()
    for run_id in (None, first_run, ledger.world.latest_run("order-1").run_id):
        again = await ledger.adopt("order-1", run_id)
        assert not again.new
        assert again.operation == row
    assert ledger.engine.calls.keys() == {"describe"}


async def test_two_adoptions_at_once_create_one_operation() -> None:
    """The chain decides the id; one of them is new."""
    ledger = shop()
    started(ledger)
    both = await asyncio.gather(*(ledger.adopt("order-1") for _ in range(5)))
    assert sum(adopted.new for adopted in both) == 1
    assert len({adopted.operation.id for adopted in both}) == len(ledger.rows()) == 1
    assert len(ledger.history(both[0].operation.id)) == 2


async def test_closed_execution_is_final_at_once() -> None:
    """Result and times are those of the engine's history. Nothing is attached."""
    ledger = shop()
    started(ledger)
    ledger.world.complete("order-1", {"paid": True})
    closed_at = ledger.clock.now()
    ledger.pass_time(hours=2)
    row = (await ledger.adopt("order-1")).operation
    assert (row.status, row.result, row.finished_at) == (COMPLETED, {"paid": True}, closed_at)
    assert ledger.statuses(row.id) == [ACCEPTED, RUNNING, COMPLETED]
    assert ledger.engine.calls["attach_callback"] == []


async def test_execution_that_no_worker_took_is_accepted() -> None:
    """If it ends so, it becomes FAILED without RUNNING."""
    ledger = shop()
    ledger.world.start_from_outside("order-1", FIELDS)
    row = (await ledger.adopt("order-1")).operation
    assert (row.status, row.dispatch.calls_back) == (ACCEPTED, True)
    ledger.world.time_out("order-1")
    await ledger.call_back(ledger.world.callbacks[0])
    assert ledger.statuses(row.id) == [ACCEPTED, FAILED]


async def test_close_while_callbacks_are_off_is_seen_at_once() -> None:
    """The engine is asked once more after the row is stored, since nothing tells of the close."""
    ledger = shop(callbacks=False)
    started(ledger)

    async def close() -> None:
        ledger.world.complete("order-1", 1)

    ledger.engine.before["input_of", None] = close
    assert (await ledger.adopt("order-1")).operation.status is COMPLETED


async def test_close_between_description_and_attaching_is_seen_at_once() -> None:
    """Hazard 39: attaching races with the close."""
    ledger = shop()
    started(ledger)

    async def close() -> None:
        ledger.world.complete("order-1", 1)

    ledger.engine.before["attach_callback", None] = close
    row = (await ledger.adopt("order-1")).operation
    assert (row.status, row.result) == (COMPLETED, 1)
    assert ledger.metrics.strays == 0


async def test_execution_deleted_before_attaching_leaves_nothing_running() -> None:
    """Hazard 39: the stray start is terminated and counted; the operation is lost after the grace period."""
    ledger = shop()
    started(ledger)

    async def delete() -> None:
        ledger.world.delete("order-1")

    ledger.engine.before["attach_callback", None] = delete
    row = (await ledger.adopt("order-1")).operation
    assert ledger.metrics.strays == 1
    assert not ledger.world._executions["order-1"].open
    assert not row.done
    for _ in range(5):
        ledger.pass_time(seconds=31)
        await ledger.verify(10)
    error = ledger.row(row.id).error
    assert error is not None
    assert error.code is ErrorCode.EXECUTION_LOST
    assert await ledger.call_back(ledger.world.callbacks[0]) is CallbackOutcome.UNCHANGED


async def test_refused_callback_leaves_the_end_to_the_close_poll() -> None:
    """The close poll finds the execution by its workflow id, without the search attribute."""
    ledger = shop()
    ledger.world.refuse_callbacks()
    started(ledger)
    row = (await ledger.adopt("order-1")).operation
    assert not row.dispatch.calls_back
    assert ledger.metrics.refused
    ledger.world.complete("order-1", 1)
    ledger.clock.advance(CLOSE_POLL)
    await ledger.close_poll.step(1)
    assert ledger.status(row.id) is COMPLETED


async def test_full_execution_leaves_callbacks_on_for_others() -> None:
    """The limit is that of one execution. The close poll finds its end."""
    ledger = shop()
    ledger.world.limit_callbacks(1)
    started(ledger, "full", replace(FIELDS, callback=CompletionCallback("http://another.test/", {})))
    started(ledger)
    full = (await ledger.adopt("full")).operation
    row = (await ledger.adopt("order-1")).operation
    assert (full.status, full.dispatch.calls_back, row.dispatch.calls_back) == (RUNNING, False, True)
    assert not ledger.metrics.refused
    ledger.world.complete("full", 1)
    ledger.clock.advance(CLOSE_POLL)
    await ledger.close_poll.step(1)
    assert ledger.status(full.id) is COMPLETED


async def test_every_step_can_be_repeated_after_a_crash() -> None:
    """A killed adoption leaves a row that the next one, or the close poll, completes."""
    for step in range(40):
        ledger = shop()
        started(ledger)
        died = await ledger.killed(ledger.adopt("order-1"), step)
        row = (await ledger.adopt("order-1")).operation
        assert (row.status, row.dispatch.calls_back) == (RUNNING, True)
        assert len(ledger.rows()) == 1
        ledger.world.complete("order-1", 1)
        for pending in ledger.world.callbacks:
            await ledger.call_back(pending)
        assert ledger.statuses(row.id) == [ACCEPTED, RUNNING, COMPLETED]
        if not died:
            return
    raise AssertionError("an adoption takes more steps than this test has tried")


async def test_end_of_a_half_adopted_execution_is_found() -> None:
    """Without a repeat: the close poll looks for operations without a callback."""
    ledger = shop()
    started(ledger)
    ledger.engine.break_for("attach_callback", None, EngineUnavailable("away"))
    with pytest.raises(EngineUnavailable):
        await ledger.adopt("order-1")
    [row] = ledger.rows().values()
    ledger.world.complete("order-1", 1)
    ledger.clock.advance(CLOSE_POLL)
    await ledger.close_poll.step(1)
    assert ledger.status(row.id) is COMPLETED


async def test_own_execution_is_the_operation_that_started_it() -> None:
    """By `OperationUUID`, before and after the ledger knows the first run."""
    ledger = shop()
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    assert ledger.row(operation_id).first_run_id is None
    assert (await ledger.adopt(str(operation_id), type="work")).operation.id == operation_id
    ledger.pass_time(minutes=1)
    await ledger.dispatch(1)
    again = await ledger.adopt(str(operation_id), type="work")
    assert (again.new, again.operation.id, len(ledger.rows())) == (False, operation_id, 1)


USE = OperationType(
    "use", "Order", "shop", workflow_id=WorkflowIdTemplate.parse("order-1"), on_running=OnRunning.USE_EXISTING
)
USING = OperationCatalogue({"use": USE, "order": ORDER})


async def used(ledger: FakeLedger) -> UUID:
    """An operation that was submitted and uses the open execution of another client."""
    operation_id = await ledger.submit(type="use")
    await ledger.dispatch(1)
    assert ledger.row(operation_id).first_run_id == ledger.world.latest_run("order-1").run_id
    return operation_id


async def test_used_execution_is_the_operation_that_uses_it() -> None:
    """While it runs, after its end, and after others had the workflow id; by call and by watch rule."""
    ledger = shop(callbacks=False, catalogue=USING)
    run_id = started(ledger)
    operation_id = await used(ledger)

    async def known() -> None:
        with pytest.raises(ExecutionOfOtherType):
            await ledger.adopt("order-1", run_id)
        assert (await ledger.adopt("order-1", run_id, type="use")).operation.id == operation_id
        await ledger.watch()
        assert set(ledger.rows()) == ids
        assert ledger.engine.calls["input_of"] == []

    ids = {operation_id}
    await ledger.watch()
    await known()
    ledger.world.complete("order-1", 1)
    await ledger.follow_up(1)
    await known()
    for _ in range(2):
        ids.add(await ledger.submit(type="use"))
        await ledger.dispatch(1)
        ledger.world.complete("order-1", 2)
        ledger.pass_time(seconds=10)
        await ledger.follow_up(1)
        await known()
    assert all(row.done for row in ledger.rows().values())


async def test_execution_that_an_operation_takes_meanwhile() -> None:
    """Between the look-up and the write: one row for one chain, that of the operation."""
    ledger = shop(callbacks=False, catalogue=USING)
    started(ledger)
    operation_id = await ledger.submit(type="use")

    async def dispatch() -> None:
        ledger.engine.before.clear()
        await ledger.dispatch(1)

    ledger.engine.before["input_of", None] = dispatch
    adopted = await ledger.adopt("order-1", type="use")
    assert (adopted.new, adopted.operation.id) == (False, operation_id)
    assert set(ledger.rows()) == {operation_id}


async def test_adoption_while_the_start_is_recorded() -> None:
    """The row exists before the execution, and `OperationUUID` names it: there is no moment for a second row."""
    template = WorkflowIdTemplate.parse("order-1")
    ledger = shop(catalogue=OperationCatalogue({"order": replace(ORDER, workflow_id=template)}))
    operation_id = await ledger.submit(type="order")
    adopted: list[UUID] = []

    async def adopt() -> None:
        ledger.engine.after.clear()
        assert ledger.row(operation_id).first_run_id is None
        adopted.append((await ledger.adopt("order-1")).operation.id)
        await ledger.watch()

    ledger.engine.after["start", operation_id] = adopt
    await ledger.dispatch(1)
    adopted.append((await ledger.adopt("order-1")).operation.id)
    assert adopted == [operation_id] * 2
    assert set(ledger.rows()) == {operation_id}


async def test_foreign_search_attribute_does_not_make_an_execution_ours() -> None:
    """Another ledger's id, or that of an operation with another workflow id."""
    ledger = shop()
    own = await ledger.dispatched()
    for number, claimed in enumerate((own, UUID(int=9))):
        started(ledger, f"order-{number}", replace(FIELDS, operation_id=claimed))
        adopted = await ledger.adopt(f"order-{number}")
        assert adopted.new
        assert adopted.operation.id not in (own, claimed)


async def test_unknown_execution_is_not_adopted() -> None:
    """The engine knows neither the workflow id nor the run."""
    ledger = shop()
    started(ledger)
    with pytest.raises(ExecutionNotFound, match="'order-2'"):
        await ledger.adopt("order-2")
    with pytest.raises(ExecutionNotFound):
        await ledger.adopt("order-1", str(UUID(int=99)))


async def test_another_tenants_execution_is_unknown() -> None:
    """P8: adopted or submitted by the other tenant, the same answer as for a missing one."""
    ledger = shop()
    started(ledger)
    operation_id = await ledger.dispatched()
    await ledger.adopt("order-1")
    for workflow_id, kind in (("order-1", "order"), (str(operation_id), "work"), ("order-1", "work")):
        with pytest.raises(ExecutionNotFound, match=f"no execution with workflow id '{workflow_id}'"):
            await ledger.adopt(workflow_id, tenant="stranger", type=kind)
    assert len(ledger.rows()) == 2


async def test_types_of_another_tenant_cannot_be_adopted() -> None:
    """Hazard 39: neither by naming the type, nor by naming one of one's own."""
    theirs = replace(ORDER, tenant="shop")
    ledger = shop(catalogue=OperationCatalogue({"order": theirs, "work": WORK}))
    started(ledger)
    with pytest.raises(InvalidInput, match="belongs to another tenant"):
        await ledger.adopt("order-1")
    with pytest.raises(ExecutionNotFound):
        await ledger.adopt("order-1", type="work")
    assert (await ledger.adopt("order-1", tenant="shop")).operation.tenant == "shop"


async def test_type_must_fit() -> None:
    """The declared workflow type is that of the execution, and a known operation keeps its type."""
    orders = {"order": ORDER, "rush": replace(ORDER, name="rush"), "work": WORK}
    ledger = shop(catalogue=OperationCatalogue(orders))
    started(ledger)
    with pytest.raises(InvalidInput, match="'Work', and the execution has 'Order'") as refused:
        await ledger.adopt("order-1", type="work")
    assert refused.value.pointer == "/type"
    with pytest.raises(UnknownOperationType):
        await ledger.adopt("order-1", type="nothing")
    await ledger.adopt("order-1")
    with pytest.raises(ExecutionOfOtherType):
        await ledger.adopt("order-1", type="rush")


async def test_child_names_its_parent() -> None:
    """Whether the ledger has started the parent or adopted it, in whichever run the parent is."""
    ledger = shop()
    submitted = await ledger.running()
    started(ledger, "basket")
    basket = (await ledger.adopt("basket")).operation.id
    ledger.world.continue_as_new("basket")
    for number, (workflow_id, parent) in enumerate(((str(submitted), submitted), ("basket", basket))):
        ledger.world.start_child(child := f"child-{number}", ledger.world.latest_run(workflow_id), FIELDS)
        assert (await ledger.adopt(child)).operation.parent_id == parent


async def test_unknown_parent_is_none() -> None:
    """An execution that is no operation, another tenant's, or another chain under an operation's workflow id."""
    ledger = shop()
    started(ledger, "basket")
    parents = [ledger.world.latest_run("basket")]
    started(ledger, "theirs")
    await ledger.adopt("theirs", tenant="stranger")
    parents.append(ledger.world.latest_run("theirs"))
    own = await ledger.running()
    ledger.world.supersede(own)
    parents.append(ledger.world.latest_run(own))
    for number, parent in enumerate(parents):
        ledger.world.start_child(child := f"child-{number}", parent, FIELDS)
        assert (await ledger.adopt(child)).operation.parent_id is None


async def test_input_follows_the_declared_arguments() -> None:
    """Several arguments are a list where the type says so; what is missing is noted in the history."""
    spread = replace(ORDER, name="spread", arguments=Arguments.SPREAD)
    ledger = shop(catalogue=OperationCatalogue({"order": ORDER, "spread": spread}))
    two = replace(FIELDS, arguments=(1, 2))
    started(ledger, "order-1", two)
    started(ledger, "order-2", two)
    started(ledger, "order-3", replace(FIELDS, input_unreadable="encrypted"))
    assert (await ledger.adopt("order-1", type="spread")).operation.input == [1, 2]
    first = (await ledger.adopt("order-2")).operation
    assert first.input == 1
    assert "input" in ledger.history(first.id)[0].details
    unreadable = (await ledger.adopt("order-3")).operation
    assert unreadable.input is None
    assert ledger.history(unreadable.id)[0].details["input"] == "the input could not be read: encrypted"


async def test_codec_outage_stores_nothing() -> None:
    """The client repeats the request, so that the input is not lost."""
    ledger = shop()
    started(ledger)
    ledger.engine.break_for("input_of", None, PayloadsUnavailable("away"))
    with pytest.raises(PayloadsUnavailable):
        await ledger.adopt("order-1")
    assert ledger.rows() == {}
    ledger.engine.before.clear()
    assert (await ledger.adopt("order-1")).operation.input == {"cart": 7}


@pytest.mark.parametrize("workflow_id", ["x" * 1001, "ä" * 501, "a\0b"])
async def test_workflow_id_that_cannot_be_stored(workflow_id: str) -> None:
    """It is refused before the database refuses it."""
    ledger = shop()
    started(ledger, workflow_id)
    with pytest.raises(InvalidInput, match="1000 bytes"):
        await ledger.adopt(workflow_id)


@pytest.mark.parametrize(("force", "code"), [(False, ErrorCode.CANCELED), (True, ErrorCode.TERMINATED)])
async def test_adopted_operation_can_be_cancelled(force: bool, code: ErrorCode) -> None:
    """Only its own chain is."""
    ledger = shop()
    started(ledger)
    row = (await ledger.adopt("order-1")).operation
    await ledger.cancel(row.id, force=force)
    await ledger.follow_up(1)
    if not force:
        ledger.world.cancel_acknowledged("order-1")
    await ledger.call_back(ledger.world.callbacks[0])
    error = ledger.row(row.id).error
    assert error is not None
    assert error.code is code


async def test_cancellation_spares_another_chain_under_the_workflow_id() -> None:
    """Hazard 34."""
    ledger = shop()
    started(ledger)
    row = (await ledger.adopt("order-1")).operation
    ledger.world.supersede("order-1", FIELDS)
    await ledger.cancel(row.id, force=True)
    await ledger.follow_up(1)
    assert ledger.world._executions["order-1"].open
    error = ledger.row(row.id).error
    assert error is not None
    assert error.code is ErrorCode.TERMINATED
    other = await ledger.adopt("order-1")
    assert other.new
    assert other.operation.id != row.id


async def test_callback_of_a_deleted_operation_is_not_retried() -> None:
    """The id says nothing of its age, but the row was stored before the callback was attached."""
    ledger = shop()
    started(ledger)
    row = (await ledger.adopt("order-1")).operation
    ledger.world.complete("order-1", 1)
    [pending] = ledger.world.callbacks
    await ledger.call_back(pending)
    async with ledger.units() as unit:
        await unit.operations.delete(ledger.row(row.id))
        await unit.commit()
    assert await ledger.call_back(pending) is CallbackOutcome.DELETED


async def test_silent_adopted_operation_is_followed_up_and_verified() -> None:
    """As every other: a worker that takes the execution later, and an execution that vanishes."""
    ledger = shop(callbacks=False)
    ledger.world.start_from_outside("order-1", FIELDS)
    row = (await ledger.adopt("order-1")).operation
    ledger.world.pick_up("order-1")
    ledger.clock.advance(FIRST_QUESTION)
    await ledger.follow_up(1)
    assert ledger.status(row.id) is RUNNING
    ledger.world.lose("order-1")
    for _ in range(3):
        ledger.pass_time(hours=1)
        await ledger.verify(1)
    assert ledger.status(row.id) is FAILED
    assert ledger.world.starts == []
