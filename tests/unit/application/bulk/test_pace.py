"""A bulk action waits while other operations wait for the ledger."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from application.bulk.pace import MAX_DELAY, BulkPace
from application.bulk.perform import PerformBulkActions, PieceHandled
from application.ports.storage.operation_queries import OperationFilter
from application.submit.submission import Submission
from domain.bulk.bulk_action import BulkVerb
from domain.bulk.target import TargetOutcome
from domain.operation.follow_up import dispatched
from domain.operation.lifecycle import start
from domain.operation.status import OperationStatus
from domain.scheduling.start_time import StartTime
from tests.unit.application.bulk.test_perform import DONE, Ledger

LATE = max(MAX_DELAY.values()) + timedelta(seconds=1)
LEASE = timedelta(seconds=30)
DEPLOYS = OperationFilter(type="deploy")


def performer(ledger: Ledger, longest_wait: float = 0) -> PerformBulkActions:
    """As it is wired, but a piece ends soon."""
    acts = ledger.worker.verbs().acts
    return PerformBulkActions(ledger.units, acts, BulkPace(ledger.clock), longest_wait=longest_wait)


async def retry_behind_another(ledger: Ledger) -> UUID:
    """A bulk retry of one operation. Another operation has waited for its start for too long."""
    await ledger.submit(done=True)
    await ledger.submit(type_name="build")
    ledger.clock.advance(LATE)
    return await ledger.confirmed(BulkVerb.RETRY, DEPLOYS)


async def claim(ledger: Ledger) -> int:
    """What a dispatcher does."""
    async with ledger.units() as unit:
        claimed = await unit.operations.claim_due_dispatches(ledger.clock.now(), LEASE, 100)
        await unit.commit()
    return len(claimed)


async def test_retry_waits_for_operations_that_wait_for_their_start() -> None:
    """Otherwise a hundred thousand retries would delay those that are submitted after them. It counts as no attempt."""
    ledger = Ledger()
    action = await retry_behind_another(ledger)
    assert await performer(ledger).handle(action, 0) == PieceHandled(0, 1, {}, waits=True)
    assert await ledger.outcomes(action) == [(TargetOutcome.PENDING, None)]
    await claim(ledger)
    assert await performer(ledger).handle(action, 0) == PieceHandled(1, 1, {DONE: 1})


async def test_retry_goes_on_as_soon_as_they_are_started() -> None:
    """It goes on in the same piece."""
    ledger = Ledger()
    action = await retry_behind_another(ledger)
    handling = asyncio.create_task(performer(ledger, 60).handle(action, 0))
    await asyncio.sleep(0)
    assert await ledger.outcomes(action) == [(TargetOutcome.PENDING, None)]
    await claim(ledger)
    assert await handling == PieceHandled(1, 1, {DONE: 1})


async def test_operations_that_have_just_become_due_do_not_hold_it_back() -> None:
    """Nor those that start later."""
    ledger = Ledger()
    await ledger.submit(done=True)
    later = StartTime(delay=timedelta(days=1))
    await ledger.api.submit().submit(Submission("default", "build", start=later))
    ledger.clock.advance(LATE)
    await ledger.submit(type_name="build")
    action = await ledger.confirmed(BulkVerb.RETRY, DEPLOYS)
    assert (await performer(ledger).handle(action, 0)).outcomes == {DONE: 1}


async def delivering(ledger: Ledger) -> None:
    """A dispatched operation whose follow-up is late."""
    waiting, now = await ledger.submit(type_name="build"), ledger.clock.now()
    await ledger.change(
        waiting, lambda row, _: dispatched(row, follow_up_at=now, now=now, first_run_id=f"run of {waiting}")
    )
    ledger.clock.advance(LATE)


async def follow_up(ledger: Ledger) -> None:
    """What a follow-up does first."""
    async with ledger.units() as unit:
        assert await unit.operations.claim_due_follow_ups(ledger.clock.now(), LEASE, 100)
        await unit.commit()


async def test_cancel_ends_operations_that_wait_for_their_start() -> None:
    """It waits neither for them nor for deliveries: it may be what Temporal is late with."""
    ledger = Ledger()
    for _ in range(3):
        await ledger.submit()
    await delivering(ledger)
    action = await ledger.confirmed(BulkVerb.CANCEL, DEPLOYS)
    assert (await performer(ledger).handle(action, 0)).outcomes == {DONE: 3}


@pytest.mark.parametrize("runs", [True, False])
async def test_cancel_waits_for_deliveries(runs: bool) -> None:
    """Of single requests, and for other follow-ups. Whether a worker has taken the target up or not."""
    ledger = Ledger()
    now, target = ledger.clock.now(), await ledger.submit()
    later = now + timedelta(hours=1)
    if runs:
        await ledger.change(target, start)
    else:
        await ledger.change(target, lambda row, _: dispatched(row, follow_up_at=later, now=now, first_run_id="run"))
    await delivering(ledger)
    action = await ledger.confirmed(BulkVerb.CANCEL, DEPLOYS)
    assert await performer(ledger).handle(action, 0) == PieceHandled(0, 1, {}, waits=True)
    await follow_up(ledger)
    assert (await performer(ledger).handle(action, 0)).outcomes == {DONE: 1}


async def test_cancel_waits_for_requests_that_are_passed_on_to_children() -> None:
    """Each target passes its own on."""
    ledger = Ledger()
    first = await ledger.submit(type_name="build")
    await ledger.api.cancel().cancel("default", first, reason=None, force=False)
    await ledger.submit()
    ledger.clock.advance(LATE)
    action = await ledger.confirmed(BulkVerb.CANCEL, DEPLOYS)
    assert (await performer(ledger).handle(action, 0)).waits
    async with ledger.units() as unit:
        assert await unit.operations.claim_due_cancellations(ledger.clock.now(), LEASE, 100)
        await unit.commit()
    assert (await performer(ledger).handle(action, 0)).outcomes == {DONE: 1}


@pytest.mark.parametrize("verb", [BulkVerb.DELETE, BulkVerb.ACKNOWLEDGE])
async def test_verbs_that_make_nothing_due_do_not_wait(verb: BulkVerb) -> None:
    """They cost the database only."""
    ledger = Ledger()
    made = await ledger.submit(done=verb is BulkVerb.DELETE)
    if verb is BulkVerb.ACKNOWLEDGE:
        await ledger.retrying(made)
    await ledger.submit(type_name="build")
    ledger.clock.advance(LATE)
    action = await ledger.confirmed(verb, DEPLOYS)
    assert (await performer(ledger).handle(action, 0)).outcomes == {DONE: 1}


async def test_a_wait_ends_with_the_cancellation_request() -> None:
    """Before Temporal hears of it: it may be the reason for the wait."""
    ledger = Ledger()
    action = await retry_behind_another(ledger)
    await ledger.change(action, start)
    handling = asyncio.create_task(performer(ledger, 60).handle(action, 0))
    await asyncio.sleep(0)
    await ledger.api.cancel().cancel("default", action, reason=None, force=False)
    assert await handling == PieceHandled(0, 1, {}, stopped=True)


async def test_a_wait_ends_with_its_activity() -> None:
    """The next one goes on."""
    ledger = Ledger()
    action = await retry_behind_another(ledger)
    stop = asyncio.Event()
    stop.set()
    assert await performer(ledger, 60).handle(action, 0, stop) == PieceHandled(0, 1, {}, waits=True)


async def test_a_piece_that_was_handled_before_does_not_wait() -> None:
    """Nor does the last attempt at targets that cannot be handled, which is one chunk."""
    ledger = Ledger()
    first = await ledger.submit(done=True)
    action = await ledger.confirmed(BulkVerb.RETRY, DEPLOYS)
    await performer(ledger).handle(action, 0)
    ledger.clock.advance(LATE)
    assert (await performer(ledger).handle(action, 0)).outcomes == {DONE: 1}
    row = await ledger.row(first)
    assert row is not None
    assert row.status is OperationStatus.COMPLETED
    await ledger.finish(row.retried_by or first)
    await ledger.submit(type_name="build")
    ledger.clock.advance(LATE)
    another = await ledger.confirmed(BulkVerb.RETRY, DEPLOYS)
    assert (await performer(ledger).handle(another, 0)).waits
    assert not (await performer(ledger).handle(another, 0, give_up=True)).waits
