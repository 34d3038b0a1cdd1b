"""Recording the end of operations: RecordEvidence against SQLAlchemy's ORM.

Callbacks, reports, follow-up and reconciliation all use RecordEvidence. It decides on the current row, updates it by
compare-and-set, writes the history line, and commits and announces a batch of concurrent records; each task has its
answer after that commit. The alternative is the ORM on the same driver, table and pool: it loads the row, sets the
columns of an end, adds a history line and commits. Its durable work is comparable, but it compares nothing (two tasks
that end the same row both succeed), and neither decides nor announces. Both run in this process, with the same number
of tasks, each on its own row.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final
from uuid import UUID

from dependency_injector import providers
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase

from adapters.postgres.connection.engine import create_engine
from adapters.postgres.schema.tables import metadata, operations, transitions
from adapters.system.clock import SystemClock
from application.track.record import RecordEvidence
from benchmarks.data.rows import EVERY, fill, running
from benchmarks.harness.load import Figures, awaited
from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns
from benchmarks.harness.stage import PLANNED_ONCE, data_folder, database
from domain.evidence.observation import ExecutionState, Observation
from domain.evidence.reconciliation import Verdict
from domain.json_value import JsonValue
from domain.operation.transition import Source
from entrypoints.settings.settings import Settings
from entrypoints.wiring import adapters
from entrypoints.wiring.services import Services

AT_ONCE: Final = (16, 64)
"""Concurrent tasks. A loop of the worker handles 16 operations at a time; a busy worker has three such loops and up to
100 activities."""
CLOCK: Final = SystemClock()
RESULT: Final[JsonValue] = {"machine": "machine-1", "ok": True}


class _Base(DeclarativeBase):
    metadata = metadata


class OperationRecord(_Base):
    """A row with all of its columns."""

    __table__ = operations

    if TYPE_CHECKING:
        status: str
        result: str | None
        updated_at: datetime
        finished_at: datetime | None
        verify_due_at: datetime | None
        version: int
        history_length: int


class TransitionRecord(_Base):
    """A history line."""

    __table__ = transitions


async def rows(scale: Scale) -> list[Row]:
    """Records per second."""
    each = scale.of(1_500, 50)
    wanted = 2 * each * (scale.repeats + 1) * len(AT_ONCE)
    made = wanted * EVERY // (EVERY - 1) + EVERY
    with data_folder() as folder:
        async with database(folder) as url, _recorder(url) as recorder, _sessions(url) as sessions:
            await fill(url, made)
            ids = iter(running(made))
            return [
                await _row(recorder, sessions, scale.repeats, partial(islice, ids, each), tasks) for tasks in AT_ONCE
            ]


async def _row(
    recorder: RecordEvidence,
    sessions: async_sessionmaker[AsyncSession],
    repeats: int,
    some: Callable[[], Iterator[UUID]],
    tasks: int,
) -> Row:
    ours, theirs = await in_turns(
        repeats,
        lambda: _recorded(recorder, some(), tasks),
        lambda: _updated(sessions, some(), tasks),
    )
    what, note = f"terminal records applied, {tasks} at once", "by one process; both write a history line"
    return Row(what, "one ORM update a row", "1/s", column(ours, 0), column(theirs, 0), Goal(5, "at least"), note)


async def _recorded(recorder: RecordEvidence, ids: Iterator[UUID], tasks: int) -> Figures:
    async def one(operation_id: UUID) -> None:
        now = CLOCK.now()
        closed = Observation(ExecutionState.COMPLETED, now, closed_at=now, result=RESULT)
        verdict = await recorder.observation(operation_id, closed, Source.CALLBACK)
        if verdict is not Verdict.TRANSITION:
            raise RuntimeError(f"the record of {operation_id} came to {verdict}")

    return await awaited(tasks, [partial(one, operation_id) for operation_id in ids])


async def _updated(sessions: async_sessionmaker[AsyncSession], ids: Iterator[UUID], tasks: int) -> Figures:
    async def one(operation_id: UUID) -> None:
        now = CLOCK.now()
        async with sessions() as session:
            operation = await session.get_one(OperationRecord, operation_id)
            line = TransitionRecord(
                operation_id=operation_id,
                sequence=operation.history_length + 1,
                from_status=operation.status,
                to_status="COMPLETED",
                source="CALLBACK",
                reason="the execution closed: COMPLETED",
                at=now,
                details="{}",
            )
            session.add(line)
            operation.status = "COMPLETED"
            operation.result = json.dumps(RESULT)
            operation.finished_at = operation.updated_at = now
            operation.verify_due_at = None
            operation.version += 1
            operation.history_length += 1
            await session.commit()

    return await awaited(tasks, [partial(one, operation_id) for operation_id in ids])


@asynccontextmanager
async def _recorder(url: str) -> AsyncIterator[RecordEvidence]:
    """Returns the service, wired as in API and worker."""
    settings = Settings(database_url=url)
    async with adapters.opened(settings) as opened:
        yield Services(settings=providers.Object(settings), adapters=opened).recorder()


@asynccontextmanager
async def _sessions(url: str) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Yields sessions on a pool like the ledger's."""
    engine = create_engine(f"{url}&{PLANNED_ONCE}")
    try:
        yield async_sessionmaker(engine, expire_on_commit=False)
    finally:
        await engine.dispose()
