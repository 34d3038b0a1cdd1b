"""The registry of tracked runs, which every workflow of a worker shares."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import Any, cast

import pytest

from opledger._tracking.reporting import Reporter
from opledger._tracking.tracked_run import TrackedRun, current_run


class SilentReporter:
    """Sends nothing."""

    def __init__(self) -> None:
        self.progress: asyncio.Future[None] | None = None

    def begin(self) -> None:
        """Nothing to do."""

    def end(self) -> None:
        """Nothing to do."""


@pytest.fixture
def loops() -> Iterator[list[asyncio.AbstractEventLoop]]:
    """Two event loops, as two runs have them."""
    made = [asyncio.new_event_loop() for _ in range(2)]
    yield made
    for loop in made:
        loop.close()


def track(reporter: SilentReporter | None = None) -> TrackedRun:
    """A tracked run of the current event loop."""
    return TrackedRun(cast(Reporter, reporter or SilentReporter()), None)


async def waits() -> None:
    await asyncio.get_running_loop().create_future()


def test_body_that_ends_in_the_event_loop_of_another_run_does_not_end_that_one(
    loops: list[asyncio.AbstractEventLoop],
) -> None:
    """The garbage collector can end a body, in any thread. The other run would send no progress, and not replay."""
    ended, other = loops

    async def begin() -> Any:
        body = track().run(waits())
        body.send(None)
        return body

    async def close(body: Any) -> bool:
        run = track()
        body.close()
        return current_run() is run

    body = ended.run_until_complete(begin())
    assert other.run_until_complete(close(body))


def test_run_whose_body_never_began_is_freed() -> None:
    """A handler can report before the run method begins, and fail its workflow task every time."""

    async def report() -> weakref.ref[asyncio.AbstractEventLoop]:
        reporter = SilentReporter()
        track(reporter)
        loop = asyncio.get_running_loop()
        reporter.progress = loop.create_future()
        return weakref.ref(loop)

    loop = asyncio.run(report())
    asyncio.set_event_loop(None)
    gc.collect()
    assert loop() is None
