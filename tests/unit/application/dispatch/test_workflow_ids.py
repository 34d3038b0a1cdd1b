"""Starts under a workflow id that another chain has or had."""

from dataclasses import replace
from uuid import UUID

import pytest

from adapters.memory.engine.engine_controls import UNTAGGED
from adapters.memory.engine.executions import MemoryExecution
from application.batching.claim_loop import LEASE
from application.ports.monitoring.metrics import CallbackOutcome
from domain.evidence.observation import ExecutionState
from domain.operation.operation import Cause, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.operation_id import adopted_id
from domain.operation.start.creation import adopt
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger.in_memory import CLOSE_POLL, FakeLedger
from tests.unit.application.submit.test_workflow_ids import CATALOGUE, ledger, submitted

NAME = "deploy-m"
ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED


def error(fake: FakeLedger, operation_id: UUID) -> OperationError:
    found = fake.row(operation_id).error
    assert found is not None
    return found


def starts(fake: FakeLedger) -> list[UUID]:
    return [start.operation_id for start in fake.world.starts]


def own(fake: FakeLedger, row: Operation) -> MemoryExecution:
    """The execution of the operation."""
    found = fake.world._chains.find(row.chain)
    assert found is not None
    return found


async def started(fake: FakeLedger, kind: str) -> Operation:
    row = await submitted(fake, kind)
    await fake.dispatch(10)
    return fake.row(row.id)


async def adopted_row(fake: FakeLedger, tenant: str = "default") -> UUID:
    """The operation of the execution that has the workflow id, as adoption stores it."""
    first = fake.world.latest_run(NAME).run_id
    now = fake.clock.now()
    operation_id = adopted_id("default", NAME, first)
    change = adopt(
        operation_id,
        tenant=tenant,
        type_name="work",
        value=None,
        labels={},
        workflow_id=NAME,
        first_run_id=first,
        started_at=now,
        follow_up_at=now,
        cause=Cause(Source.ADOPTION, "adopted", now),
    )
    async with fake.units() as unit:
        await unit.operations.add(change)
        await unit.commit()
    return operation_id


async def test_successor_terminates_and_starts() -> None:
    """The former chain is terminated by its first run before the start; the engine's word ends its operation."""
    fake = ledger()
    first = await started(fake, "terminate")
    second = await started(fake, "terminate")
    assert starts(fake) == [first.id, second.id]
    closed, running = own(fake, first), own(fake, second)
    assert (closed.state, running.state) == (ExecutionState.TERMINATED, ExecutionState.PENDING)
    await fake.follow_up(10)
    assert (fake.status(first.id), fake.status(second.id)) == (FAILED, ACCEPTED)
    failure = error(fake, first.id)
    assert (failure.code, failure.message) == (ErrorCode.TERMINATED, f"superseded by operation {second.id}")
    assert failure.details["superseded_by"] == str(second.id)


async def test_follow_up_terminates_a_superseded_execution() -> None:
    """Whatever becomes of the successor: here it is cancelled before its start."""
    fake = ledger()
    first = await started(fake, "terminate")
    second = await submitted(fake, "terminate")
    await fake.cancel(second.id)
    await fake.follow_up(10)
    assert (fake.status(first.id), error(fake, first.id).code) == (FAILED, ErrorCode.TERMINATED)
    third = await started(fake, "reject")
    assert third.dispatch.done_at is not None
    assert starts(fake) == [first.id, third.id]


async def test_completion_before_the_termination_counts() -> None:
    """The former operation is COMPLETED, and the successor starts all the same."""
    fake = ledger()
    first = await started(fake, "terminate")
    second = await submitted(fake, "terminate")
    fake.world.complete(NAME, 7)
    await fake.dispatch(10)
    await fake.follow_up(10)
    assert (fake.status(first.id), fake.row(first.id).result) == (COMPLETED, 7)
    assert starts(fake) == [first.id, second.id]


async def test_chain_of_successors() -> None:
    """Each ends the one before, also one whose successor never started."""
    fake = ledger()
    first = await started(fake, "terminate")
    second, third = [await submitted(fake, "terminate") for _ in range(2)]
    await fake.dispatch(10)
    await fake.follow_up(10)
    assert starts(fake) == [first.id, third.id]
    assert {fake.status(row.id) for row in (first, second)} == {FAILED}
    assert error(fake, first.id).details["superseded_by"] == str(third.id)


