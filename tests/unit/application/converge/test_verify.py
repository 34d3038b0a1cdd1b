"""VerifyOperations: asks about every open operation in time, spread out, and finds what no other channel finds."""

import itertools
from datetime import timedelta
from uuid import UUID

import pytest

from application.converge.verify import MAX_INTERVAL, MIN_INTERVAL, VerifyOperations
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import ErrorCode
from domain.operation.report import Progress, ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from domain.scheduling.schedule import FIRST_VERIFICATION
from tests.support.ledger.in_memory import LEASE, FakeLedger

ACCEPTED, RUNNING, COMPLETED = OperationStatus.ACCEPTED, OperationStatus.RUNNING, OperationStatus.COMPLETED


async def test_a_young_operation_is_not_verified() -> None:
    """Its own reports are enough."""
    ledger = FakeLedger()
    await ledger.running()
    ledger.clock.advance(FIRST_VERIFICATION - timedelta(seconds=1))
    assert (await ledger.verify(10)).found == 0


async def gaps(ledger: FakeLedger, operation_id: UUID, count: int) -> list[float]:
    """Returns the seconds between the verifications of an operation without news."""
    found: list[float] = []
    before = ledger.clock.now()
    while len(found) < count:
        due_at = ledger.row(operation_id).verification.due_at
        assert due_at is not None
        ledger.clock.advance(due_at - ledger.clock.now())
        assert (await ledger.verify(100)).found
        found.append((due_at - before).total_seconds())
        before = due_at
    return found


async def test_an_operation_without_news_is_verified_with_growing_intervals() -> None:
    """After 30 s, then after as long again as it has had no news, up to about ten minutes."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    found = await gaps(ledger, operation_id, 12)
    assert found[:5] == [30, 60, 90, 180, 360]
    longest = MAX_INTERVAL.total_seconds()
    assert all(0.5 * longest <= gap <= 0.75 * longest for gap in found[6:])


async def test_the_interval_counts_from_the_last_news() -> None:
    """The next verification follows after as long again as the operation has had no news."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await gaps(ledger, operation_id, 10)
    ledger.pass_time(minutes=5)
    await ledger.report(operation_id, ReportKind.PROGRESS, progress=Progress(0.5))
    reported_at = ledger.clock.now()
    await gaps(ledger, operation_id, 1)
    silent = ledger.clock.now() - reported_at
    assert await gaps(ledger, operation_id, 1) == [max(silent, MIN_INTERVAL).total_seconds()]


async def test_an_operation_with_news_costs_few_questions() -> None:
    """It reports progress. It is still verified once per OPLEDGER_VERIFY_EVERY."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    for number in range(360):
        ledger.pass_time(seconds=10)
        await ledger.report(operation_id, ReportKind.PROGRESS, progress=Progress(number / 360))
        await ledger.verify(10)
    assert 4 <= len(ledger.engine.calls["observe"]) <= 10


async def test_an_operation_with_attention_is_verified_within_a_minute() -> None:
    """So that the mark is cleared soon."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    await gaps(ledger, operation_id, 10)
    ledger.world.retry_activity(operation_id, "failed 9 times")
    await gaps(ledger, operation_id, 1)
    assert await gaps(ledger, operation_id, 5) == [MIN_INTERVAL.total_seconds()] * 5
    ledger.world.unstall(operation_id)
    await gaps(ledger, operation_id, 1)
    assert ledger.row(operation_id).attention is None


async def test_verifications_of_operations_started_together_spread_out() -> None:
    """None waits longer than the longest interval."""
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(30)]
    asked: dict[UUID, list[float]] = {operation_id: [] for operation_id in ids}
    for minute in range(1, 4 * 60):
        ledger.pass_time(minutes=1)
        ledger.engine.calls.clear()
        await ledger.verify(100)
        for operation_id in ledger.engine.calls["observe"]:
            asked[operation_id].append(minute)
    assert len({ledger.row(operation_id).verification.due_at for operation_id in ids}) == 30
    for minutes in asked.values():
        late = [later - before for before, later in itertools.pairwise(minutes) if before > 30]
        assert max(late) <= 1 + 0.75 * MAX_INTERVAL / timedelta(minutes=1)
        assert min(late) >= 0.5 * MAX_INTERVAL / timedelta(minutes=1)


async def test_the_configured_interval_is_the_upper_bound() -> None:
    """OPLEDGER_VERIFY_EVERY, where it is shorter than the longest interval."""
    ledger = FakeLedger()
    every = timedelta(seconds=40)
    ledger.verifier = VerifyOperations(ledger.units, ledger.engine, ledger.clock, ledger.recorder, every)
    operation_id = await ledger.running()
    assert max((await gaps(ledger, operation_id, 6))[1:]) <= every.total_seconds()


