"""SingleFlight: concurrent callers share one call."""

import asyncio

import pytest

from application.batching.single_flight import SingleFlight
from domain.errors import OpledgerError
from tests.support.ledger.commits import begun


class Calls:
    """Counts its calls. Each ends once it is released."""

    def __init__(self) -> None:
        self.count = 0
        self.now = 0.0
        self.release = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.count += 1
        number = self.count
        await self.release.wait()
        if self.error is not None:
            raise self.error
        return number


async def test_concurrent_callers_share_one_call() -> None:
    """A caller that arrives after its end starts another."""
    calls = Calls()
    flight = SingleFlight(calls)
    waiting = await begun(*(flight.get() for _ in range(3)))
    calls.release.set()
    assert await asyncio.gather(*waiting) == [1, 1, 1]
    assert await flight.get() == 2


async def test_a_result_is_reused_within_its_maximum_age() -> None:
    """The age counts from the start of the call."""
    calls = Calls()
    calls.release.set()
    flight = SingleFlight(calls, max_age=1.0, monotonic=lambda: calls.now)
    assert await flight.get() == 1
    calls.now = 0.99
    assert await flight.get() == 1
    calls.now = 1.0
    assert await flight.get() == 2


async def test_an_error_is_shared_as_a_result_is() -> None:
    calls = Calls()
    flight = SingleFlight(calls)
    calls.error = OpledgerError("away")
    waiting = await begun(flight.get(), flight.get())
    calls.release.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["away"] * 2
    assert calls.count == 1


async def test_a_cancelled_caller_does_not_end_the_call() -> None:
    """The other callers have its result."""
    calls = Calls()
    flight = SingleFlight(calls)
    gone, kept = await begun(flight.get(), flight.get())
    gone.cancel()
    await begun()
    calls.release.set()
    assert await kept == 1
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_an_error_without_caller_is_not_logged() -> None:
    """Asyncio logs exceptions that nothing retrieved."""
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    calls = Calls()
    flight = SingleFlight(calls)
    calls.error = OpledgerError("away")
    [gone] = await begun(flight.get())
    gone.cancel()
    await begun()
    calls.release.set()
    await begun()
    del flight
    assert complaints == []


async def test_a_call_can_be_started_without_waiting_for_it() -> None:
    """A caller that arrives meanwhile shares it."""
    calls = Calls()
    flight = SingleFlight(calls)
    flight.start()
    [caller] = await begun(flight.get())
    calls.release.set()
    assert await caller == 1
