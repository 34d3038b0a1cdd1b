"""Work that is deferred: once, for all callers, and its error for each of them."""

import asyncio

import pytest

from domain.errors import StartupError
from entrypoints.wiring.deferred import Deferred, DeferredProbe


async def test_it_is_done_once_for_all_callers() -> None:
    """A caller that is cancelled does not stop it."""
    begun, go = 0, asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        await go.wait()

    deferred = Deferred(work)
    impatient, patient = asyncio.create_task(deferred.done()), asyncio.create_task(deferred.done())
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.wait([impatient])
    go.set()
    await patient
    await deferred.done()
    assert begun == 1


async def test_every_caller_gets_its_error() -> None:
    """The probe too: readiness says what is wrong."""

    async def work() -> None:
        raise StartupError("Temporal's configuration cannot be read")

    deferred = Deferred(work)
    for _ in range(2):
        with pytest.raises(StartupError, match="configuration"):
            await DeferredProbe(deferred, lambda: pytest.fail("there is no probe")).check()
