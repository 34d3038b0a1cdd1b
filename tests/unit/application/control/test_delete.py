"""Delete: removes a finished operation entirely, and no other; late evidence finds no row."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from application.control.delete import DeleteOperation
from application.ports.engine.index import IndexEntry
from application.ports.monitoring.metrics import CallbackOutcome
from application.ports.storage.operation_repository import StaleOperation
from application.submit.submission import Submission
from application.track.record import Recorded
from domain.errors import OperationNotDone, OperationNotFound, VersionMismatch
from domain.evidence.observation import ExecutionState
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import note
from domain.operation.operation import Change, Operation
from domain.operation.report import ReportKind
from domain.operation.status import OperationStatus
from tests.support.ledger.faults import Crash
from tests.support.ledger.in_memory import LEASE, FakeLedger
from tests.support.operations import at, cause

ATTENTION = Attention(AttentionKind.DIVERGED, at(99), "why")


async def done(ledger: FakeLedger, *, key: str | None = None) -> Operation:
    """Adds an operation that has completed and is confirmed."""
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
    """Deletes the operation as a client does."""
    await DeleteOperation(ledger.units).delete("default", operation_id, **wishes)


async def test_row_history_and_key_are_deleted() -> None:
    """A second deletion finds nothing."""
    ledger = FakeLedger()
    operation = await done(ledger)
    await delete(ledger, operation.id)
    assert not ledger.rows()
    with pytest.raises(OperationNotFound):
        await delete(ledger, operation.id)


async def test_another_tenants_operation_is_not_found() -> None:
    """P8: the response does not show that it exists."""
    ledger = FakeLedger()
    operation = await done(ledger)
    with pytest.raises(OperationNotFound):
        await DeleteOperation(ledger.units).delete("other", operation.id, expected=frozenset({99}))
    assert list(ledger.rows()) == [operation.id]


async def test_an_unfinished_operation_is_not_deleted() -> None:
    """Accepted, dispatched or running: its execution would go on without a row. This is checked before the version."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    for step in (ledger.dispatch(9), ledger.report(operation_id, ReportKind.STARTED)):
        with pytest.raises(OperationNotDone):
            await delete(ledger, operation_id, expected=frozenset({99}))
        await step
    with pytest.raises(OperationNotDone):
        await delete(ledger, operation_id)
    assert ledger.status(operation_id) is OperationStatus.RUNNING


async def test_only_a_matching_version_is_deleted() -> None:
    """One of those in the request."""
    ledger = FakeLedger()
    operation = await done(ledger)
    with pytest.raises(VersionMismatch, match=f"at version {operation.version}"):
        await delete(ledger, operation.id, expected=frozenset({operation.version - 1}))
    await delete(ledger, operation.id, expected=frozenset({1, operation.version}))
    assert not ledger.rows()


class Overtaken:
    """Units of work of a ledger in which another transaction changes the row after the first read."""

    def __init__(self, ledger: FakeLedger, change: Change) -> None:
        self._units = ledger.store.units
        self._change = change
        self.opened = 0

    def __call__(self) -> Any:
        self.opened += 1
        unit = self._units()
        if self.opened == 1:
            read = unit.operations.get

            async def get(operation_id: UUID) -> Operation | None:
                found = await read(operation_id)
                async with self._units() as other:
                    await other.operations.save(self._change)
                    await other.commit()
                return found

            unit.operations.get = get  # type: ignore[method-assign]
        return unit


async def test_a_change_between_read_and_deletion_is_deleted_too() -> None:
    """The row is read again, and its newer version deleted."""
    ledger = FakeLedger()
    operation = await done(ledger)
    units = Overtaken(ledger, note(replace(operation, attention=ATTENTION), cause(99)))
    await DeleteOperation(units).delete("default", operation.id, expected=None)
    assert units.opened == 2
    assert not ledger.rows()


async def test_a_change_between_read_and_conditional_deletion_is_kept() -> None:
    """The row is read again, and no longer has the expected version."""
    ledger = FakeLedger()
    operation = await done(ledger)
    units = Overtaken(ledger, note(replace(operation, attention=ATTENTION), cause(99)))
    with pytest.raises(VersionMismatch):
        await DeleteOperation(units).delete("default", operation.id, expected=frozenset({operation.version}))
    assert units.opened == 2
    assert len(ledger.rows()) == 1


@pytest.mark.parametrize("step", range(6))
async def test_a_crash_deletes_everything_or_nothing(step: int) -> None:
    """At any step; a repeat completes the deletion."""
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


async def test_the_idempotency_key_is_free_again() -> None:
    """A later request with the key is a new one."""
    ledger = FakeLedger()
    operation = await done(ledger, key="k")
    await delete(ledger, operation.id)
    again = await ledger.submitter.submit(Submission("default", "work", 2, idempotency_key="k"))
    assert not again.replayed
    assert again.operation.id != operation.id


# Evidence that arrives after the deletion


async def test_reconciliation_ignores_a_deleted_operation() -> None:
    """The index still lists its execution. Nothing is asked or created, and the watermark moves."""
    ledger = FakeLedger()
    operation = await done(ledger)
    await delete(ledger, operation.id)
    ledger.world.reset(operation.id)
    ledger.engine.calls.clear()
    page = await ledger.reconciler.page()
    assert (page.listed > 0, page.asked, page.failed) == (True, 0, 0)
    assert not ledger.engine.calls["observe"]
    assert not ledger.rows()


async def test_a_stalled_execution_of_a_deleted_operation_is_ignored() -> None:
    """It runs again after a reset and keeps failing; there is no row to mark."""
    ledger = FakeLedger()
    operation = await done(ledger)
    await delete(ledger, operation.id)
    ledger.engine.before[("with_problems", None)] = _nothing

    async def listed(**_: object) -> list[IndexEntry]:
        return [IndexEntry(operation.workflow_id, "run", operation.id, ExecutionState.RUNNING)]

    ledger.world.with_problems = listed  # type: ignore[method-assign]
    page = await ledger.reconciler.page()
    assert (page.asked, page.failed) == (0, 0)


async def _nothing() -> None: ...


async def test_a_report_finds_no_row() -> None:
    """The run of a reset reports. It gets UNKNOWN_OPERATION and goes on (P7)."""
    ledger = FakeLedger()
    operation = await done(ledger)
    await delete(ledger, operation.id)
    assert await ledger.report(operation.id, ReportKind.STARTED) is Recorded.UNKNOWN_OPERATION
    assert not ledger.rows()


async def test_a_callback_finds_no_row() -> None:
    """The engine is not asked. Only after some minutes is it certain that no row will follow."""
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


async def test_a_start_after_the_deletion_is_ended() -> None:
    """P1: a dispatcher stood still before its start; meanwhile the operation was cancelled and deleted. The
    execution ends at once, because it has no row."""
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


async def test_a_change_of_an_old_copy_finds_no_row() -> None:
    """Its compare-and-set matches nothing."""
    ledger = FakeLedger()
    operation = await done(ledger)
    await delete(ledger, operation.id)
    async with ledger.units() as unit:
        with pytest.raises(StaleOperation):
            await unit.operations.save(note(replace(operation), cause(9)))
