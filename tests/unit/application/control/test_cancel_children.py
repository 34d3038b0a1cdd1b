"""CancelChildren: the request of a parent reaches the children that the ledger has started."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters.memory.engine.executions import StartFields
from application.batching.claim_loop import LEASE
from application.control import cancel_children
from domain.evidence.observation import ExecutionState
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from tests.support.ledger.in_memory import FakeLedger

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED


async def child_of(ledger: FakeLedger, parent: UUID, *, runs: bool = True) -> UUID:
    """An operation that was submitted on behalf of the parent."""
    operation_id = await ledger.submit(parent_id=parent)
    if runs:
        await ledger.dispatch(10)
        ledger.world.pick_up(operation_id)
        ledger.pass_time(seconds=10)
        await ledger.follow_up(10)
    return operation_id


def reason(ledger: FakeLedger, operation_id: UUID) -> str | None:
    request = ledger.row(operation_id).cancel_request
    return None if request is None else request.reason


async def test_children_are_cancelled_with_their_parent() -> None:
    """A running one through the engine, a waiting one at once; grandchildren too."""
    ledger = FakeLedger()
    parent = await ledger.running()
    running = await child_of(ledger, parent)
    grandchild = await child_of(ledger, running)
    done = await child_of(ledger, parent)
    ledger.world.complete(done)
    await ledger.whole_pass()
    other = await ledger.running()
    waiting = await child_of(ledger, parent, runs=False)
    await ledger.cancel(parent, actor="alice")
    for expected in (1, 2, 1, 0):
        assert (await ledger.pass_cancellations_on()).found == expected
    words = f"parent operation {parent} was cancelled: no need"
    assert [reason(ledger, each) for each in (running, waiting)] == [words, words]
    assert reason(ledger, grandchild) == f"parent operation {running} was cancelled: {words}"
    assert (reason(ledger, done), reason(ledger, other)) == (None, None)
    assert ledger.history(running)[-1].actor == "alice"
    assert ledger.status(waiting) is FAILED
    await ledger.follow_up(10)
    for operation_id in (running, grandchild):
        ledger.world.cancel_acknowledged(operation_id)
    await ledger.whole_pass()
    errors = [ledger.row(operation_id).error for operation_id in (running, waiting, grandchild)]
    assert [error and error.code for error in errors] == [ErrorCode.CANCELED] * 3


async def test_children_of_others_are_left_to_temporal() -> None:
    """An adopted child workflow is not asked twice."""
    ledger = FakeLedger()
    parent = await ledger.running()
    ledger.world.start_child("child", ledger.world.latest_run(parent), StartFields("Other", "workers"))
    child = (await ledger.adopt("child", type="other")).operation
    assert child.parent_id == parent
    await ledger.cancel(parent)
    await ledger.pass_cancellations_on()
    assert reason(ledger, child.id) is None
    assert ledger.row(parent).cancel_children_due_at is None


async def test_parent_that_was_never_started() -> None:
    """It is done at once. Its children are cancelled all the same."""
    ledger = FakeLedger()
    parent = await ledger.submit()
    child = await child_of(ledger, parent, runs=False)
    assert (await ledger.cancel(parent)).done
    await ledger.pass_cancellations_on()
    assert (ledger.status(child), ledger.row(parent).cancel_children_due_at) == (FAILED, None)


async def test_parent_that_ends_before_the_request_is_passed_on() -> None:
    """Whatever its outcome: the client wants the work to end."""
    ledger = FakeLedger()
    parent = await ledger.running()
    child = await child_of(ledger, parent)
    await ledger.cancel(parent)
    ledger.world.complete(parent)
    await ledger.whole_pass()
    version = ledger.row(parent).version
    await ledger.pass_cancellations_on()
    assert (ledger.status(parent), ledger.row(parent).version) == (COMPLETED, version)
    assert reason(ledger, child) is not None


async def test_termination_of_the_parent_terminates() -> None:
    """Also after a cancellation that the child ignores."""
    ledger = FakeLedger()
    parent = await ledger.running()
    child = await child_of(ledger, parent)
    for force in (False, True):
        await ledger.cancel(parent, force=force)
        await ledger.pass_cancellations_on()
        await ledger.follow_up(10)
    assert ledger.world._executions[str(child)].state is ExecutionState.TERMINATED


async def test_child_that_cleans_up_is_not_cancelled() -> None:
    """The parent's workflow submits it after it got the request, before a crashed worker's claim is due again."""
    ledger = FakeLedger()
    parent = await ledger.running()
    child = await child_of(ledger, parent, runs=False)
    await ledger.cancel(parent)
    assert await ledger.killed(ledger.pass_cancellations_on(), 2)
    await ledger.follow_up(10)
    ledger.pass_time(seconds=1)
    cleaning = await child_of(ledger, parent, runs=False)
    ledger.clock.advance(LEASE + timedelta(seconds=1))
    await ledger.pass_cancellations_on()
    assert (ledger.status(child), ledger.status(cleaning)) == (FAILED, ACCEPTED)


async def test_many_children_are_cancelled_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """One claim serves them all, because each page extends it. A repeat changes nothing."""
    monkeypatch.setattr(cancel_children, "PAGE", 3)
    ledger = FakeLedger()
    parent = await ledger.running()
    children = [await child_of(ledger, parent, runs=False) for _ in range(9)]
    await ledger.dispatch(10)
    await ledger.cancel(parent)
    assert (await ledger.pass_cancellations_on()).found == 1
    before = {child: ledger.row(child).version for child in children}
    assert all(reason(ledger, child) for child in children)
    await ledger.cancel(parent, force=False)
    await ledger.pass_cancellations_on()
    assert before == {child: ledger.row(child).version for child in children}


async def test_crash_anywhere_is_followed_by_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hazard 26: in the end each child has one request."""
    monkeypatch.setattr(cancel_children, "PAGE", 2)
    for step in range(200):
        ledger = FakeLedger()
        parent = await ledger.submit()
        children = [await child_of(ledger, parent, runs=False) for _ in range(3)]
        await ledger.dispatch(10)
        await ledger.cancel(parent)
        died = await ledger.killed(ledger.pass_cancellations_on(), step)
        for _ in range(3):
            ledger.clock.advance(LEASE + timedelta(seconds=1))
            await ledger.pass_cancellations_on()
        assert [_requests(ledger, child) for child in children] == [1, 1, 1]
        assert all(row.cancel_children_due_at is None for row in ledger.rows().values())
        if not died:
            return
    raise AssertionError("passing a request on takes more steps than this test has tried")


async def test_children_are_cancelled_while_the_engine_is_down() -> None:
    """P5: their requests wait for its return, as that of the parent does."""
    ledger = FakeLedger()
    parent = await ledger.running()
    child = await child_of(ledger, parent)
    ledger.world.go_down()
    await ledger.cancel(parent)
    await ledger.pass_cancellations_on()
    assert ledger.row(child).cancel_pending


def _requests(ledger: FakeLedger, operation_id: UUID) -> int:
    lines: list[Any] = [line for line in ledger.history(operation_id) if line.reason.startswith("parent operation")]
    return len(lines)
