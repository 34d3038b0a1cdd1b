"""Verifying: every open operation is asked about in time, spread out, and what nobody else says is found."""

import itertools
from datetime import timedelta

import pytest

from domain.attention import AttentionKind
from domain.operation_error import ErrorCode
from domain.schedule import FIRST_VERIFICATION
from domain.status import OperationStatus
from domain.transition import Source
from tests.support.ledger import LEASE, VERIFY_EVERY, FakeLedger

ACCEPTED, RUNNING, COMPLETED = OperationStatus.ACCEPTED, OperationStatus.RUNNING, OperationStatus.COMPLETED


async def test_nothing_is_due_before_its_age() -> None:
    """Young operations speak for themselves."""
    ledger = FakeLedger()
    await ledger.running()
    ledger.clock.advance(FIRST_VERIFICATION - timedelta(seconds=1))
    assert (await ledger.verifier.step(10)).claimed == 0


async def test_every_row_is_verified_at_least_once_in_the_interval() -> None:
    """Started together, they spread out, and none waits longer than the interval."""
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(30)]
    await ledger.dispatched()
    asked: dict[object, list[float]] = {operation_id: [] for operation_id in ids}
    due: set[object] = set()
    for minute in range(1, 4 * 60):
        ledger.pass_time(minutes=1)
        ledger.engine.calls.clear()
        await ledger.verifier.step(100)
        for operation_id in ledger.engine.calls["observe"]:
            asked.setdefault(operation_id, []).append(minute)
        due |= {ledger.row(operation_id).verification.due_at for operation_id in ids}
    assert len(asked) == 31
    for minutes in asked.values():
        assert minutes[0] == 1, "half a minute, as the minutes go here"
        gaps = [later - before for before, later in itertools.pairwise(minutes)]
        assert gaps
        assert max(gaps) <= VERIFY_EVERY / timedelta(minutes=1)
        assert min(gaps) >= 0.5 * (VERIFY_EVERY / timedelta(minutes=1))
    assert len(due) > 30


async def test_a_deleted_execution_is_lost() -> None:
    """No index lists it, nobody calls: only asking finds out. A report that was kept would stand."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.lose(operation_id)
    ledger.clock.advance(FIRST_VERIFICATION)
    await ledger.verifier.step(10)
    row = ledger.row(operation_id)
    assert row.error is not None
    assert row.error.code is ErrorCode.EXECUTION_LOST
    assert ledger.history(operation_id)[-1].source is Source.VERIFICATION
    assert row.verification.due_at is None


async def test_missing_execution_has_its_grace() -> None:
    """Hazard 20: just dispatched and not found (replication): nothing is concluded."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.lose(operation_id)
    observation = await ledger.world.observe(operation_id)
    ledger.pass_time(seconds=29)
    await ledger.recorder.observation(operation_id, observation, Source.VERIFICATION)
    assert ledger.status(operation_id) is RUNNING


async def test_a_stale_index_is_overruled() -> None:
    """Closed, and listed as open for ever: the engine itself says what is true."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.freeze_listing()
    ledger.world.complete(operation_id, 3)
    await ledger.whole_pass()
    assert ledger.status(operation_id) is RUNNING
    ledger.clock.advance(FIRST_VERIFICATION)
    await ledger.verifier.step(10)
    assert (ledger.status(operation_id), ledger.row(operation_id).result) == (COMPLETED, 3)


async def test_a_stall_is_seen_by_verifying_too() -> None:
    """An engine without that index attribute has this alone."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.stall(operation_id, "its workflow task has failed 7 times")
    ledger.clock.advance(FIRST_VERIFICATION)
    await ledger.verifier.step(10)
    attention = ledger.row(operation_id).attention
    assert attention is not None
    assert attention.kind is AttentionKind.STALLED


async def test_an_outage_costs_a_lease() -> None:
    """Nothing is concluded from silence, and the row stays overdue, as the metric shows."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    verified_at = ledger.row(operation_id).verification.verified_at
    ledger.clock.advance(FIRST_VERIFICATION)
    ledger.world.go_down()
    step = await ledger.verifier.step(10)
    assert (step.claimed, step.engine_available) == (1, False)
    assert ledger.row(operation_id).verification.verified_at == verified_at
    ledger.world.come_back()
    ledger.clock.advance(LEASE)
    assert (await ledger.verifier.step(10)).engine_available
    assert ledger.row(operation_id).verification.verified_at == ledger.clock.now()


@pytest.mark.parametrize("step", range(12))
async def test_killed_at_any_step(step: int) -> None:
    """Another one takes it up after the lease."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, 1)
    ledger.clock.advance(FIRST_VERIFICATION)
    await ledger.killed(ledger.verifier.step(10), step)
    ledger.clock.advance(LEASE)
    await ledger.verifier.step(10)
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]
