"""Deleting: what is done goes whole; what is not, another's, or changed stays; late evidence finds nothing."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from application.control.delete import DeleteOperation
from application.ports.metrics import CallbackOutcome
from application.ports.operation_repository import StaleOperation
from application.submit.submission import Submission
from application.track.record import Recorded
from domain.errors import OperationNotDone, OperationNotFound, VersionMismatch
from domain.evidence.observation import ExecutionState
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import note
from domain.operation.operation import Operation
from domain.operation.report import ReportKind
from domain.operation.status import OperationStatus
from tests.support.faults import Crash
from tests.support.ledger import LEASE, FakeLedger
from tests.support.operations import at, cause

ATTENTION = Attention(AttentionKind.DIVERGED, at(99), "why")


async def done(ledger: FakeLedger, *, key: str | None = None) -> Operation:
    """An operation that has completed, with the engine's word."""
    submitted = await ledger.submitter.submit(Submission("default", "work", 1, idempotency_key=key))
    operation_id = submitted.operation.id
    await ledger.dispatch(9)
    ledger.world.pick_up(operation_id)
    ledger.world.complete(operation_id, 1)
    ledger.pass_time(minutes=2)
    await ledger.whole_pass()
    assert ledger.status(operation_id) is OperationStatus.COMPLETED
    return ledger.row(operation_id)


async def delete(ledger: FakeLedger, operation_id: UUID, **wishes: Any) -> None:
    """As the client asks for it."""
    await DeleteOperation(ledger.units).delete("default", operation_id, **wishes)


async def test_it_is_gone() -> None:
    """Row, history and key; a second time there is nothing."""
    ledger = FakeLedger()
    operation = await done(ledger)
    await delete(ledger, operation.id)
    assert not ledger.rows()
    with pytest.raises(OperationNotFound):
        await delete(ledger, operation.id)


async def test_another_tenants_is_none() -> None:
    """P8: nobody learns that it is there."""
    ledger = FakeLedger()
    operation = await done(ledger)
    with pytest.raises(OperationNotFound):
        await DeleteOperation(ledger.units).delete("other", operation.id, expected=frozenset({99}))
    assert list(ledger.rows()) == [operation.id]