async def test_superseded_operation_with_an_attempt_in_flight_is_not_started() -> None:
    """Its attempt is lost: after a lease it ends as superseded, and has started nothing."""
    fake = ledger()
    first = await submitted(fake, "terminate")
    assert await fake.killed(fake.dispatch(1), 4)
    second = await submitted(fake, "terminate")
    await fake.dispatch(10)
    for _ in range(3):
        fake.clock.advance(LEASE)
        await fake.dispatch(10)
    assert starts(fake) == [second.id]
    assert (fake.status(first.id), error(fake, first.id).details["superseded_by"]) == (FAILED, str(second.id))


async def test_superseded_operation_whose_start_was_taken_is_terminated() -> None:
    """The reply was lost: the successor finds its execution by the search attribute and terminates it."""
    fake = ledger()
    first = await submitted(fake, "terminate")
    fake.world.lose_next_reply()
    await fake.dispatch(1)
    second = await submitted(fake, "terminate")
    await fake.dispatch(10)
    for _ in range(3):
        fake.clock.advance(LEASE)
        await fake.dispatch(10)
        await fake.follow_up(10)
    assert starts(fake) == [first.id, second.id]
    assert (fake.status(first.id), error(fake, first.id).code) == (FAILED, ErrorCode.TERMINATED)
    assert error(fake, first.id).details["superseded_by"] == str(second.id)
    assert not fake.row(second.id).done


async def test_suspended_dispatcher_does_not_end_the_successor() -> None:
    """Its start meets the successor's chain, which it leaves alone. Its own operation ends as superseded."""
    fake = ledger()
    first = await submitted(fake, "terminate")
    second: list[UUID] = []

    async def overtake() -> None:
        fake.engine.before.clear()
        second.append((await submitted(fake, "terminate")).id)
        await fake.dispatch(10)

    fake.engine.before[("start", first.id)] = overtake
    await fake.dispatch(1)
    assert starts(fake) == second
    assert own(fake, fake.row(second[0])).open
    assert (fake.status(first.id), error(fake, first.id).code) == (FAILED, ErrorCode.TERMINATED)


@pytest.mark.parametrize("kind", ["reject", "once", "until-done"])
async def test_foreign_execution_is_left_alone(kind: str) -> None:
    """The operation is rejected, with the engine's message about the execution."""
    fake = ledger()
    fake.world.start_from_outside(NAME)
    row = await started(fake, kind)
    failure = error(fake, row.id)
    assert failure.code is ErrorCode.START_REJECTED
    assert NAME in failure.message
    assert failure.details == {}
    assert fake.world._executions[NAME].open


async def test_foreign_execution_is_terminated() -> None:
    """The termination names its first run."""
    fake = ledger()
    fake.world.start_from_outside(NAME)
    foreign = fake.world.latest_run(NAME)
    row = await started(fake, "terminate")
    assert row.dispatch.done_at is not None
    [former] = fake.world._chains.former[NAME]
    assert (former.first_run_id, former.state) == (foreign.run_id, ExecutionState.TERMINATED)
    assert former.error is not None
    assert str(row.id) in former.error.message


@pytest.mark.parametrize("callbacks", [False, True])
async def test_foreign_execution_is_used(callbacks: bool) -> None:
    """Its chain is the operation's own from now on: state, outcome, cancellation."""
    fake = FakeLedger(catalogue=CATALOGUE, callbacks=callbacks)
    fake.world.start_from_outside(NAME)
    fake.world.pick_up(NAME)
    row = await started(fake, "use")
    assert row.first_run_id == fake.world.latest_run(NAME).run_id
    assert row.dispatch.calls_back is callbacks
    assert not starts(fake)
    await fake.follow_up(10)
    assert fake.status(row.id) is RUNNING
    fake.world.complete(NAME, {"n": 1})
    if callbacks:
        [pending] = fake.world.callbacks
        assert await fake.call_back(pending) is CallbackOutcome.APPLIED
    else:
        fake.clock.advance(CLOSE_POLL)
        await fake.close_poll.step(1)
    assert (fake.status(row.id), fake.row(row.id).result) == (COMPLETED, {"n": 1})
    assert "uses the open execution" in fake.history(row.id)[1].reason


async def test_used_execution_closes_before_the_operation_is_stored() -> None:
    """Its callback comes too early to be recorded: the follow-up, due at once, finds the close."""
    fake = FakeLedger(catalogue=CATALOGUE, callbacks=True)
    fake.world.start_from_outside(NAME)

    async def close() -> None:
        fake.world.complete(NAME, 3)
        [pending] = fake.world.callbacks
        await fake.call_back(pending)

    fake.engine.after[("attach_callback", None)] = close
    row = await started(fake, "use")
    await fake.follow_up(10)
    assert (fake.status(row.id), fake.row(row.id).result) == (COMPLETED, 3)


