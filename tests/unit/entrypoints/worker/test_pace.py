"""The pace of the worker's loops, on a clock that only their pauses advance."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import pytest

from domain.scheduling.start_time import StartTime
from entrypoints import poller
from entrypoints.run_worker import CLAIM_PACE, claim
from tests.support.ledger.in_memory import FakeLedger

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("delay", [SECOND, 5.05 * SECOND, 600 * SECOND])
async def test_a_later_start_is_exact_to_a_second(monkeypatch: pytest.MonkeyPatch, delay: timedelta) -> None:
    """The dispatcher looks for due operations at its pace, however long it has found none."""
    ledger = FakeLedger()
    operation_id = await ledger.submit(start=StartTime(delay=delay))

    async def pause(seconds: float) -> None:
        ledger.pass_time(seconds=seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(poller, "asyncio", SimpleNamespace(sleep=pause))
    dispatching = asyncio.create_task(claim("dispatch", ledger.dispatcher.claim_loop(), CLAIM_PACE))
    while ledger.row(operation_id).dispatch.done_at is None:
        assert not dispatching.done()
        await asyncio.sleep(0)
    dispatching.cancel()
    await asyncio.gather(dispatching, return_exceptions=True)
    row = ledger.row(operation_id)
    assert row.start_at is not None
    assert row.dispatch.done_at is not None
    assert timedelta() <= row.dispatch.done_at - row.start_at <= SECOND
