"""A loop of the worker that crashes."""

import asyncio

import pytest

from application.batching.claim_loop import ClaimLoop
from entrypoints import run_worker
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.poller import Pace
from entrypoints.settings.settings import Settings


@pytest.mark.usefixtures("unscheduled")
@pytest.mark.parametrize("crash", [asyncio.CancelledError("from within"), BaseException("panic")])
async def test_crashed_loop_stops_the_worker(
    database_url: str,
    temporal_address: str,
    crash: BaseException,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A worker that no longer dispatches must not look healthy; the log names the loop."""
    working = run_worker.claim

    async def crashing(name: str, loop: ClaimLoop, pace: Pace) -> None:
        if name == "dispatch":
            raise crash
        await working(name, loop, pace)

    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
    monkeypatch.setattr(run_worker, "claim", crashing)
    settings = Settings(database_url=database_url, operations=str(DEMO_TYPES))
    async with asyncio.timeout(90):
        assert await run_worker.run(settings, asyncio.Event()) == 1
    assert "the dispatch loop has crashed" in caplog.text