@pytest.mark.parametrize("kind", ["use", "use-once"])
async def test_used_execution_is_gone_before_the_callback(kind: str) -> None:
    """The stray start is terminated and counted; the next attempt starts the operation. A stray is no former use of the
    workflow id."""
    fake = FakeLedger(catalogue=CATALOGUE, callbacks=True)
    fake.world.start_from_outside(NAME)

    async def lose() -> None:
        fake.world.lose(NAME)

    fake.engine.before[("attach_callback", None)] = lose
    row = await started(fake, kind)
    assert (row.status, row.dispatch.done_at, fake.metrics.strays) == (ACCEPTED, None, 1)
    assert not fake.world._executions[NAME].open
    for _ in range(3):
        fake.clock.advance(LEASE)
        await fake.dispatch(10)
    assert starts(fake) == [row.id]


@pytest.mark.parametrize("kind", ["use", "terminate"])
async def test_execution_of_another_workflow_type_is_left_alone(kind: str) -> None:
    """P8: a template may give the workflow id of something that is none of the ledger's business."""
    fake = ledger()
    fake.world.start_from_outside(NAME, replace(UNTAGGED, workflow_type="Payroll"))
    row = await started(fake, kind)
    assert error(fake, row.id).code is ErrorCode.START_REJECTED
    assert fake.world._executions[NAME].open


@pytest.mark.parametrize("tenant", ["default", "another"])
@pytest.mark.parametrize("kind", ["reject", "use", "terminate"])
async def test_execution_that_is_adopted_meanwhile(kind: str, tenant: str) -> None:
    """It was no operation at the submission. It is named to its own tenant, and only that one may terminate it."""
    fake = ledger()
    row = await submitted(fake, kind)
    fake.world.start_from_outside(NAME)
    other = await adopted_row(fake, tenant)
    await fake.dispatch(10)
    if kind == "terminate" and tenant == "default":
        await fake.follow_up(10)
        assert error(fake, other).details["superseded_by"] == str(row.id)
        assert starts(fake) == [row.id]
        return
    failure = error(fake, row.id)
    assert (failure.code, not starts(fake)) == (ErrorCode.START_REJECTED, True)
    assert failure.details == ({"operation_id": str(other)} if tenant == "default" else {})
    assert tenant == "default" or "RunId" not in failure.message
    assert fake.world._executions[NAME].open


async def test_execution_that_is_adopted_while_it_is_used() -> None:
    """After the look at the operations, before the write: the operation is rejected, and names the other one."""
    fake = FakeLedger(catalogue=CATALOGUE, callbacks=True)
    row = await submitted(fake, "use")
    fake.world.start_from_outside(NAME)
    other: list[UUID] = []

    async def adoption() -> None:
        fake.engine.before.clear()
        other.append(await adopted_row(fake))

    fake.engine.before[("attach_callback", None)] = adoption
    await fake.dispatch(10)
    failure = error(fake, row.id)
    assert (failure.code, failure.details) == (ErrorCode.START_REJECTED, {"operation_id": str(other[0])})
    assert not starts(fake)
    assert fake.world._executions[NAME].open


async def test_running_execution_of_an_operation_that_is_done_is_not_used() -> None:
    """It was reset. One row has the chain, however many operations had the workflow id since."""
    fake = ledger()
    fake.world.start_from_outside(NAME)
    first = await started(fake, "use")
    fake.world.complete(NAME)
    await fake.follow_up(10)
    second = await submitted(fake, "use")
    await fake.cancel(second.id)
    fake.world.reset(NAME)
    third = await started(fake, "use")
    failure = error(fake, third.id)
    assert (failure.code, failure.details) == (ErrorCode.START_REJECTED, {"operation_id": str(first.id)})


async def test_open_adopted_operation_is_superseded() -> None:
    """At the submission: the policies know operations of every origin."""
    fake = ledger()
    fake.world.start_from_outside(NAME)
    other = await adopted_row(fake)
    row = await started(fake, "terminate")
    await fake.follow_up(10)
    assert starts(fake) == [row.id]
    assert error(fake, other).details["superseded_by"] == str(row.id)


@pytest.mark.parametrize(
    ("kind", "completes", "free"),
    [("reject", True, True), ("until-done", True, False), ("until-done", False, True), ("once", False, False)],
)
async def test_closed_foreign_execution(kind: str, completes: bool, free: bool) -> None:
    """The engine's reuse policy decides."""
    fake = ledger()
    fake.world.start_from_outside(NAME)
    if completes:
        fake.world.complete(NAME)
    else:
        fake.world.terminate_from_outside(NAME, "x", "ops")
    row = await started(fake, kind)
    if free:
        assert starts(fake) == [row.id]
    else:
        assert error(fake, row.id).code is ErrorCode.START_REJECTED
        assert error(fake, row.id).message.startswith("the workflow id was used before")


