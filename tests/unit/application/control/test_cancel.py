"""Cancelling: a wish that is recorded at once, and whose fulfilment the engine confirms."""

from dataclasses import replace

import pytest

from domain.errors import OperationAlreadyDone, OperationNotFound
from domain.evidence.observation import ExecutionState
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import OperationCatalogue
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger import FakeLedger
from tests.support.operations import ID

ACCEPTED, RUNNING, FAILED = OperationStatus.ACCEPTED, OperationStatus.RUNNING, OperationStatus.FAILED


@pytest.mark.parametrize("force", [False, True])
async def test_before_the_first_attempt_it_is_never_started(force: bool) -> None:
    """ACCEPTED to FAILED/CANCELED at once, with reason and actor; the dispatcher finds nothing to do."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    answer = await ledger.cancel(operation_id, force=force, actor="alice")
    assert answer == ledger.row(operation_id)
    assert answer.error is not None
    assert (answer.error.code, answer.error.message, answer.started_at) == (ErrorCode.CANCELED, "no need", None)
    line = ledger.history(operation_id)[-1]
    assert (ledger.statuses(operation_id), line.actor, line.source) == ([ACCEPTED, FAILED], "alice", Source.CLIENT)
    assert (await ledger.dispatch(1)).claimed == 0
    assert not ledger.world.starts


async def test_between_claim_and_start_it_is_delivered_after_the_start() -> None:
    """Hazard 3: a start may be on its way, so the request waits for its answer; then the engine is told at once."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()

    async def meanwhile() -> None:
        assert (await ledger.cancel(operation_id, force=True)).status is ACCEPTED

    ledger.engine.before[("start", operation_id)] = meanwhile
    await ledger.dispatch(1)
    assert ledger.row(operation_id).follow_up.due_at == ledger.clock.now()
    await ledger.follow_up(1)
    assert ledger.row(operation_id).error is not None
    assert ledger.statuses(operation_id) == [ACCEPTED, FAILED]


async def test_after_a_lost_reply_the_execution_is_ended() -> None:
    """Hazard 3: an attempt whose answer was lost may run: it is not declared cancelled while it does."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    assert (await ledger.cancel(operation_id, force=True)).status is ACCEPTED
    ledger.pass_time(seconds=1)
    await ledger.dispatch(1)
    await ledger.follow_up(1)
    error = ledger.row(operation_id).error
    assert error is not None
    assert error.code is ErrorCode.TERMINATED
    assert len(ledger.world.starts) == 1


async def test_running_one_runs_until_the_engine_says_otherwise() -> None:
    """P3: the request is on the row and in the history, is due for delivery, and changes no status."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    answer = await ledger.cancel(operation_id, actor="alice")
    request, line = answer.cancel_request, ledger.history(operation_id)[-1]
    assert request is not None
    assert (answer.status, request.by, request.reason, request.delivered_at) == (RUNNING, "alice", "no need", None)
    assert (line.from_status, line.to_status, line.reason) == (RUNNING, RUNNING, "cancellation requested: no need")
    assert answer.follow_up.due_at == ledger.clock.now()


@pytest.mark.parametrize("state", ["submit", "dispatched", "running"])
async def test_is_taken_while_the_engine_is_down(state: str) -> None:
    """P5: nothing is asked of the engine, whatever the operation's state; once it is back the request arrives."""
    ledger = FakeLedger()
    operation_id = await getattr(ledger, state)()
    ledger.world.go_down()
    calls = sum(len(calls) for calls in ledger.engine.calls.values())
    await ledger.cancel(operation_id, force=True)
    assert sum(len(calls) for calls in ledger.engine.calls.values()) == calls
    await ledger.follow_up(1)
    ledger.world.come_back()
    ledger.pass_time(seconds=5)
    await ledger.follow_up(1)
    assert ledger.status(operation_id) is FAILED


async def test_during_an_outage_of_the_start() -> None:
    """A start that was tried in vain is not tried again for a cancelled operation: once it is sure that no attempt is
    still under way, and the engine knows no execution, it is FAILED/CANCELED without ever having run."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.go_down()
    await ledger.dispatch(1)
    await ledger.cancel(operation_id)
    ledger.world.come_back()
    ledger.pass_time(seconds=1)
    await ledger.dispatch(1)
    assert ledger.status(operation_id) is ACCEPTED
    ledger.pass_time(seconds=30)
    await ledger.dispatch(1)
    error = ledger.row(operation_id).error
    assert error is not None
    assert (error.code, ledger.row(operation_id).started_at) == (ErrorCode.CANCELED, None)
    assert ledger.world.starts == []


async def test_of_what_nobody_can_start() -> None:
    """A type that no worker declares any more, a start that never goes through: the cancel ends it all the same."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.fail_next("permission denied")
    await ledger.dispatch(1)
    await ledger.cancel(operation_id)
    ledger.dispatcher._catalogue = OperationCatalogue()
    ledger.pass_time(seconds=31)
    await ledger.dispatch(1)
    assert ledger.status(operation_id) is FAILED


async def test_whose_start_was_under_way_all_the_time() -> None:
    """A dispatcher that stood still past everybody's patience ends what it then starts: no execution without a row that
    waits for it."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()

    async def stand_still() -> None:
        ledger.engine.before.clear()
        await ledger.cancel(operation_id)
        ledger.pass_time(seconds=31)
        await ledger.dispatch(1)
        assert ledger.status(operation_id) is FAILED

    ledger.engine.before[("start", operation_id)] = stand_still
    await ledger.dispatch(1)
    assert (await ledger.observed(operation_id)).state is ExecutionState.TERMINATED


async def test_repeat_changes_nothing() -> None:
    """A client may ask twice; only `force` after a plain request is another wish."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    plain = await ledger.cancel(operation_id)
    assert await ledger.cancel(operation_id) == plain
    forced = await ledger.cancel(operation_id, force=True)
    assert forced.cancel_request is not None
    assert forced.cancel_request.force
    assert await ledger.cancel(operation_id) == forced
    assert len(ledger.history(operation_id)) == 4


async def test_done_is_done() -> None:
    """What has ended cannot be cancelled, and the caller is told."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    done = await ledger.cancel(operation_id)
    with pytest.raises(OperationAlreadyDone):
        await ledger.cancel(operation_id, force=True)
    assert ledger.row(operation_id) == replace(done)


async def test_unknown_and_another_tenants() -> None:
    """P8: another tenant's operation is as unknown as none at all, and stays untouched."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    before = ledger.row(operation_id)
    for tenant, one in (("default", ID), ("another", operation_id)):
        with pytest.raises(OperationNotFound):
            await ledger.canceller.cancel(tenant, one, reason=None, force=False)
    assert ledger.row(operation_id) == before
