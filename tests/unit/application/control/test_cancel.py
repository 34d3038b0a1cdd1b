"""Cancel: records the request at once; the engine confirms the cancellation."""

from dataclasses import replace

import pytest

from domain.errors import OperationAlreadyDone, OperationNotFound
from domain.evidence.observation import ExecutionState
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import OperationCatalogue
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger.in_memory import FakeLedger
from tests.support.operations import ID

ACCEPTED, RUNNING, FAILED = OperationStatus.ACCEPTED, OperationStatus.RUNNING, OperationStatus.FAILED


@pytest.mark.parametrize("force", [False, True])
async def test_cancel_before_the_first_attempt_prevents_the_start(force: bool) -> None:
    """ACCEPTED to FAILED/CANCELED at once, with reason and actor. The dispatcher finds nothing to do."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    answer = await ledger.cancel(operation_id, force=force, actor="alice")
    assert answer == ledger.row(operation_id)
    assert answer.error is not None
    assert (answer.error.code, answer.error.message, answer.started_at) == (ErrorCode.CANCELED, "no need", None)
    line = ledger.history(operation_id)[-1]
    assert (ledger.statuses(operation_id), line.actor, line.source) == ([ACCEPTED, FAILED], "alice", Source.CLIENT)
    assert (await ledger.dispatch(1)).found == 0
    assert not ledger.world.starts


async def test_cancel_between_claim_and_start_is_delivered_after_the_start() -> None:
    """Hazard 3: a start may be under way, so the request waits for its answer. Then it is delivered at once."""
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


async def test_cancel_after_a_lost_reply_ends_the_execution() -> None:
    """Hazard 3: an attempt whose reply was lost may run. The operation is not CANCELED while it does."""
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


async def test_cancel_of_a_running_operation_changes_no_status() -> None:
    """P3: the request is on the row and in the history, and is due for delivery."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    answer = await ledger.cancel(operation_id, actor="alice")
    request, line = answer.cancel_request, ledger.history(operation_id)[-1]
    assert request is not None
    assert (answer.status, request.by, request.reason, request.delivered_at) == (RUNNING, "alice", "no need", None)
    assert (line.from_status, line.to_status, line.reason) == (RUNNING, RUNNING, "cancellation requested: no need")
    assert answer.follow_up.due_at == ledger.clock.now()


@pytest.mark.parametrize("state", ["submit", "dispatched", "running"])
async def test_cancel_is_accepted_while_the_engine_is_down(state: str) -> None:
    """P5: in every state, without a call to the engine. The request is delivered after the outage."""
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


async def test_cancel_during_a_failing_start_ends_the_operation() -> None:
    """A failed start is not retried for a cancelled operation. When no attempt can be under way any more, and the
    engine knows no execution, it is FAILED/CANCELED without having run."""
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


async def test_cancel_of_an_operation_that_cannot_start_ends_it() -> None:
    """No worker declares its type any more, or the start never succeeds."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.fail_next("permission denied")
    await ledger.dispatch(1)
    await ledger.cancel(operation_id)
    ledger.restart(OperationCatalogue())
    ledger.pass_time(seconds=31)
    await ledger.dispatch(1)
    assert ledger.status(operation_id) is FAILED


async def test_a_start_that_outlives_the_cancellation_is_ended() -> None:
    """A dispatcher that stood still beyond every timeout ends the execution that it then starts: no execution runs
    without an open row."""
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


async def test_a_repeated_request_changes_nothing() -> None:
    """Only `force` after a plain request is a new request."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    plain = await ledger.cancel(operation_id)
    assert await ledger.cancel(operation_id) == plain
    forced = await ledger.cancel(operation_id, force=True)
    assert forced.cancel_request is not None
    assert forced.cancel_request.force
    assert await ledger.cancel(operation_id) == forced
    assert len(ledger.history(operation_id)) == 4


async def test_a_finished_operation_cannot_be_cancelled() -> None:
    """The caller gets OperationAlreadyDone."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    done = await ledger.cancel(operation_id)
    with pytest.raises(OperationAlreadyDone):
        await ledger.cancel(operation_id, force=True)
    assert ledger.row(operation_id) == replace(done)


async def test_another_tenants_operation_is_not_found() -> None:
    """P8: as an unknown one is not, and it does not change."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    before = ledger.row(operation_id)
    for tenant, one in (("default", ID), ("another", operation_id)):
        with pytest.raises(OperationNotFound):
            await ledger.canceller.cancel(tenant, one, reason=None, force=False)
    assert ledger.row(operation_id) == before
