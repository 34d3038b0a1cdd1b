"""The worker removes what has been done for long, if it is told to."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from adapters.system.clock import SystemClock
from domain.operation.lifecycle import accept, complete, start
from domain.operation.operation import Cause
from domain.operation.transition import Source
from entrypoints.run_worker import run
from entrypoints.settings.settings import Settings
from entrypoints.wiring import container
from tests.support.ledger_real import eventually

DAYS_AGO = {1: 40, 2: 31, 3: 29, 4: 0}


async def fill(engine: AsyncEngine) -> None:
    """Operations that were done so many days ago, by number; and one as old that runs."""
    now = SystemClock().now()
    async with PostgresUnitsOfWork(engine)() as unit:
        for number, days in (DAYS_AGO | {5: 40}).items():
            cause = Cause(Source.WORKFLOW, "for a test", now - timedelta(days=days))
            made = accept(UUID(int=number), tenant="t", type_name="deploy", value=None, labels={}, cause=cause)
            made = made.then(start(made.operation, cause))
            await unit.operations.add(made if number == 5 else made.then(complete(made.operation, None, cause)))
        await unit.commit()


async def left(engine: AsyncEngine) -> list[int]:
    """The numbers of what is there."""
    async with engine.connect() as connection:
        return [found.int for found in await connection.scalars(text("SELECT id FROM operations ORDER BY id"))]


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention does not need Temporal: every part waits out by itself what it lacks."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")


async def test_the_worker_removes_what_is_old(database_url: str, postgres_engine: AsyncEngine) -> None:
    """What was done more than 30 days ago, and nothing else."""
    await fill(postgres_engine)
    stop = asyncio.Event()
    settings = Settings(database_url=database_url, retention=timedelta(days=30))
    working = asyncio.create_task(run(settings, stop))

    async def removed() -> bool:
        return await left(postgres_engine) == [3, 4, 5]

    try:
        await eventually(removed)
    finally:
        stop.set()
        await working


async def test_nothing_is_removed_by_default(database_url: str) -> None:
    """It is an operator's decision."""
    async with container.worker(Settings(database_url=database_url)) as parts:
        assert parts.retainer is None