async def test_lost_reply_after_which_another_chain_had_the_workflow_id() -> None:
    """Hazard 3: the reply to the start is lost, the execution closes, another client's takes the workflow id and closes
    too. The engine would start the operation a second time; the dispatcher looks first."""
    fake = ledger()
    row = await submitted(fake, "reject")
    fake.world.lose_next_reply()
    await fake.dispatch(1)
    fake.world.complete(NAME, {"own": 1})
    fake.world.start_from_outside(NAME)
    fake.world.complete(NAME, {"other": 1})
    for _ in range(3):
        fake.pass_time(minutes=1)
        await fake.dispatch(10)
        await fake.follow_up(10)
    assert starts(fake) == [row.id]
    assert fake.row(row.id).result == {"own": 1}


async def test_lost_reply_and_the_chain_has_continued() -> None:
    """Hazard 3: the engine no longer knows the request, and the last run has closed."""
    fake = ledger()
    row = await submitted(fake, "reject")
    fake.world.lose_next_reply()
    await fake.dispatch(1)
    fake.world.continue_as_new(NAME)
    fake.world.complete(NAME, 5)
    fake.pass_time(seconds=2)
    await fake.dispatch(10)
    await fake.follow_up(10)
    assert starts(fake) == [row.id]
    assert (fake.status(row.id), fake.row(row.id).result) == (COMPLETED, 5)


async def test_failed_attempt_waits_a_lease_where_another_chain_has_the_workflow_id() -> None:
    """The index may not list the operation's own chain yet. Then the operation is started."""
    fake = ledger()
    fake.world.start_from_outside(NAME)
    fake.world.complete(NAME)
    row = await submitted(fake, "reject")
    fake.world.fail_next("later")
    await fake.dispatch(1)
    fake.pass_time(seconds=2)
    await fake.dispatch(1)
    assert not starts(fake)
    fake.clock.advance(LEASE)
    await fake.dispatch(1)
    assert starts(fake) == [row.id]


async def test_other_chain_never_decides_about_the_operation() -> None:
    """Hazard 34: the outcome of a later chain under the workflow id is not taken for the operation's."""
    fake = ledger()
    first = await started(fake, "reject")
    fake.world.complete(NAME, "own")
    fake.world.start_from_outside(NAME)
    fake.world.complete(NAME, "other")
    fake.pass_time(minutes=1)
    await fake.follow_up(10)
    assert fake.row(first.id).result == "own"


@pytest.mark.parametrize("step", range(24))
async def test_crash_anywhere_while_a_successor_starts(step: int) -> None:
    """Hazards 2 and 3: in the end both chains were started once, and both rows say how they are."""
    fake = ledger()
    first = await started(fake, "terminate")
    second = await submitted(fake, "terminate")
    await fake.killed(fake.dispatch(1), step)
    for _ in range(4):
        fake.clock.advance(LEASE)
        await fake.dispatch(10)
        await fake.follow_up(10)
    assert starts(fake) == [first.id, second.id]
    assert (fake.status(first.id), error(fake, first.id).code) == (FAILED, ErrorCode.TERMINATED)
    assert fake.row(second.id).dispatch.done_at is not None
    assert own(fake, fake.row(second.id)).open


@pytest.mark.parametrize("step", range(24))
async def test_crash_anywhere_while_a_foreign_execution_is_used(step: int) -> None:
    """It ends as the operation's own, and nothing else is started."""
    fake = FakeLedger(catalogue=CATALOGUE, callbacks=True)
    fake.world.start_from_outside(NAME)
    row = await submitted(fake, "use")
    await fake.killed(fake.dispatch(1), step)
    for _ in range(4):
        fake.clock.advance(LEASE)
        await fake.dispatch(10)
        await fake.follow_up(10)
    assert not starts(fake)
    assert fake.row(row.id).first_run_id == fake.world.latest_run(NAME).run_id
    assert len(fake.world._executions[NAME].callbacks) == 1


async def test_default_workflow_id_is_never_used_twice() -> None:
    """The reuse policy of a type without a template stays strict."""
    fake = ledger()
    row = await started(fake, "work")
    [start] = fake.world.starts
    assert (start.workflow_id, start.on_closed.value) == (str(row.id), "reject")