async def test_a_deleted_execution_is_lost() -> None:
    """No index lists it, and no callback announces it: only verification finds out. A kept report would become the
    outcome."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.lose(operation_id)
    ledger.clock.advance(FIRST_VERIFICATION)
    await ledger.verify(10)
    row = ledger.row(operation_id)
    assert row.error is not None
    assert row.error.code is ErrorCode.EXECUTION_LOST
    assert ledger.history(operation_id)[-1].source is Source.VERIFICATION
    assert row.verification.due_at is None


async def test_a_missing_execution_has_its_grace() -> None:
    """Hazard 20 (replication): shortly after the dispatch it changes nothing."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.lose(operation_id)
    observation = await ledger.observed(operation_id)
    ledger.pass_time(seconds=29)
    await ledger.recorder.observation(operation_id, observation, Source.VERIFICATION)
    assert ledger.status(operation_id) is RUNNING


async def test_a_stale_index_is_overruled() -> None:
    """The index lists a closed execution as open; the engine's answer counts."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.freeze_listing()
    ledger.world.complete(operation_id, 3)
    await ledger.whole_pass()
    assert ledger.status(operation_id) is RUNNING
    ledger.clock.advance(FIRST_VERIFICATION)
    await ledger.verify(10)
    assert (ledger.status(operation_id), ledger.row(operation_id).result) == (COMPLETED, 3)


@pytest.mark.parametrize("kind", [AttentionKind.STALLED, AttentionKind.NO_WORKER, AttentionKind.ACTIVITY_RETRYING])
async def test_verification_finds_every_kind_of_attention(kind: AttentionKind) -> None:
    """On some servers the index lists one of these kinds; the others need a question."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    if kind is AttentionKind.STALLED:
        ledger.world.stall(operation_id, "its workflow task has failed 7 times")
    elif kind is AttentionKind.NO_WORKER:
        ledger.world.leave_queue("workers")
    else:
        ledger.world.retry_activity(operation_id, 'activity "ship" has failed 9 times')
    ledger.clock.advance(FIRST_VERIFICATION)
    await ledger.verify(10)
    attention = ledger.row(operation_id).attention
    assert attention is not None
    assert attention.kind is kind
    assert ledger.metrics.attention == {kind: 1}


async def test_an_operation_without_worker_is_marked_and_unmarked() -> None:
    """After 30 s, so that a worker has time to start."""
    ledger = FakeLedger()
    ledger.world.leave_queue("workers")
    operation_id = await ledger.dispatched()
    for _ in range(29):
        ledger.pass_time(seconds=1)
        await ledger.start_watch.step(1)
    assert ledger.row(operation_id).attention is None
    ledger.pass_time(seconds=1)
    await ledger.start_watch.step(1)
    attention = ledger.row(operation_id).attention
    assert attention is not None
    assert (attention.kind, attention.message) == (AttentionKind.NO_WORKER, 'no worker polls task queue "workers"')
    ledger.world.poll_queue("workers")
    ledger.world.pick_up(operation_id)
    await ledger.report(operation_id, ReportKind.STARTED)
    assert ledger.row(operation_id).attention is None
    assert len(ledger.history(operation_id)) == 3


async def test_every_operation_without_worker_is_marked() -> None:
    """Not only those that the start watch asks about."""
    ledger = FakeLedger()
    ledger.world.leave_queue("workers")
    ids = [await ledger.dispatched() for _ in range(60)]
    ledger.clock.advance(FIRST_VERIFICATION)
    while (await ledger.verify(100)).found:
        pass
    kinds = [attention and attention.kind for attention in (ledger.row(one).attention for one in ids)]
    assert kinds == [AttentionKind.NO_WORKER] * 60


async def test_an_outage_delays_a_verification_by_a_lease() -> None:
    """It changes no operation; the row stays overdue, and the metric shows it."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    verified_at = ledger.row(operation_id).verification.verified_at
    ledger.clock.advance(FIRST_VERIFICATION)
    ledger.world.go_down()
    step = await ledger.verify(10)
    assert (step.found, step.engine_available) == (1, False)
    assert ledger.row(operation_id).verification.verified_at == verified_at
    ledger.world.come_back()
    ledger.clock.advance(LEASE)
    assert (await ledger.verify(10)).engine_available
    assert ledger.row(operation_id).verification.verified_at == ledger.clock.now()


@pytest.mark.parametrize("step", range(12))
async def test_a_crash_at_any_step_delays_a_verification_by_a_lease(step: int) -> None:
    """Another worker takes the operation after the lease."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, 1)
    ledger.clock.advance(FIRST_VERIFICATION)
    await ledger.killed(ledger.verify(10), step)
    ledger.clock.advance(LEASE)
    await ledger.verify(10)
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]
