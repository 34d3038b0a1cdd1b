"""The order of progress reports, turn by turn of the event loop."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio import workflow

from opledger import ReportedProgress, StatusUpdate
from opledger._tracking.reporting import Reporter


class HeldTransport:
    """Each report arrives when the test says so."""

    is_local = False

    def __init__(self) -> None:
        self.arrivals: list[asyncio.Future[None]] = []
        self.fractions: list[float] = []

    def send(self, update: StatusUpdate, *, brief: bool) -> asyncio.Task[Any]:
        """Begins a report."""
        arrival: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def arrive() -> None:
            await arrival

        if update.progress is not None and update.progress.fraction is not None:
            self.arrivals.append(arrival)
            self.fractions.append(update.progress.fraction)
        return asyncio.create_task(arrive())


@pytest.fixture(autouse=True)
def in_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the reporter asks of the workflow's runtime."""
    monkeypatch.setattr(workflow, "now", lambda: datetime.now(UTC))
    monkeypatch.setattr(workflow, "info", lambda: SimpleNamespace(attempt=1))
    monkeypatch.setattr(workflow, "wait", asyncio.wait)


async def turns_of_the_loop(number: int) -> None:
    """Lets everything that is ready run, this many times."""
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.parametrize("turns", range(6))
async def test_older_progress_never_follows_newer(turns: int) -> None:
    """Also if progress is reported in the turn in which the pending report ends, as parallel activities do."""
    transport = HeldTransport()
    reporter = Reporter("00000000-0000-7000-8000-0000000000dd", transport, keeps_newest=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(reporter.send_progress(ReportedProgress(0.1)))
        await turns_of_the_loop(5)
        await reporter.send_progress(ReportedProgress(0.9))
        transport.arrivals[0].set_result(None)
        await turns_of_the_loop(turns)
        group.create_task(reporter.send_progress(ReportedProgress(1.0)))
        await turns_of_the_loop(20)
        for arrival in transport.arrivals:  # it grows
            if not arrival.done():
                arrival.set_result(None)
                await turns_of_the_loop(20)
    assert transport.fractions in ([0.1, 1.0], [0.1, 0.9, 1.0], [0.1, 1.0, 1.0])
