"""What the worker registers in Temporal is looked after for as long as the worker lives."""

import asyncio
from datetime import timedelta

import pytest

from entrypoints.worker.preparation import prepare


async def test_it_is_registered_again_and_again() -> None:
    """The schedule is deleted, or a backup without it restored: without it nothing would reconcile."""
    calls = 0
    thrice = asyncio.Event()

    async def register() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            thrice.set()

    task = asyncio.create_task(prepare(register, again_after=timedelta(milliseconds=1)))
    await asyncio.wait_for(thrice.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_failure_is_tried_again_sooner_than_a_success() -> None:
    """Hazard 25: Temporal was down at boot."""
    calls = 0
    done = asyncio.Event()

    async def register() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("Temporal is down")
        done.set()

    task = asyncio.create_task(prepare(register, again_after=timedelta(days=1)))
    await asyncio.wait_for(done.wait(), 30)
    await asyncio.sleep(0.05)
    assert calls == 2
    task.cancel()
