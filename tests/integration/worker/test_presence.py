"""A worker is known to run from its start on."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.convergence.drift_queries import PostgresDriftQueries
from entrypoints import run_worker
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.settings.settings import Settings
from tests.support.eventually import eventually


@pytest.mark.usefixtures("unscheduled")
async def test_a_worker_notes_its_presence_from_its_start_on(
    database_url: str, postgres_engine: AsyncEngine, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the interval of the reconciliation is."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
    settings = Settings(database_url=database_url, operations=str(DEMO_TYPES), reconcile_every=timedelta(days=1))
    drift, stop = PostgresDriftQueries(postgres_engine), asyncio.Event()

    async def noted() -> bool:
        return (await drift.drift()).worker_age is not None

    assert not await noted()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run_worker.run(settings, stop))
        await eventually(noted, "a note of the worker")
        stop.set()
    assert running.result() == 0
