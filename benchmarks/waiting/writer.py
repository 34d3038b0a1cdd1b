"""Changes an operation as a worker does: committed, and announced to the waiters."""

import time
from dataclasses import replace
from uuid import UUID

from adapters.postgres.connection.driver import connector
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.feed.notifications import Announcer
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from adapters.system.clock import SystemClock
from benchmarks.data.idle_executions import INPUT
from domain.access.principal import DEFAULT_TENANT
from domain.operation.operation import Cause, Change
from domain.operation.report import Progress
from domain.operation.start.creation import accept
from domain.operation.transition import Source


class Writer:
    """Changes one operation."""

    def __init__(self, url: str, operation_id: UUID) -> None:
        self._engine = create_engine(url)
        self._announcer = Announcer(connector(url))
        self._units = PostgresUnitsOfWork(self._engine, self._announcer.announce)
        self._clock = SystemClock()
        self.operation_id = operation_id
        self.version = 1

    async def __aenter__(self) -> "Writer":
        """Creates the operation."""
        cause = Cause(Source.CLIENT, "accepted", self._clock.now())
        change = accept(
            self.operation_id,
            tenant=DEFAULT_TENANT,
            type_name="deploy",
            value=INPUT,
            labels={"team": "a"},
            cause=cause,
        )
        async with self._units() as unit:
            await unit.operations.add(change)
            await unit.commit()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._announcer.close()
        await self._engine.dispose()

    async def change(self) -> float:
        """Changes the operation. Returns the time at which the commit began, on `time.perf_counter`."""
        async with self._units() as unit:
            operation = await unit.operations.get(self.operation_id)
            assert operation is not None
            progress = Progress(None, f"after version {self.version}")
            changed = replace(operation, progress=progress, updated_at=self._clock.now())
            self.version = (await unit.operations.save(Change(changed))).version
            begin = time.perf_counter()
            await unit.commit()
        return begin
