"""The worker deletes old finished operations if a retention is set."""

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from adapters.system.clock import SystemClock
from domain.operation.lifecycle import complete, fail, start
from domain.operation.operation import Cause
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.start.creation import accept
from domain.operation.transition import Source
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.run_worker import run
from entrypoints.settings.settings import Settings
from entrypoints.wiring.worker import worker as wired_worker
from tests.support.eventually import eventually

TYPES = """
[operations.deploy]
workflow = "Deploy"
task_queue = "queue"
retain = { completed = "7d", failed = "90d" }

[operations.audit]
workflow = "Audit"
task_queue = "queue"
retain = { completed = "off" }
"""
FINISHED = [
    ("deploy", "completed", 8),
    ("deploy", "completed", 6),
    ("deploy", "failed", 91),
    ("deploy", "failed", 89),
    ("audit", "completed", 400),
    ("audit", "failed", 31),
    ("audit", "failed", 29),
    ("undeclared", "completed", 31),
    ("undeclared", "failed", 29),
]
"""Type, outcome, and how many days ago."""
KEPT = [2, 4, 5, 7, 9]
"""Their numbers, from 1."""
DAYS_AGO = {1: 40, 2: 31, 3: 29, 4: 0}


async def fill(engine: AsyncEngine) -> None:
    """Adds operations that finished this many days ago, and a running one of the same age."""
    now = SystemClock().now()
    async with PostgresUnitsOfWork(engine)() as unit:
        for number, days in (DAYS_AGO | {5: 40}).items():
            cause = Cause(Source.WORKFLOW, "for a test", now - timedelta(days=days))
            made = accept(UUID(int=number), tenant="t", type_name="deploy", value=None, labels={}, cause=cause)
            made = made.then(start(made.operation, cause))
            await unit.operations.add(made if number == 5 else made.then(complete(made.operation, None, cause)))
        await unit.commit()


async def left(engine: AsyncEngine) -> list[int]:
    """Returns the numbers of the remaining operations."""
    async with engine.connect() as connection:
        return [found.int for found in await connection.scalars(text("SELECT id FROM opledger.operations ORDER BY id"))]


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention does not need Temporal: each part of the worker waits for its own dependencies."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")


async def test_the_worker_deletes_old_operations(database_url: str, postgres_engine: AsyncEngine) -> None:
    """It deletes those that finished more than 30 days ago, and no others."""
    await fill(postgres_engine)
    stop = asyncio.Event()
    settings = Settings(database_url=database_url, operations=str(DEMO_TYPES), retention=timedelta(days=30))
    working = asyncio.create_task(run(settings, stop))

    async def removed() -> bool:
        return await left(postgres_engine) == [3, 4, 5]

    try:
        await eventually(removed)
    finally:
        stop.set()
        await working


async def test_each_type_and_outcome_has_its_retention(
    database_url: str, postgres_engine: AsyncEngine, tmp_path: Path
) -> None:
    """The general one is for types and outcomes that declare none."""
    now, error = SystemClock().now(), OperationError(ErrorCode.WORKFLOW_FAILED, "no")
    async with PostgresUnitsOfWork(postgres_engine)() as unit:
        for number, (kind, outcome, days) in enumerate(FINISHED, 1):
            cause = Cause(Source.WORKFLOW, "for a test", now - timedelta(days=days))
            made = accept(UUID(int=number), tenant="t", type_name=kind, value=None, labels={}, cause=cause)
            row = (made := made.then(start(made.operation, cause))).operation
            made = made.then(complete(row, None, cause) if outcome == "completed" else fail(row, error, cause))
            await unit.operations.add(made)
        await unit.commit()
    types = tmp_path / "operations.toml"
    types.write_text(TYPES)
    stop = asyncio.Event()
    settings = Settings(database_url=database_url, operations=str(types), retention=timedelta(days=30))
    working = asyncio.create_task(run(settings, stop))

    async def removed() -> bool:
        return len(await left(postgres_engine)) <= len(KEPT)

    try:
        await eventually(removed)
        assert await left(postgres_engine) == KEPT
    finally:
        stop.set()
        await working


async def test_nothing_is_deleted_by_default(database_url: str) -> None:
    """Retention is an operator's decision."""
    async with wired_worker(Settings(database_url=database_url, operations=str(DEMO_TYPES))) as parts:
        assert parts.retainer is None