async def test_what_is_not_done_stays() -> None:
    """Accepted, dispatched and running: its execution would go on with no row. That goes before the version."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    for step in (ledger.dispatch(9), ledger.report(operation_id, ReportKind.STARTED)):
        with pytest.raises(OperationNotDone):
            await delete(ledger, operation_id, expected=frozenset({99}))
        await step
    with pytest.raises(OperationNotDone):
        await delete(ledger, operation_id)
    assert ledger.status(operation_id) is OperationStatus.RUNNING


async def test_only_the_version_that_is_meant() -> None:
    """Any of those that are named."""
    ledger = FakeLedger()
    operation = await done(ledger)
    with pytest.raises(VersionMismatch, match=f"at version {operation.version}"):
        await delete(ledger, operation.id, expected=frozenset({operation.version - 1}))
    await delete(ledger, operation.id, expected=frozenset({1, operation.version}))
    assert not ledger.rows()


@pytest.mark.parametrize("conditional", [True, False])
async def test_a_change_between_look_and_deletion(conditional: bool) -> None:
    """It is looked at again: without a condition the newer version goes, with one it stays."""
    ledger = FakeLedger()
    operation = await done(ledger)
    units = ledger.store.units

    class Overtaken:
        """The first look is out of date when it is acted on."""

        def __init__(self) -> None:
            self.opened = 0

        def __call__(self) -> Any:
            self.opened += 1
            unit = units()
            if self.opened == 1:
                look = unit.operations.get

                async def get(operation_id: UUID) -> Operation | None:
                    found = await look(operation_id)
                    async with units() as other:
                        await other.operations.save(note(replace(operation, attention=ATTENTION), cause(99)))
                        await other.commit()
                    return found

                unit.operations.get = get  # type: ignore[method-assign]
            return unit

    overtaken = Overtaken()
    wish = DeleteOperation(overtaken).delete(
        "default", operation.id, expected=frozenset({operation.version}) if conditional else None
    )
    if conditional:
        with pytest.raises(VersionMismatch):
            await wish
    else:
        await wish
    assert overtaken.opened == 2
    assert len(ledger.rows()) == conditional


@pytest.mark.parametrize("step", range(6))
async def test_a_crash(step: int) -> None:
    """Gone whole or there whole, and the repeat ends it."""
    ledger = FakeLedger()
    operation = await done(ledger)
    ledger.faults.arm(step)
    with pytest.raises(Crash):
        await delete(ledger, operation.id)
    ledger.faults.arm(None)
    assert len(ledger.rows()) == (step < 5)
    if step < 5:
        assert len(ledger.history(operation.id)) == operation.history_length
        await delete(ledger, operation.id)
    assert not ledger.rows()


async def test_its_key_is_free() -> None:
    """A later request under the same key is a new one: deleting says that the first is of no interest any more."""
    ledger = FakeLedger()
    operation = await done(ledger, key="k")
    await delete(ledger, operation.id)
    again = await ledger.submitter.submit(Submission("default", "work", 2, idempotency_key="k"))
    assert not again.replayed
    assert again.operation.id != operation.id


# What the engine and the workflow still say of it


async def test_a_pass_ignores_what_was_deleted() -> None:
    """The index lists its execution for long: nothing is asked, nothing comes back, and the watermark moves."""
    ledger = FakeLedger()
    operation = await done(ledger)
    await delete(ledger, operation.id)
    ledger.world.reset(operation.id)
    ledger.engine.calls.clear()
    page = await ledger.reconciler.page()
    assert (page.listed > 0, page.asked, page.failed) == (True, 0, 0)
    assert not ledger.engine.calls["observe"]
    assert not ledger.rows()


async def test_an_execution_with_problems_is_ignored() -> None:
    """What runs again after a reset may fail on and on; it has no row to be marked."""
    ledger = FakeLedger()
    operation = await done(ledger)
    await delete(ledger, operation.id)
    ledger.engine.before[("with_problems", None)] = _nothing

    async def listed() -> frozenset[UUID]:
        return frozenset({operation.id})

    ledger.world.with_problems = listed  # type: ignore[method-assign]
    page = await ledger.reconciler.page()
    assert (page.asked, page.failed) == (0, 0)


async def _nothing() -> None: ...


async def test_a_report_finds_no_row() -> None:
    """A run that was reset reports: it is told so, and goes on (P7)."""
    ledger = FakeLedger()
    operation = await done(ledger)
    await delete(ledger, operation.id)
    assert await ledger.report(operation.id, ReportKind.STARTED) is Recorded.UNKNOWN_OPERATION
    assert not ledger.rows()


async def test_a_callback_finds_no_row() -> None:
    """It is no operation's, and the engine is not asked. Only after some minutes is it sure that there will be none."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.submit()
    await ledger.dispatch(9)
    ledger.world.pick_up(operation_id)
    ledger.world.complete(operation_id, 1)
    [pending] = ledger.world.callbacks
    assert await ledger.call_back(pending) is CallbackOutcome.APPLIED
    await delete(ledger, operation_id)
    ledger.engine.calls.clear()
    assert await ledger.call_back(pending) is CallbackOutcome.UNKNOWN_OPERATION
    ledger.pass_time(minutes=11)
    assert await ledger.call_back(pending) is CallbackOutcome.DELETED
    assert not ledger.engine.calls


async def test_a_start_that_comes_after_the_deletion() -> None:
    """P1: a dispatcher stood still before its start, meanwhile the operation was given up and deleted. What is then
    started is ended at once: it would run with no row."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()

    async def meanwhile() -> None:
        ledger.engine.before.clear()
        ledger.clock.advance(LEASE)
        ledger.world.reject_next("no such namespace")
        await ledger.dispatch(1)
        assert ledger.status(operation_id) is OperationStatus.FAILED
        await delete(ledger, operation_id)

    ledger.engine.before[("start", operation_id)] = meanwhile
    await ledger.dispatch(1)
    assert [start.operation_id for start in ledger.world.starts] == [operation_id]
    assert (await ledger.observed(operation_id)).state is ExecutionState.TERMINATED


async def test_a_recorder_that_holds_an_old_copy() -> None:
    """Its compare-and-set finds no row."""
    ledger = FakeLedger()
    operation = await done(ledger)
    await delete(ledger, operation.id)
    async with ledger.units() as unit:
        with pytest.raises(StaleOperation):
            await unit.operations.save(note(replace(operation), cause(9)))
